"""Messages about options and words that authd-token does not have."""

from __future__ import annotations

from difflib import get_close_matches

from authd.client.fast.flags import SHORT_OPTIONS, SWITCHES, VALUES

# Options and words of other programs, and the command that has them.
_ELSEWHERE = {
    "authd verify": ("--token", "-t", "verify"),
    "authd server": (
        "server", "--address", "--port", "--state-dir", "--generate-kubeconfig", "--kubeconfig-pregenerated",
        "--backend-mode", "--partition", "--kubeconfig", "--master", "--hostname",
        "--ec2-describeInstances-qps", "--ec2-describeInstances-burst",
    ),
    "authd init": ("init",),
    "authd check": ("check",),
    "authd explain": ("explain", "--session"),
    "authd kubeconfig": ("kubeconfig",),
    "authd demo": ("demo",),
    "authd reload": ("reload",),
    "authd doctor": ("doctor",),
    "authd add": ("add",),
    "kubectl": ("--context", "--namespace", "-n", "--cluster", "--user", "get", "apply"),
    "aws": ("sts", "sso", "configure", "login", "update-kubeconfig"),
}  # fmt: skip
# Synonyms that are spelled too differently for a suggestion.
_SYNONYMS = {
    "--endpoint-url": "--endpoint", "--why-not": "--why", "--assume-role-arn": "--role", "--assume-role": "--role",
    "-o": "--output", "get-token": "eks get-token", "--cluster": "--cluster-id", "--name": "--cluster-id",
    "--role-session-name": "--session-name", "--duration-seconds": "--duration", "--debug": "--why",
    "--verbose": "--why",
}  # fmt: skip


def unknown_argument(argument: str) -> str:
    """Return a message that suggests the option or program that was meant, if one is likely."""
    name = argument.partition("=")[0] if argument.startswith("--") else argument
    kind = "option" if argument.startswith("-") else "argument"
    known = [*VALUES, *SWITCHES, "--why", *SHORT_OPTIONS]
    words = ["token", "version", "help", "completion"]
    if name in _SYNONYMS:
        return _message(kind, name, f"did you mean {_SYNONYMS[name]}?")
    for command, names in _ELSEWHERE.items():
        if name in names:
            return _message(kind, name, f"that is {'an option of ' if kind == 'option' else ''}`{command}`")
    close = get_close_matches(name, known if kind == "option" else words, n=1, cutoff=0.7)
    if close:
        return _message(kind, name, f"did you mean {close[0]}?")
    return _message(kind, name, "`authd-token --help` shows the options")


def _message(kind: str, name: str, remedy: str) -> str:
    return f"unknown option {name}: {remedy}" if kind == "option" else f"unexpected argument {name!r}: {remedy}"
