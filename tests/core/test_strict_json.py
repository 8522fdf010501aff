from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authd.core.strict_json import InvalidJson, decode_value, parse_object

NOT_STRICT = "not strict JSON in UTF-8"

REFUSED = [
    (b"", NOT_STRICT),
    (b" ", NOT_STRICT),
    (b"{", NOT_STRICT),
    (b"{}x", NOT_STRICT),
    (b"{}{}", NOT_STRICT),
    (b"{}\x00", NOT_STRICT),
    (b"{}\x0b", NOT_STRICT),
    (b"{}\xc2\xa0", NOT_STRICT),
    (b"\xef\xbb\xbf{}", NOT_STRICT),
    (b"{'a':1}", NOT_STRICT),
    (b'{"a":1,}', NOT_STRICT),
    (b'{"a":[1,]}', NOT_STRICT),
    (b"{a:1}", NOT_STRICT),
    (b'{"a":01}', NOT_STRICT),
    (b'{"a":+1}', NOT_STRICT),
    (b'{"a":.5}', NOT_STRICT),
    (b'{"a":1.}', NOT_STRICT),
    (b'{"a":0x1}', NOT_STRICT),
    (b'{"a":1_0}', NOT_STRICT),
    (b'{"a":"\n"}', NOT_STRICT),
    (b'{"a":"\x00"}', NOT_STRICT),
    (b'{"a":"\\x41"}', NOT_STRICT),
    (b'{"a":"\\u12"}', NOT_STRICT),
    (b'{"a":True}', NOT_STRICT),
    (b'{"a":1}// x', NOT_STRICT),
    (b'/**/{"a":1}', NOT_STRICT),
    (b'{"a":"\xff"}', NOT_STRICT),
    (b'{"a":"\xc0\xaf"}', NOT_STRICT),
    (b'{"a":"\xed\xa0\x80"}', NOT_STRICT),
    (b'{"a":"\xed\xa0\x80\xed\xb0\x80"}', NOT_STRICT),
    ('{"a":1}'.encode("utf-16"), NOT_STRICT),
    ('{"a":1}'.encode("utf-16-le"), NOT_STRICT),
    ('{"a":1}'.encode("utf-32"), NOT_STRICT),
    (b'{"a":"\\ud800"}', NOT_STRICT),
    (b'{"a":"\\udc00\\ud800"}', NOT_STRICT),
    (b'{"a":{"b":["\\uDFFF"]}}', NOT_STRICT),
    (b'{"\\ud800":1}', NOT_STRICT),
    (b'{"a":' + b"9" * 5000 + b"}", NOT_STRICT),
    (b'{"a":-' + b"9" * 5000 + b"}", NOT_STRICT),
    (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", NOT_STRICT),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, NOT_STRICT),
    (b"[" * 65_000, NOT_STRICT),
    (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", NOT_STRICT),
    (b'{"b":[],"a":' * 64 + b"[1]" + b"}" * 64, NOT_STRICT),
    (b'{"b":[[{"a":' * 64 + b"[1]" + b"}]]}" * 64, NOT_STRICT),
    (b'{"a":1,"a":1}', "a key is duplicated"),
    (b'{"a":1,"\\u0061":2}', "a key is duplicated"),
    (b'{"x":[{"a":1,"b":2,"a":3}]}', "a key is duplicated"),
    (b'{"":1,"":2}', "a key is duplicated"),
    (b'{"a":NaN}', "NaN is not JSON"),
    (b'{"a":Infinity}', "Infinity is not JSON"),
    (b'{"a":[-Infinity]}', "-Infinity is not JSON"),
    (b"NaN", "NaN is not JSON"),
    (b"null", "not a JSON object"),
    (b"[]", "not a JSON object"),
    (b'[{"a":1}]', "not a JSON object"),
    (b'"a"', "not a JSON object"),
    (b"1", "not a JSON object"),
    (b"true", "not a JSON object"),
]


@pytest.mark.parametrize(("body", "message"), REFUSED, ids=range(len(REFUSED)))
def test_invalid_objects_are_refused(body, message):
    """JSON that parsers could read differently, or that is expensive to parse, is refused with a short message."""
    with pytest.raises(InvalidJson) as caught:
        parse_object(body, 65_536)
    assert str(caught.value) == message


ACCEPTED = [
    (b"{}", {}),
    (b' \t\r\n{ "a" : 1 }\n', {"a": 1}),
    (b'{"a":[1,2.5,-3e2,null,true,false,"x",{}]}', {"a": [1, 2.5, -300.0, None, True, False, "x", {}]}),
    (b'{"a":{"a":{"a":1}}}', {"a": {"a": {"a": 1}}}),
    (b'{"a":1,"A":2}', {"a": 1, "A": 2}),
    (b'{"a":"\\ud83d\\ude00"}', {"a": "\N{GRINNING FACE}"}),
    (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
    ('{"ä":"\N{GRINNING FACE}"}'.encode(), {"ä": "\N{GRINNING FACE}"}),
]


@pytest.mark.parametrize(("body", "value"), ACCEPTED)
def test_a_strict_object_is_parsed(body, value):
    """One object in UTF-8 is parsed."""
    assert parse_object(body, 65_536) == value


def test_the_limit_is_in_bytes():
    """A body with exactly the limit's bytes is parsed. One byte more is refused before decoding."""
    body = '{"a":"ä"}'.encode()
    assert parse_object(body, len(body)) == {"a": "ä"}
    with pytest.raises(InvalidJson, match=f"^longer than {len(body) - 1} bytes$"):
        parse_object(body, len(body) - 1)


@pytest.mark.parametrize("wide", ["", '"b":[{},[]],'])
def test_the_deepest_nesting_is_parsed(wide):
    """Nesting up to the bound is accepted. Brackets in strings don't count."""
    inner = b"[" * 63 + b"]" * 63
    assert parse_object(f'{{{wide}"a":'.encode() + inner + b"}", 65_536)["a"] == json.loads(inner)
    assert parse_object(b'{"a":"' + b"[{" * 1000 + b'"}', 65_536) == {"a": "[{" * 1000}
    assert parse_object(b'{"a":[' + b"{}," * 1000 + b"1]}", 65_536) == {"a": [{}] * 1000 + [1]}


def test_an_error_has_no_cause():
    """A traceback of the error does not print the body through an earlier exception."""
    with pytest.raises(InvalidJson) as caught:
        parse_object(b'{"token":"secret"', 100)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=8), JSON, max_size=5), st.booleans())
def test_json_round_trip(value, ascii_only):
    """Every object that the json module writes is parsed as the same object, with escapes or in UTF-8."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parse_object(body, len(body)) == value


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.integers(0, 200))
def test_nothing_but_invalid_json_is_ever_raised(body, limit):
    """All bytes are an object within the limit that can be encoded in UTF-8, or raise `InvalidJson`."""
    try:
        value = parse_object(body, limit)
    except InvalidJson:
        return
    assert len(body) <= limit
    json.dumps(value, ensure_ascii=False).encode()


@pytest.mark.parametrize(("text", "place", "value", "end"), [
    ('{"a":1}', 0, {"a": 1}, 7),
    ('[{"a":1},2]', 1, {"a": 1}, 8),
    ('[{"a":1},2]', 9, 2, 10),
    ('["\\ud83d\\ude00"]x', 0, ["\N{GRINNING FACE}"], 16),
    ('1,"\\ud800"', 0, 1, 1),
])  # fmt: skip
def test_one_value_of_a_longer_text(text, place, value, end):
    """A value is parsed from an offset, whatever follows it."""
    assert decode_value(text, place) == (value, end)


@pytest.mark.parametrize(
    "text",
    ['[{"a":1,"a":2}]', "[NaN]", '["\\ud800"]', "[1", "", "[" * 100_000, "[" + "1" * 5000 + "]", "[01]", "['a']"],
)
def test_a_value_that_is_not_strict(text):
    """A single value is parsed as strictly as a whole document."""
    with pytest.raises(InvalidJson, match=r"^not strict JSON in UTF-8$") as caught:
        decode_value(text, 0)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
