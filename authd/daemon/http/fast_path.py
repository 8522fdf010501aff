"""HTTP/1.1 messages of the usual form, told by one expression: whole in one piece, with a length, and nothing special.

What is taken here llhttp would take too, and read the same; everything else, and whatever is wrong, is llhttp's to
read. Kube-apiserver's requests and STS's answers are of this form, and reading one so takes a fifth of the time.
"""

from __future__ import annotations

import re

#: The most that comes before a body, in bytes: kube-apiserver's requests have 250, STS's answers 300.
_MOST_HEAD = 4_096

# Only single characters are repeated possessively: where a longer part fails half-way in its last repetition, not every
# Python 3.11 goes back to where that began.
#: A header that frames nothing (RFC 9112, section 6), or says only what is so anyway.
_HEADER = (
    rb"(?:Connection: keep-alive\r\n"
    rb"|(?!(?i:connection|content-encoding|content-length|expect|proxy-connection|transfer-encoding|upgrade):)"
    rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~]*+\r\n)"
)
_SOME = _HEADER + rb"{0,16}"
_HEADERS = _SOME + rb"Content-Length: (0|[1-9][0-9]{0,5})\r\n" + _SOME + rb"\r\n"
_REQUEST = re.compile(rb"(GET|HEAD|POST) (/[A-Za-z0-9/._~?&=%-]*+) HTTP/1\.1\r\n" + _HEADERS)
_ANSWER = re.compile(rb"HTTP/1\.1 (200|[45][0-9][0-9]) [ -~]*+\r\n" + _HEADERS)


def usual_request(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return method, target and body of a request that leaves its connection open; None where it is to be read."""
    match = _REQUEST.match(data, 0, _MOST_HEAD)
    if match is None or len(data) - match.end() != int(match[3]):
        return None
    return match[1], match[2], data[match.end() :]


def usual_answer(data: bytes) -> tuple[int, bytes] | None:
    """Return status and body of an answer that leaves its connection open; None where it is to be read."""
    match = _ANSWER.match(data, 0, _MOST_HEAD)
    if match is None or len(data) - match.end() != int(match[2]):
        return None
    return int(match[1]), data[match.end() :]
