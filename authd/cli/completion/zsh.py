"""The completion script for zsh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from authd.cli.completion.syntax import Syntax, command_names, function_name

# The script can be sourced, or installed as `_authd` in a folder of $fpath.
_SCRIPT = """\
#compdef {program}
# zsh completion for {program}: source <({program} completion zsh)
_{function}() {{
    local before=${{words[CURRENT-1]}} command="" at
    for ((at = 2; at < CURRENT; at++)); do
        case "$command${{command:+ }}${{words[at]}}" in
        {commands}) command="$command${{command:+ }}${{words[at]}}" ;;
        esac
    done
    if [[ $PREFIX == --*=* ]]; then
        before=${{PREFIX%%=*}}
        compset -P 1 '*='
    fi
    case "$command:$before" in
{values}
    esac
    case $command in
{words}
    esac
}}
if [ "$funcstack[1]" = _{function} ]; then _{function} "$@"; else compdef _{function} {program}; fi
"""


def zsh_script(program: str, syntax: Mapping[str, Syntax]) -> str:
    """Return the script for a program of this name."""
    return _SCRIPT.format(
        program=program,
        function=function_name(program),
        commands="|".join(f'"{name}"' for name in command_names(syntax)),
        values="\n".join(line for name, each in syntax.items() for line in _values(name, each)),
        words="\n".join(_words(name, each, syntax) for name, each in syntax.items()),
    )


def _values(name: str, syntax: Syntax) -> Iterator[str]:
    """Yield the cases of options that take a value."""
    for option in syntax.options:
        if option.takes_value:
            cases = "|".join(f'"{name}:{spelled}"' for spelled in option.names)
            reply = f"compadd -- {' '.join(option.values)}; " if option.values else "_files; " if option.is_path else ""
            yield f"    {cases}) {reply}return ;;"


def _words(name: str, syntax: Syntax, commands: Mapping[str, Syntax]) -> str:
    """Return the case of a command: its options after a hyphen, otherwise its words or paths."""
    options = " ".join(option.names[0] for option in syntax.options)
    parts = [f"if [[ $PREFIX == -* ]]; then compadd -- {options}; return; fi"] if options else []
    if syntax.words:
        described = " ".join(_described(f"{name} {word}".strip(), word, commands) for word in syntax.words)
        parts.append(f"local -a commands=({described}); _describe command commands")
    if syntax.takes_path:
        parts.append("_files")
    return f'    "{name}") {"; ".join(parts) or ":"} ;;'


def _described(command: str, word: str, commands: Mapping[str, Syntax]) -> str:
    """Return a word, with its summary if it is a command."""
    summary = commands[command].summary if command in commands else ""
    text = f"{word}:{summary}" if summary else word
    return "'" + text.replace("'", "'\\''") + "'"
