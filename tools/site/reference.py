"""Generate the tables of settings and reasons in the documents from the code.

    python -m tools.site.reference

rewrites the rows about settings and reasons in docs/settings.md and docs/reasons.md. The rest stays as it is.
Descriptions are the `#:` comments at the names. Defaults, values, flags and statuses come from the imported code.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import yaml

from authd.cli.why.next_steps import NEXT_STEPS
from authd.config.fields import schema
from authd.config.load import load_settings
from authd.config.settings import Settings, STSSettings, TracingSettings
from authd.core.errors import SILENT_REASONS, ConfigError, DenialReason, UnavailableReason
from authd.daemon.command_line.flags import SERVER_FLAGS
from authd.daemon.webhook import STATUS
from authd.partition_data import load_partitions

ROOT = Path(__file__).parents[2]
SETTINGS, REASONS = ROOT / "docs" / "settings.md", ROOT / "docs" / "reasons.md"

#: The reaction of kube-apiserver to each status. It caches a denial without an error text.
_REACTIONS = {200: "logs the error", 429: "retries", 502: "retries", 503: "does not retry", 504: "retries"}
_CACHES = "caches, no error"
#: Invalid values for every setting. The error messages about them state the accepted values.
_PROBES = ("é ~,", "1000h")
#: The sections below `server`: their names and classes.
_SECTIONS: Mapping[str, tuple[schema.Names, type[object]]] = {
    "sts": (schema.STS, STSSettings),
    "tracing": (schema.TRACING, TracingSettings),
}
_ROW = re.compile(r"^\| `(\w[\w.]*)` \|.*\|$", re.MULTILINE)


def main() -> int:
    """Rewrite both documents."""
    SETTINGS.write_text(settings_page(SETTINGS.read_text("utf-8")), "utf-8")
    REASONS.write_text(reasons_page(REASONS.read_text("utf-8")), "utf-8")
    return 0


def settings_page(text: str) -> str:
    """Return the page with a generated row for each setting in it."""
    rows = {path: _setting_row(path) for path in setting_paths()}
    names = descriptions("config/fields/schema.py")
    rows |= {name: f"| `{name}` | {names[name]} |" for name in (*schema.ROLE.values(), *schema.ENDPOINT.values())}
    return _ROW.sub(lambda match: rows.get(match[1], match[0]), text)


def reasons_page(text: str) -> str:
    """Return the page with the rows of all reasons."""
    meanings = descriptions("core/errors.py")
    reasons = (*DenialReason, *UnavailableReason)
    rows = {each.value: _reason_row(each, meanings[f"{type(each).__name__}.{each.name}"]) for each in reasons}
    return _ROW.sub(lambda match: rows.get(match[1], match[0]), text)


def setting_paths() -> tuple[str, ...]:
    """Return the path of every setting, such as `server.sts.timeout`."""
    server = (f"server.{name}" for name in schema.SERVER.values() if name not in _SECTIONS)
    below = (f"server.{section}.{name}" for section, (names, _) in _SECTIONS.items() for name in names.values())
    return *schema.TOP.values(), *server, *below


def descriptions(module: str) -> Mapping[str, str]:
    """Return the `#:` comments of a module, by the name or string that follows each.

    Names in a class are returned as `Class.name`.
    """
    found: dict[str, str] = {}
    owner, before = "", ""
    comment: list[str] = []
    source = (ROOT / "authd" / module).read_text("utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            comment.append(token.string.removeprefix("#:").strip())
        elif token.type in {tokenize.NAME, tokenize.STRING}:
            if before == "class":
                owner = f"{token.string}."
            elif token.start[1] == 0:
                owner = ""
            before = token.string
            if comment:
                found[owner + token.string.strip('"')] = " ".join(comment)
                comment = []
    return found


def _setting_row(path: str) -> str:
    flags = [f"`--{flag.name}`" for flag in SERVER_FLAGS if flag.setting == path]
    flag = f" Flag: {flags[0]}." if flags else ""
    return f"| `{path}` | {_default(path)} | {_values(path)} | {_descriptions()[path.lower()]}{flag} |"


def _descriptions() -> Mapping[str, str]:
    """Return the description of each setting, by its lower-case path."""
    owners = {"Settings": "", **{owner.__name__: f"server.{name}." for name, (_, owner) in _SECTIONS.items()}}
    found: dict[str, str] = {}
    for entry, text in descriptions("config/settings.py").items():
        owner, _, name = entry.partition(".")
        if not name:
            continue
        found[owners[owner] + name.replace("_", "") if owners[owner] else Settings.spelled(name)] = text
    names = descriptions("config/fields/schema.py")
    found |= {f"server.{name}": names[name] for name in ("mapRoles", "mapUsers", "mapAccounts")}
    return {path.lower(): text for path, text in {**found, "server": names["server"]}.items()}


def _default(path: str) -> str:
    """Return the default of a setting as written in a settings file."""
    if path in {"clusterID", "server.tracing.endpoint"}:
        return "required"
    settings = Settings(cluster_id="c")
    paths = {Settings.spelled(field.name): getattr(settings, field.name) for field in fields(settings)}
    of_sts = {f"server.sts.{field.name.replace('_', '')}": field.name for field in fields(settings.sts)}
    paths |= {name: getattr(settings.sts, field) for name, field in of_sts.items()}
    value = {name.lower(): value for name, value in paths.items()}.get(path.lower())
    if not value and not isinstance(value, bool | float):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(value)}]`"
    return f"`{value:g}s`" if isinstance(value, float) and ".sts." in path else f"`{value}`"


def _values(path: str) -> str:
    """Return the accepted values of a setting, taken from the error message for an invalid one."""
    said = [message for probe in _PROBES for message in _messages(path, probe)]
    said = [text.removeprefix(f"{path} ") for text in said if text.startswith(f"{path} ")]
    musts = [text.removeprefix("must be ").partition(": ")[0].partition(";")[0] for text in said if "must be " in text]
    if any("names an unknown backend" in text for text in said):
        musts = [text.partition("known are ")[2] for text in said]
    if path.endswith(("ARN", "Role")):
        musts = ["an ARN"]
    exact = [must for must in musts if "such as 5s" not in must]
    value = _quoted((exact or musts or ["a path" if any("directory" in text for text in said) else "text"])[0])
    takes_list = any(text.startswith(f"{path} must be a list") for text in _messages(path, {"key": "value"}))
    return f"a list: {value}" if takes_list and value != "a list" else value


def _messages(path: str, value: object) -> Iterator[str]:
    """Yield the error messages for a settings file with this value."""
    *sections, name = path.split(".")
    content: dict[str, object] = {name: value}
    for section in reversed(sections):
        content = {section: content}
    text = yaml.safe_dump({"clusterID": "c", **content})
    try:
        loaded = load_settings(text.encode(), file="", partitions=load_partitions())
    except ConfigError as error:
        yield from (problem.message for problem in error.problems)
    else:
        yield from (problem.message for problem in loaded.warnings)


def _quoted(text: str) -> str:
    """Quote alternatives of single words with backquotes. Any other text stays as it is."""
    words = re.split(r", | or ", text)
    return ", ".join(f"`{word}`" for word in words) if len(words) > 1 and " " not in "".join(words) else text


def _reason_row(reason: DenialReason | UnavailableReason, meaning: str) -> str:
    status = STATUS.get(reason, 200)
    reaction = _CACHES if reason in SILENT_REASONS else _REACTIONS[status]
    return f"| `{reason}` | {status} | {reaction} | {meaning} **Next step:** {NEXT_STEPS[reason]} |"


if __name__ == "__main__":
    sys.exit(main())
