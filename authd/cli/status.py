"""`authd status`: the state of the running daemon."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from authd.cli.shared.live import DaemonNotRunning, add_daemon_options, ask, socket_path
from authd.cli.shared.output import add_output_option, counted, print_json, print_text, visible, warn, wrapped

_DESCRIPTION = """\
Show the state of the running daemon: the mappings in force with their age, recent decisions, STS, and the most refused
identities. Asks the daemon over the socket in its state directory, as root or the daemon's user.
"""
_EPILOG = """\
examples:
  authd status
  authd status --watch
"""
_WATCH_SECONDS = 2.0
#: Clears a terminal and moves to its first line (ECMA-48).
_CLEAR = "\x1b[H\x1b[2J"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the parser of `authd status`."""
    parser = subparsers.add_parser(
        "status",
        help="show the state of the running daemon",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_daemon_options(parser)
    parser.add_argument("--watch", action="store_true", help="refresh every two seconds until Ctrl-C")
    add_output_option(parser)


def run(args: argparse.Namespace) -> int:
    """Print the state, and return 1 if it has a problem."""
    path = socket_path(args.config, args.state_dir)
    state = ask(path, "status")
    while args.watch:
        if sys.stdout.isatty():
            print(_CLEAR, end="")
        _print(args, state)
        sys.stdout.flush()
        time.sleep(_WATCH_SECONDS)
        state = _ask_again(path)
    _print(args, state)
    return 1 if state["problems"] else 0


def _ask_again(path: Path) -> dict[str, Any]:
    """Return the state. Retries until a daemon responds, because it may be restarting."""
    while True:
        try:
            return ask(path, "status")
        except DaemonNotRunning as error:
            warn(str(error))
            time.sleep(_WATCH_SECONDS)


def _print(args: argparse.Namespace, state: Mapping[str, Any]) -> None:
    if args.output == "json":
        print_json(state)
    else:
        print_text("\n".join(wrapped(line, 4) for line in _lines(state, time.time())))


def _lines(state: Mapping[str, Any], now: float) -> Iterator[str]:
    yield f"authd {state['version']}, process {state['pid']}, up {_duration(now - state['started'])}"
    for name, problem in state["problems"].items():
        yield visible(f"✘ {name}: {problem}")
    yield ""
    yield "mappings in force"
    for source in state["sources"]:
        changed = f"changed {_duration(now - source['changed'])} ago" if source["changed"] else "never loaded"
        place = source["place"]
        if copy := source["copy"]:
            changed, place = f"a copy that is {_duration(now - copy['saved'])} old", copy["origin"]
        rules = f"{counted(source['rules'], 'rule')}, {changed}{_times(source, now)}"
        yield visible(f"  {source['name']}: {rules}, from {place}")
    yield ""
    yield from _decisions(state, now)
    yield ""
    yield from _sts(state["sts"])
    yield ""
    yield from _limits(state["caches"], state["budgets"])
    if state["refused"]:
        yield ""
        yield "refused most"
        for entry in state["refused"]:
            yield visible(f"  {entry['count']:6} {entry['identity']} {entry['reason']}")


def _times(source: Mapping[str, Any], now: float) -> str:
    """Return how many rules of a source have ended or not begun, and when the next one ends."""
    parts = [f"{source[key]} {words}" for key, words in (("ended", "ended"), ("not_begun", "not begun")) if source[key]]
    if source["next_end"]:
        parts.append(f"the next end in {_duration(source['next_end'] - now)}")
    return "".join(f", {part}" for part in parts)


def _decisions(state: Mapping[str, Any], now: float) -> Iterator[str]:
    reviews, decisions = state["reviews"], state["decisions"]
    yield f"decisions of the last {decisions['minutes']} minutes"
    for reason, count in decisions["by_reason"].items():
        yield f"  {count:6} {reason}"
    last = f"{_duration(now - reviews['last'])} ago" if reviews["last"] else "none yet"
    yield f"  last review: {last}; {reviews['in_flight']} in flight on {counted(reviews['connections'], 'connection')}"
    yield f"  certificate: {_duration(state['certificate']['seconds_left'])} left"


def _sts(sts: Mapping[str, Any]) -> Iterator[str]:
    yield "STS"
    calls = sts["recent_calls"]
    if calls["calls"]:
        median, high = round(calls["p50"] * 1000), round(calls["p95"] * 1000)
        yield f"  the last {counted(calls['calls'], 'call')}: median {median} ms, 95 % within {high} ms"
    yield f"  {counted(sts['in_flight'], 'call')} in flight, {sts['waiting']} waiting"
    for host, reason in sts["failing"].items():
        yield visible(f"  ✘ {host} fails: {reason}")


def _limits(caches: Mapping[str, Any], budgets: Mapping[str, Any]) -> Iterator[str]:
    yield "caches and budgets"
    for kind, cache in caches.items():
        yield f"  {kind}: {cache['entries']} of {counted(cache['most'], 'token')}, {counted(cache['hits'], 'hit')}"
    calls = budgets["calls"]
    yield f"  {counted(calls['total'], 'call')} may start at once, strangers may waste {calls['strangers']} of them"
    known, exhausted = budgets["known_keys"], budgets["exhausted_keys"]
    yield f"  {counted(known, 'known access key')}, {exhausted} of them with no budget left"


def _duration(seconds: float) -> str:
    """Return a duration with its two largest units."""
    seconds = int(seconds)
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    parts = [f"{days} d", f"{hours} h", f"{minutes} min", f"{rest} s"]
    first = next((i for i, number in enumerate((days, hours, minutes, rest)) if number), 3)
    return sign + " ".join(parts[first : first + 2])
