"""The command line, in the grammar of pflag, so that arguments for aws-iam-authenticator keep their meaning.

It imports no argparse, which would double the run time of a kubectl call.
"""

from __future__ import annotations

from authd.client.fast.errors import UsageError

# Options that take a value, and the field of `Options` that keeps it.
_VALUES = {
    "--cluster-id": "cluster_id",
    "--role": "role",
    "--external-id": "external_id",
    "--session-name": "session_name",
    "--region": "region",
    "--config": "config",
    "--log-format": "log_format",
    "--profile": "profile",
    "--duration": "duration",
    "--endpoint": "endpoint",
    # aws-iam-authenticator accepts it for every command, though only its server uses it.
    "--feature-gates": "feature_gates",
}
_SWITCHES = {
    "--forward-session-name": "forward_session_name",
    "--token-only": "token_only",
    "--cache": "cache",
    "--clear-cache": "clear_cache",
    "--help": "help",
    "--version": "version",
}
_SHORT = {
    "-i": "--cluster-id",
    "-r": "--role",
    "-e": "--external-id",
    "-s": "--session-name",
    "-c": "--config",
    "-l": "--log-format",
    "-h": "--help",
}
# The spellings of Go's strconv.ParseBool.
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class Options:
    """The parsed command line. None stands for an absent option, so that an empty value can override a default."""

    # A plain class, because importing dataclasses takes longer than all of the fast path.
    __slots__ = (*_VALUES.values(), *_SWITCHES.values(), "why")

    cluster_id: str | None
    role: str | None
    external_id: str | None
    session_name: str | None
    region: str | None
    config: str | None
    log_format: str | None
    profile: str | None
    duration: str | None
    endpoint: str | None
    feature_gates: str | None
    forward_session_name: bool
    token_only: bool
    cache: bool
    clear_cache: bool
    help: bool
    version: bool
    # The daemon's reference code, empty for a bare `--why`. None without the option.
    why: str | None

    def __init__(self) -> None:
        for name in _VALUES.values():
            setattr(self, name, None)
        for name in _SWITCHES.values():
            setattr(self, name, False)
        self.why = None


def parse_flags(arguments: list[str]) -> Options:
    """Return the options in `arguments` (without the program's name). Raises UsageError.

    A first word `token` is skipped, so that a kubeconfig for aws-iam-authenticator keeps its arguments.
    """
    options = Options()
    words: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            words.extend(remaining)
        elif argument.startswith("-") and argument != "-":
            _parse_flag(options, argument, remaining)
        else:
            words.append(argument)
    if words and words[0] == "token":
        del words[0]
    if words:
        raise UsageError(f"unexpected argument {words[0]!r}; `authd-token --help` shows the options")
    if options.log_format not in (None, "text", "json"):
        raise UsageError(f"--log-format is either text or json, not {options.log_format!r}")
    if options.forward_session_name and options.session_name:
        raise UsageError("--forward-session-name and --session-name exclude each other; give only one of them")
    return options


def _parse_flag(options: Options, argument: str, remaining: object) -> None:
    name, given, value = _split(argument)
    if name == "--why":
        options.why = value
    elif name in _SWITCHES:
        setattr(options, _SWITCHES[name], _boolean(name, value) if given else True)
    elif name in _VALUES:
        setattr(options, _VALUES[name], value if given else _next_value(name, remaining))
    else:
        raise UsageError(f"unknown option {name}; `authd-token --help` shows the options")


def _split(argument: str) -> tuple[str, bool, str]:
    if argument.startswith("--"):
        name, equals, value = argument.partition("=")
        return name, bool(equals), value
    name = argument[:2]
    value = argument[2:]
    return _SHORT.get(name, name), bool(value), value.removeprefix("=")


def _next_value(name: str, remaining: object) -> str:
    value = next(remaining, None)  # type: ignore[call-overload]
    if value is None:
        raise UsageError(f"option {name} needs a value")
    return str(value)


def _boolean(name: str, value: str) -> bool:
    if value not in _BOOLEANS:
        raise UsageError(f"option {name} is either true or false, not {value!r}")
    return _BOOLEANS[value]
