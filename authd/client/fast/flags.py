"""The command line, by pflag's grammar, since kubeconfigs written for aws-iam-authenticator must go on working.

Every kubectl call reads this file, so it imports nothing: argparse alone would double the run time.
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
    # aws-iam-authenticator has it for every command, though it concerns the server alone.
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
    """What the command line asks for; None where it is silent, so that an empty value can override a default."""

    # A plain class: the dataclasses module would cost every kubectl call more than all the rest of this program.
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
    # None: not asked for. Otherwise the daemon's reference code, empty where none was given.
    why: str | None

    def __init__(self) -> None:
        for name in _VALUES.values():
            setattr(self, name, None)
        for name in _SWITCHES.values():
            setattr(self, name, False)
        self.why = None


def parse_flags(arguments: list[str]) -> Options:
    """Return the options in `arguments` (without the program's name); raise UsageError for what is not one.

    The word `token` is allowed once, so that a kubeconfig written for aws-iam-authenticator keeps its arguments.
    """
    options = Options()
    words: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            words.extend(rest)
        elif argument.startswith("-") and argument != "-":
            _take_flag(options, argument, rest)
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


def _take_flag(options: Options, argument: str, rest: object) -> None:
    name, given, value = _split(argument)
    if name == "--why":
        options.why = value
    elif name in _SWITCHES:
        setattr(options, _SWITCHES[name], _boolean(name, value) if given else True)
    elif name in _VALUES:
        setattr(options, _VALUES[name], value if given else _next_value(name, rest))
    else:
        raise UsageError(f"unknown option {name}; `authd-token --help` shows the options")


def _split(argument: str) -> tuple[str, bool, str]:
    if argument.startswith("--"):
        name, equals, value = argument.partition("=")
        return name, bool(equals), value
    name = argument[:2]
    value = argument[2:]
    return _SHORT.get(name, name), bool(value), value.removeprefix("=")


def _next_value(name: str, rest: object) -> str:
    value = next(rest, None)  # type: ignore[call-overload]
    if value is None:
        raise UsageError(f"option {name} needs a value")
    return str(value)


def _boolean(name: str, value: str) -> bool:
    if value not in _BOOLEANS:
        raise UsageError(f"option {name} is either true or false, not {value!r}")
    return _BOOLEANS[value]
