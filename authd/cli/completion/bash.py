"""The completion script for bash. It works from bash 3.2 on, the version of macOS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from authd.cli.completion.syntax import Syntax, command_names, function_name

# An empty COMPREPLY lets readline complete paths, by `-o default`.
_SCRIPT = """\
# bash completion for {program}: source <({program} completion bash)
_{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command="" at
    [ "$word" = "=" ] && word=""
    [ "$before" = "=" ] && before=${{COMP_WORDS[COMP_CWORD-2]}}
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$command${{command:+ }}${{COMP_WORDS[at]}}" in
        {commands}) command="$command${{command:+ }}${{COMP_WORDS[at]}}" ;;
        esac
    done
    COMPREPLY=()
    case "$command:$before" in
{values}
    esac
    case $command in
{words}
    esac
}}
complete -o default -F _{function} {program}
"""


def bash_script(program: str, syntax: Mapping[str, Syntax]) -> str:
    """Return the script for a program of this name."""
    return _SCRIPT.format(
        program=program,
        function=function_name(program),
        commands="|".join(_pattern(name) for name in command_names(syntax)),
        values="\n".join(line for name, each in syntax.items() for line in _values(name, each)),
        words="\n".join(f"    {_pattern(name)}) {_reply(_words(each))} ;;" for name, each in syntax.items()),
    )


def _values(name: str, syntax: Syntax) -> Iterator[str]:
    """Yield the cases of options that take a value."""
    for option in syntax.options:
        if option.takes_value:
            cases = "|".join(_pattern(f"{name}:{spelled}") for spelled in option.names)
            reply = f"{_reply(option.values)}; " if option.values else ""
            yield f"    {cases}) {reply}return ;;"


def _words(syntax: Syntax) -> tuple[str, ...]:
    return (*syntax.words, *(option.names[0] for option in syntax.options))


def _reply(words: tuple[str, ...]) -> str:
    return f'COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$word"))'


def _pattern(text: str) -> str:
    return f'"{text}"'
