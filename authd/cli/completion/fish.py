"""The completion script for fish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from authd.cli.completion.syntax import Option, Syntax, command_names, function_name

_FUNCTION = """\
# fish completion for {program}: {program} completion fish | source
function __{function}_is
    set -l command
    for each in (commandline -opc)[2..-1]
        switch (string trim "$command $each")
            case {commands}
                set command (string trim "$command $each")
        end
    end
    test "$command" = "$argv"
end
complete -c {program} -f
"""


def fish_script(program: str, syntax: Mapping[str, Syntax]) -> str:
    """Return the script for a program of this name."""
    function = function_name(program)
    head = _FUNCTION.format(
        program=program, function=function, commands=" ".join(f"'{name}'" for name in command_names(syntax))
    )
    lines = [
        f"complete -c {program} -n '__{function}_is {name}'{arguments}"
        for name, each in syntax.items()
        for arguments in _arguments(name, each, syntax)
    ]
    return head + "\n".join(lines) + "\n"


def _arguments(name: str, syntax: Syntax, commands: Mapping[str, Syntax]) -> Iterator[str]:
    """Yield the arguments of fish's `complete` for the words, paths and options of a command."""
    for word in syntax.words:
        command = f"{name} {word}".strip()
        summary = commands[command].summary if command in commands else ""
        yield f" -a {word}" + (f" -d '{_escaped(summary)}'" if summary else "")
    if syntax.takes_path:
        yield " -F"
    yield from map(_option, syntax.options)


def _option(option: Option) -> str:
    long = "".join(f" -l {each.removeprefix('--')}" for each in option.names if each.startswith("--"))
    short = "".join(f" -s {each.removeprefix('-')}" for each in option.names if not each.startswith("--"))
    value = ""
    if option.values:
        value = f" -x -a '{' '.join(option.values)}'"
    elif option.takes_value:
        value = " -r -F" if option.is_path else " -x"
    return long + short + value


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
