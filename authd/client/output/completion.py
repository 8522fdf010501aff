"""Completion scripts of authd-token for bash, zsh and fish."""

from __future__ import annotations

from authd.client.fast.errors import UsageError
from authd.client.fast.flags import SHORT_OPTIONS, SWITCHES, VALUES

_HIDDEN = ("--feature-gates", "--log-verbosity", "--output", "--role-arn", "--cluster-name")
_WORDS = ("token", "version", "help", "completion")
_FILES = ("--config",)

_BASH = """\
# bash completion of authd-token: source it, or write it to ~/.local/share/bash-completion/completions/authd-token
_authd_token() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
    case $before in
    --config|-c) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --profile)
        COMPREPLY=($(compgen -W "$(aws configure list-profiles 2>/dev/null)" -- "$word")); return ;;
    --log-format|-l) COMPREPLY=($(compgen -W "text json" -- "$word")); return ;;
    completion) COMPREPLY=($(compgen -W "bash zsh fish" -- "$word")); return ;;
    {values}) COMPREPLY=(); return ;;
    esac
    COMPREPLY=($(compgen -W "{words}" -- "$word"))
}}
complete -F _authd_token authd-token
"""
_ZSH = """\
#compdef authd-token
# zsh completion of authd-token: write it to a folder of $fpath as _authd-token, or source it
_authd_token() {{
    case ${{words[CURRENT-1]}} in
    --config|-c) _files; return ;;
    --profile) compadd -- ${{(f)"$(aws configure list-profiles 2>/dev/null)"}}; return ;;
    --log-format|-l) compadd -- text json; return ;;
    completion) compadd -- bash zsh fish; return ;;
    {values}) return ;;
    esac
    compadd -- {words}
}}
if [ "$funcstack[1]" = _authd-token ]; then _authd_token "$@"; else compdef _authd_token authd-token; fi
"""


def completion_script(shell: str) -> str:
    """Return the completion script for a shell. Raises UsageError for an unknown one."""
    options = [name for name in (*VALUES, *SWITCHES, "--why") if name not in _HIDDEN]
    if shell == "fish":
        return _fish(options)
    template = {"bash": _BASH, "zsh": _ZSH}.get(shell)
    if template is None:
        raise UsageError("authd-token completion is followed by bash, zsh or fish")
    special = ("--config", "--profile", "--log-format")
    values = [name for name in VALUES if name not in special]
    values += [short for short, name in SHORT_OPTIONS.items() if name in values]
    return template.format(values="|".join(values), words=" ".join([*_WORDS, *options])).rstrip("\n")


def _fish(options: list[str]) -> str:
    short = {name: option[1:] for option, name in SHORT_OPTIONS.items()}
    lines = ["# fish completion of authd-token: write it to ~/.config/fish/completions/authd-token.fish"]
    lines += ["complete -c authd-token -f", f"complete -c authd-token -n __fish_use_subcommand -a '{' '.join(_WORDS)}'"]
    lines += ["complete -c authd-token -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'"]
    for name in options:
        line = f"complete -c authd-token -l {name[2:]}"
        line += f" -s {short[name]}" if name in short else ""
        if name == "--profile":
            line += " -x -a '(aws configure list-profiles 2>/dev/null)'"
        elif name == "--log-format":
            line += " -x -a 'text json'"
        elif name in VALUES:
            line += " -r -F" if name in _FILES else " -x"
        lines.append(line)
    return "\n".join(lines)
