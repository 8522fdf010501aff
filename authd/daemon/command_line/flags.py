"""Parses command line flags in the grammar of Go's pflag, which aws-iam-authenticator uses.

`--name=value`, `--name value`, `-nvalue` and `-n value`. A boolean flag, such as `--kubeconfig-pregenerated`, may have
`=true` or `=false`. Flags and words may come in any order, and `--` ends the flags.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

#: The spellings of Go's strconv.ParseBool.
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


class Flag(NamedTuple):
    """One flag. `setting` is the path of the setting that it overrides, `repeats` joins several values by commas."""

    name: str
    help: str
    short: str = ""
    setting: str = ""
    boolean: bool = False
    repeats: bool = False


class FlagError(ValueError):
    """An invalid command line. The message names the flag."""


class Parsed(NamedTuple):
    """The flags given, by name, and the words between them."""

    values: dict[str, str]
    words: list[str]


#: The flags that aws-iam-authenticator accepts before or after every command.
GLOBAL_FLAGS = (
    Flag("config", "the settings file; its mappings are reloaded when it changes", short="c"),
    Flag("cluster-id", "the ID of the cluster that tokens are signed for (clusterID)", short="i", setting="clusterID"),
    Flag("log-format", "text, json, or auto: text on a terminal, JSON elsewhere", short="l"),
    Flag("log-verbosity", "debug, info or warning: the level of the log at the start", short="v"),
    Flag("feature-gates", "has no effect: authd has no feature gates", repeats=True),
)
#: The flags of its server, and two of authd's own for health.
SERVER_FLAGS = (
    *GLOBAL_FLAGS,
    Flag("address", "the address to listen on (server.address)", setting="server.address"),
    Flag("port", "the port to listen on (server.port)", setting="server.port"),
    Flag("state-dir", "the folder of the certificates (server.stateDir)", setting="server.stateDir"),
    Flag(
        "generate-kubeconfig", "the webhook kubeconfig to write (server.generateKubeconfig)",
        setting="server.generateKubeconfig",
    ),
    Flag(
        "kubeconfig-pregenerated", "write no webhook kubeconfig (server.kubeconfigPregenerated)", boolean=True,
        setting="server.kubeconfigPregenerated",
    ),
    Flag("health-address", "the address of health and metrics (server.healthAddress)", setting="server.healthAddress"),
    Flag("health-port", "the port of health and metrics (server.healthPort)", setting="server.healthPort"),
    Flag("partition", "the AWS partition (server.partition)", setting="server.partition"),
    Flag("backend-mode", "the sources of mappings (server.backendMode)", repeats=True, setting="server.backendMode"),
    Flag("dynamicfilepath", "the file of DynamicFile (server.dynamicFilePath)", setting="server.dynamicFilePath"),
    Flag(
        "dynamicfileUserIDStrict", "compare user IDs in DynamicFile (server.dynamicFileUserIDStrict)", boolean=True,
        setting="server.dynamicFileUserIDStrict",
    ),
    Flag("dynamicBackendModePath", "see server.dynamicBackendModePath", setting="server.dynamicBackendModePath"),
    Flag("kubeconfig", "the kubeconfig of the sources in the cluster (server.kubeconfig)", setting="server.kubeconfig"),
    Flag("master", "the API server of the sources in the cluster (server.master)", setting="server.master"),
    Flag(
        "ec2-describeInstances-qps", "look-ups of EC2 instances per second (server.ec2DescribeInstancesQps)",
        setting="server.ec2DescribeInstancesQps",
    ),
    Flag(
        "ec2-describeInstances-burst", "look-ups of EC2 instances at once (server.ec2DescribeInstancesBurst)",
        setting="server.ec2DescribeInstancesBurst",
    ),
)  # fmt: skip


def parse_flags(arguments: Sequence[str], flags: Iterable[Flag]) -> Parsed:
    """Parse a command line. Raises `FlagError` for an unknown flag, or a missing or invalid value."""
    by_name = {flag.name: flag for flag in flags}
    by_short = {flag.short: flag for flag in by_name.values() if flag.short}
    parsed = Parsed({}, [])
    left = iter(arguments)
    for argument in left:
        if argument == "--":
            parsed.words.extend(left)
        elif argument.startswith("--"):
            name, given, value = argument[2:].partition("=")
            flag = by_name.get(name) or _unknown(argument, by_name)
            _store(parsed, flag, value if given else _value(flag, f"--{name}", left))
        elif argument.startswith("-") and len(argument) > 1:
            flag = by_short.get(argument[1]) or _unknown(argument, by_name)
            value = argument[2:].removeprefix("=")
            _store(parsed, flag, value or _value(flag, argument, left))
        else:
            parsed.words.append(argument)
    return parsed


def _value(flag: Flag, spelled: str, left: Iterator[str]) -> str:
    if flag.boolean:
        return "true"
    value = next(left, None)
    if value is None:
        raise FlagError(f"{spelled} needs a value: write --{flag.name}=VALUE")
    return value


def _store(parsed: Parsed, flag: Flag, value: str) -> None:
    if flag.boolean:
        if value not in TRUE | FALSE:
            raise FlagError(f"--{flag.name} takes true or false, not {value[:64]!r}")
        value = "true" if value in TRUE else "false"
    if flag.repeats and flag.name in parsed.values:
        value = f"{parsed.values[flag.name]},{value}"
    parsed.values[flag.name] = value


def _unknown(argument: str, by_name: dict[str, Flag]) -> Flag:
    name = argument.lstrip("-").partition("=")[0]
    if name in by_name:
        raise FlagError(f"{argument[:64]!r} has one hyphen: write --{name}")
    near = difflib.get_close_matches(name[:64], by_name, n=1)
    hint = f"did you mean --{near[0]}?" if near else f"known are {', '.join(f'--{known}' for known in by_name)}"
    raise FlagError(f"unknown flag {argument.partition('=')[0][:64]}: {hint}")
