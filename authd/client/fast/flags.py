"""The command line, in the grammar of pflag, so that arguments for aws-iam-authenticator keep their meaning.

It imports no argparse, which would double the run time of a kubectl call.
"""

from __future__ import annotations

from authd.client.fast.errors import UnknownArgument, UsageError

# Options that take a value, and the field of `Options` for it.
VALUES = {
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
    # aws-iam-authenticator accepts these two for every command, though only its server uses them.
    "--feature-gates": "feature_gates",
    "--log-verbosity": "log_verbosity",
    # Names of `aws eks get-token`.
    "--cluster-name": "cluster_id",
    "--role-arn": "role",
    "--output": "output",
}
SWITCHES = {
    "--forward-session-name": "forward_session_name",
    "--token-only": "token_only",
    "--cache": "cache",
    "--clear-cache": "clear_cache",
    "--help": "help",
    "--version": "version",
}
SHORT_OPTIONS = {
    "-i": "--cluster-id",
    "-r": "--role",
    "-e": "--external-id",
    "-s": "--session-name",
    "-c": "--config",
    "-l": "--log-format",
    "-v": "--log-verbosity",
    "-h": "--help",
}
# Words that `authd-token` accepts before its options.
_COMMANDS = (["token"], ["eks", "get-token"])
# The spellings of Go's strconv.ParseBool.
_BOOLEANS = {
    **dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False),
}


class Options:
    """The parsed command line. None stands for an absent option, so that an empty value can override a default."""

    # A plain class, because importing dataclasses takes longer than all of the fast path.
    __slots__ = (*dict.fromkeys(VALUES.values()), *SWITCHES.values(), "completion", "ignored", "why")

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
    log_verbosity: str | None
    output: str | None
    # The shell of the requested completion script.
    completion: str | None
    # Words behind `token`, which aws-iam-authenticator ignores, such as the value in `--token-only true`.
    ignored: list[str]
    forward_session_name: bool
    token_only: bool
    cache: bool
    clear_cache: bool
    help: bool
    version: bool
    # The daemon's reference code, empty for a bare `--why`. None without the option.
    why: str | None

    def __init__(self) -> None:
        for name in VALUES.values():
            setattr(self, name, None)
        for name in SWITCHES.values():
            setattr(self, name, False)
        self.completion = self.why = None
        self.ignored = []


def parse_flags(arguments: list[str]) -> Options:
    """Return the options in `arguments` (without the program's name). Raises UsageError.

    The words `token` and `eks get-token` are skipped, so that a kubeconfig for aws-iam-authenticator or the AWS CLI
    keeps its arguments. Other words are an error, except with `token`.
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
    _parse_words(options, words)
    if options.log_format not in (None, "text", "json"):
        raise UsageError(f"--log-format is either text or json, not {options.log_format!r}")
    if options.output not in (None, "json"):
        raise UsageError(f"--output can only be json, not {options.output!r}: kubectl reads no other format")
    if options.forward_session_name and options.session_name:
        raise UsageError("--forward-session-name and --session-name exclude each other: give one of them")
    return options


def _parse_words(options: Options, words: list[str]) -> None:
    of_other_program = words[:1] == ["token"]
    for command in _COMMANDS:
        if words[: len(command)] == command:
            del words[: len(command)]
            break
    if words[:1] == ["completion"] and words[2:] == []:
        options.completion = words[1] if words[1:] else ""
    elif words in (["help"], ["version"]):
        setattr(options, words[0], True)
    elif of_other_program:
        options.ignored = words
    elif words:
        raise UnknownArgument(words[0])


def _parse_flag(options: Options, argument: str, remaining: object) -> None:
    _reject_single_dash(argument)
    name, given, value = _split(argument)
    if name == "--why":
        options.why = value
    elif name in SWITCHES:
        setattr(options, SWITCHES[name], _boolean(name, value) if given else True)
    elif name in VALUES:
        setattr(options, VALUES[name], value if given else _next_value(name, remaining))
    else:
        raise UnknownArgument(argument)


def _reject_single_dash(argument: str) -> None:
    # Go's own flag package accepts `-cluster-id`. Here it would be `-c` with the value `luster-id`.
    name = "-" + argument.partition("=")[0]
    if not argument.startswith("--") and (name in VALUES or name in SWITCHES or name == "--why"):
        raise UsageError(f"write {name} with two dashes, not {argument!r}")


def _split(argument: str) -> tuple[str, bool, str]:
    if argument.startswith("--"):
        name, equals, value = argument.partition("=")
        return name, bool(equals), value
    name = argument[:2]
    value = argument[2:]
    return SHORT_OPTIONS.get(name, name), bool(value), value.removeprefix("=")


def _next_value(name: str, remaining: object) -> str:
    value = next(remaining, None)  # type: ignore[call-overload]  # an iterator, whose type costs an import
    if value is None:
        raise UsageError(f"option {name} needs a value")
    return str(value)


def _boolean(name: str, value: str) -> bool:
    if value not in _BOOLEANS:
        raise UsageError(f"option {name} is either true or false, not {value!r}")
    return _BOOLEANS[value]
