"""Generate the tables of settings and reasons in the documents from the code.

    python -m tools.site.reference

rewrites docs/settings.md and docs/reasons.md. Their prose stays as it is. Each row about a setting or a reason is
replaced. Its description is the `#:` comment at the name. Defaults, values, flags and statuses come from the running
code.
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
from authd.config.settings import Settings
from authd.core.errors import SILENT_REASONS, ConfigError, DenialReason, UnavailableReason
from authd.daemon.command_line.flags import SERVER_FLAGS
from authd.daemon.webhook import STATUS
from authd.partition_data import load_partitions

ROOT = Path(__file__).parents[2]
SETTINGS, REASONS = ROOT / "docs" / "settings.md", ROOT / "docs" / "reasons.md"

#: The reaction of kube-apiserver to each status. A refusal without an error text is cached instead.
_REACTIONS = {200: "logs the error", 429: "retries", 502: "retries", 503: "does not retry", 504: "retries"}
_CACHES = "caches, no error"
#: Texts that no setting accepts, each of which makes the settings' readers state the values that they accept.
_PROBES = ("é ~,", "1000h")
#: Sections with rows of their own.
_SECTIONS = (("sts", schema.STS), ("tracing", schema.TRACING))
_ROW = re.compile(r"^\| `(\w[\w.]*)` \|.*\|$", re.MULTILINE)


def main() -> int:
    """Rewrite both documents."""
    SETTINGS.write_text(settings_page(SETTINGS.read_text("utf-8")), "utf-8")
    REASONS.write_text(reasons_page(REASONS.read_text("utf-8")), "utf-8")
    return 0


def settings_page(text: str) -> str:
    """Return the page with a row of its own for each setting that it names."""
    rows = {path: _setting_row(path) for path in setting_paths()}
    names = descriptions("config/fields/schema.py")
    rows |= {name: f"| `{name}` | {names[name]} |" for name in (*schema.ROLE.values(), *schema.ENDPOINT.values())}
    return _ROW.sub(lambda match: rows.get(match[1], match[0]), text)


def reasons_page(text: str) -> str:
    """Return the page with the rows of all reasons."""
    meanings = descriptions("core/errors.py")
    rows = {reason.value: _reason_row(reason, meanings[reason.name]) for reason in (*DenialReason, *UnavailableReason)}
    return _ROW.sub(lambda match: rows.get(match[1], match[0]), text)


def setting_paths() -> tuple[str, ...]:
    """Return the path of every setting, such as `server.sts.timeout`."""
    server = (f"server.{name}" for name in schema.SERVER.values() if name not in {"sts", "tracing"})
    inner = (f"server.{section}.{name}" for section, names in _SECTIONS for name in names.values())
    return *schema.TOP.values(), *server, *inner


def descriptions(module: str, owner: str = "") -> Mapping[str, str]:
    """Return the `#:` comments of a module of authd, or of one of its classes, by the name or string after each."""
    found: dict[str, str] = {}
    comment: list[str] = []
    inside = before = ""
    source = (ROOT / "authd" / module).read_text("utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.string.startswith("#:"):
            comment.append(token.string.removeprefix("#:").strip())
        elif token.type in {tokenize.NAME, tokenize.STRING}:
            if before == "class":
                inside = token.string
            before = token.string
            if comment and owner in {"", inside}:
                found[token.string.strip('"')] = " ".join(comment)
            comment = []
    return found


def _setting_row(path: str) -> str:
    flags = [f"`--{flag.name}`" for flag in SERVER_FLAGS if flag.setting == path]
    flag = f" Flag: {flags[0]}." if flags else ""
    return f"| `{path}` | {_default(path)} | {_values(path)} | {_descriptions()[path.lower()]}{flag} |"


def _descriptions() -> Mapping[str, str]:
    """Return the description of each setting by its path in lower case."""
    found = {Settings.spelled(name): text for name, text in descriptions("config/settings.py", "Settings").items()}
    for section, owner in (("sts", "STSSettings"), ("tracing", "TracingSettings")):
        comments = descriptions("config/settings.py", owner)
        found |= {f"server.{section}.{name.replace('_', '')}": text for name, text in comments.items()}
    names = descriptions("config/fields/schema.py")
    found |= {f"server.{name}": names[name] for name in ("mapRoles", "mapUsers", "mapAccounts")}
    return {path.lower(): text for path, text in {**found, "server": names["server"]}.items()}


def _default(path: str) -> str:
    """Return the default of a setting as it is written in a file."""
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
    """Return the values that a setting accepts, as its own error message for a wrong one states them."""
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
    """Yield the messages about a settings file that has this value of a setting."""
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
    """Return alternatives of single words in backquotes, and any other text as it is."""
    words = re.split(r", | or ", text)
    return ", ".join(f"`{word}`" for word in words) if len(words) > 1 and " " not in "".join(words) else text


def _reason_row(reason: DenialReason | UnavailableReason, meaning: str) -> str:
    status = STATUS.get(reason, 200)
    reaction = _CACHES if reason in SILENT_REASONS else _REACTIONS[status]
    return f"| `{reason}` | {status} | {reaction} | {meaning} **Next step:** {NEXT_STEPS[reason]} |"


if __name__ == "__main__":
    sys.exit(main())
