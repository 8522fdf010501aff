"""The source MountedFile: loading, reloading, and keeping the settings if the file is broken."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.task import Clock, Cooperator
from twisted.logger import capturedLogs, formatEvent

from authd.core.errors import ConfigError, Denied
from authd.core.partitions import Partition
from authd.sources import mounted_file as reloader
from authd.sources.last_good import LastGoodFile
from authd.sources.lockout_guard import SeenIdentities
from authd.sources.mounted_file import MountedFile
from tests.daemon.fakes import identity

ACCOUNT = "111122223333"


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


class Reloading:
    """A settings file with a source whose cooperator runs when the test says so."""

    def __init__(self, folder: Path, partitions: Mapping[str, Partition]) -> None:
        self.path = folder / "config.yaml"
        self.state = folder / "state"
        self.clock = Clock()
        self.results: list[str] = []
        self.seen = SeenIdentities(self.clock.seconds)
        self._partitions = partitions
        self.file = self.anew()

    def anew(self, overrides: Mapping[str, str] | None = None) -> MountedFile:
        return MountedFile(
            self.path,
            partitions=self._partitions,
            overrides={"server.stateDir": str(self.state), **(overrides or {})},
            cooperator=Cooperator(scheduler=lambda work: self.clock.callLater(0.001, work)),
            last_good=LastGoodFile(maybeDeferred),
            seen=self.seen,
            reloaded=self.results.append,
        )

    def write(self, *names: str, more: str = "") -> str:
        """Write mappings for some users and return the text."""
        users = "".join(f"\n  - userARN: {arn(name)}\n    username: {name}" for name in names)
        text = f"clusterID: prod\nserver:\n{more}  mapUsers:{users or ' []'}\n"
        self.path.write_text(text)
        return text

    def check(self) -> list[tuple[str, str]]:
        """Check the file, run the reload, and return the log's levels and messages."""
        with capturedLogs() as events:
            self.file.check()
            self.work()
        return [(event["log_level"].name, formatEvent(event)) for event in events]

    def work(self) -> None:
        while self.clock.getDelayedCalls():
            self.clock.advance(0.001)

    def allowed(self, *names: str) -> list[str]:
        """Return those of the names that the mappings in force allow."""
        return [name for name in names if identity(arn(name)).key in self.file.in_force.tables.tables[0].table.exact]


@pytest.fixture
def reloading(tmp_path: Path, partitions: Mapping[str, Partition]) -> Reloading:
    reloading = Reloading(tmp_path, partitions)
    reloading.write("alice")
    reloading.file.start()
    return reloading


def test_an_unchanged_file_is_not_loaded(reloading: Reloading) -> None:
    """If the content is unchanged, nothing is loaded or logged, whatever the file's date."""
    settings = reloading.file.in_force.settings
    reloading.write("alice")
    assert reloading.check() == []
    assert reloading.file.in_force.settings is settings
    assert reloading.results == []


def test_a_changed_file_comes_into_force(reloading: Reloading) -> None:
    """New mappings replace the old ones."""
    reloading.write("alice", "bob")
    assert reloading.check() == [("info", "mappings reloaded: 2 rules in force")]
    assert reloading.allowed("alice", "bob") == ["alice", "bob"]
    assert reloading.results == ["ok"]
    assert reloading.file.problems == ()


def test_an_enormous_file_uses_no_memory(reloading: Reloading) -> None:
    """An enormous file is only read up to one byte over the limit."""
    with reloading.path.open("r+b") as file:
        file.truncate(256 << 20)
    tracemalloc.start()
    try:
        reloading.check()
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    assert "larger than 8 MiB" in str(reloading.file.problems[0])
    assert reloading.allowed("alice") == ["alice"]


def test_settings_are_never_changed_in_place(reloading: Reloading) -> None:
    """An old settings object is unchanged after a reload."""
    old = reloading.file.in_force.tables
    reloading.write("bob")
    reloading.check()
    assert list(old.tables[0].table.exact) == [identity(arn("alice")).key]
    assert reloading.file.in_force.settings is not old


def test_a_broken_file_changes_nothing(reloading: Reloading) -> None:
    """Each error of a broken file is reported once, and the settings stay until it is corrected."""
    reloading.path.write_text("clusterID: prod\nserver:\n  mapUsers:\n  - userARN: nonsense\n    usernam: a\n")
    said = reloading.check()
    assert {level for level, _ in said} == {"error"}
    assert {problem.line for problem in reloading.file.problems} == {4, 5}
    assert len(said) == len(reloading.file.problems) + 1
    assert "stay" in said[-1][1]
    assert reloading.check() == []
    assert reloading.allowed("alice") == ["alice"]
    reloading.write("bob")
    reloading.check()
    assert reloading.file.problems == ()
    assert reloading.results == ["broken", "ok"]


def test_restoring_a_file_clears_its_problems(reloading: Reloading) -> None:
    """Restoring the old content of a broken file clears its problems."""
    good = reloading.path.read_text()
    reloading.path.write_text("nonsense: [")
    reloading.check()
    assert reloading.file.problems
    reloading.path.write_text(good)
    reloading.check()
    assert reloading.file.problems == ()


def test_an_unreadable_file_changes_nothing(reloading: Reloading) -> None:
    """An unreadable file is reported once, until it is readable again."""
    good = reloading.path.read_text()
    reloading.path.unlink()
    said = reloading.check()
    assert [level for level, _ in said] == ["error", "error"]
    assert "can't be read: No such file or directory" in said[0][1]
    assert reloading.check() == []
    assert reloading.allowed("alice") == ["alice"]
    reloading.path.write_text(good)
    reloading.check()
    assert reloading.file.problems == ()


def test_a_pipe_in_place_of_the_file_is_not_waited_for(reloading: Reloading) -> None:
    """A named pipe or a device is reported at once, and the problem ends when there is a file again."""
    good = reloading.path.read_text()
    reloading.path.unlink()
    os.mkfifo(reloading.path)
    assert "the settings file must be a regular file, not a pipe or a device" in reloading.check()[0][1]
    reloading.path.unlink()
    reloading.path.symlink_to("/dev/zero")
    assert reloading.check() == []
    assert reloading.allowed("alice") == ["alice"]
    reloading.path.unlink()
    reloading.path.write_text(good)
    reloading.check()
    assert reloading.file.problems == ()


def test_a_start_from_a_pipe(tmp_path: Path, partitions: Mapping[str, Partition]) -> None:
    """Settings from a shell's `<(…)` are read once and stay in force."""
    reloading = Reloading(tmp_path, partitions)
    reloading.write("alice")
    content = reloading.path.read_bytes()
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    reloading.path = Path(f"/dev/fd/{reading}")
    reloading.file = reloading.anew()
    reloading.file.start()
    os.close(reading)
    assert reloading.check() == []
    assert (reloading.allowed("alice"), reloading.file.problems) == (["alice"], ())


def test_a_pipe_that_can_not_be_read_at_the_start(reloading: Reloading, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe of somebody else is an error like any other file."""
    monkeypatch.setattr(Path, "is_fifo", lambda _: True)
    reloading.path.unlink()
    with pytest.raises(ConfigError, match="the settings file can't be read: No such file"):
        reloading.anew().start()


def test_a_file_that_changes_while_it_is_read_is_read_again(reloading: Reloading) -> None:
    """A change during a reload is loaded afterwards."""
    reloading.write("bob")
    reloading.file.check()
    reloading.write("carol")
    reloading.file.check()
    reloading.work()
    assert reloading.allowed("alice", "bob", "carol") == ["carol"]
    assert reloading.results == ["ok", "ok"]


def test_a_large_file_is_loaded_in_steps(reloading: Reloading) -> None:
    """While a large file is loaded in steps, the reactor runs and the old mappings are in force."""
    reloading.write(*(f"user{number}" for number in range(3_000)))
    reloading.file.check()
    reloading.clock.advance(0.001)
    assert reloading.allowed("alice", "user1") == ["alice"]
    reloading.work()
    assert len(reloading.file.in_force.tables) == 3_000


def test_a_bug_in_loading_changes_nothing(reloading: Reloading, monkeypatch: pytest.MonkeyPatch) -> None:
    """If loading raises an exception, it is logged, the mappings stay, and the next change is loaded."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(reloader, "loading_settings", broken)
        reloading.write("bob")
        said = reloading.check()
    assert "reloading failed; the mappings in force stay" in said[0][1]
    assert reloading.allowed("alice", "bob") == ["alice"]
    reloading.write("bob", "carol")
    reloading.check()
    assert reloading.allowed("bob", "carol") == ["bob", "carol"]


def test_settings_that_need_a_restart_are_named(reloading: Reloading) -> None:
    """A changed setting that needs a restart is logged, and its old value stays."""
    reloading.write("bob", more="  port: 1234\n  audiences: [a]\n")
    said = reloading.check()
    assert [words.split()[2] for level, words in said if level == "warn"] == ["server.port", "server.audiences"]
    assert reloading.file.in_force.settings.port == 21362
    assert reloading.allowed("bob") == ["bob"]


def test_scrubbed_accounts_come_into_force_at_once(reloading: Reloading) -> None:
    """A reload applies scrubbed accounts."""
    reloading.write("alice", more=f'  scrubbedAccounts: ["{ACCOUNT}"]\n')
    reloading.check()
    assert reloading.file.in_force.settings.scrubbed_accounts == {ACCOUNT}


def test_options_stay_in_force_over_reloads(reloading: Reloading) -> None:
    """A reload keeps command line options, and a change of their settings in the file has no effect."""
    reloading.file = reloading.anew({"server.port": "7"})
    reloading.file.start()
    reloading.write("bob", more="  port: 8\n")
    assert [level for level, _ in reloading.check()] == ["info"]
    assert reloading.file.in_force.settings.port == 7


_PREFIX_LISTS = "usernamePrefixReserveList: [x], groupPrefixReserveList: [y]"


def _restarts(reloading: Reloading) -> list[str]:
    return [words for _, words in reloading.check() if "restart" in words]


def test_reserved_prefixes_of_the_file_come_into_force_at_once(reloading: Reloading) -> None:
    """A reload applies the prefixes of the file's own mappings, and asks for no restart."""
    reloading.write("xavier", more=f"  reservedPrefixConfig: [{{backendMode: MountedFile, {_PREFIX_LISTS}}}]\n")
    assert _restarts(reloading) == []
    xavier = identity(arn("xavier"))
    with pytest.raises(Denied, match="reserved prefix 'x'"):
        reloading.file.in_force.tables.lookup(xavier)
    reloading.write("xavier")
    assert _restarts(reloading) == []
    assert reloading.file.in_force.tables.lookup(xavier).username == "xavier"


def test_reserved_prefixes_of_another_source_need_a_restart(reloading: Reloading) -> None:
    """A change of both lists of another source is logged as one setting."""
    modes = "  backendMode: [MountedFile, DynamicFile]\n  dynamicFilePath: dynamic.json\n"
    reloading.write("alice", more=modes)
    reloading.file = reloading.anew()
    reloading.file.start()
    reloading.write("alice", more=f"{modes}  reservedPrefixConfig: [{{backendMode: DynamicFile, {_PREFIX_LISTS}}}]\n")
    assert _restarts(reloading) == ["the setting server.reservedPrefixConfig has changed: restart authd to apply it"]


def test_warnings_are_logged(reloading: Reloading) -> None:
    """Warnings are logged, and the settings come into force."""
    reloading.write("bob", "bob")
    said = reloading.check()
    assert [level for level, _ in said] == ["warn", "info"]
    assert "config.yaml:6:" in said[0][1]


def test_a_first_start_needs_a_good_file(reloading: Reloading) -> None:
    """A first start with a broken file fails with every error."""
    reloading.path.write_text("clusterID: prod\nserver: {prot: 1, adress: x}\n")
    with pytest.raises(ConfigError) as caught:
        reloading.anew().start()
    assert len(caught.value.problems) == 2


def seen_users(reloading: Reloading, count: int) -> list[str]:
    """Put users in force and record their logins."""
    names = [f"user{number}" for number in range(count)]
    reloading.write(*names)
    reloading.check()
    for name in names:
        reloading.seen.note(identity(arn(name)))
    reloading.results.clear()
    return names


def test_a_reload_that_removes_every_mapping_is_refused(reloading: Reloading) -> None:
    """A file without mappings is refused as a mistake, in the log and in `problems`."""
    reloading.write()
    said = reloading.check()
    assert reloading.results == ["refused"]
    assert "it would remove every mapping: run `authd reload --force`" in said[1][1]
    assert "it would remove every mapping" in str(reloading.file.problems[0])
    assert reloading.allowed("alice") == ["alice"]


def test_a_reload_that_locks_out_too_many_is_refused(reloading: Reloading) -> None:
    """A reload that would lock out more than the share of recent users is refused, and the log names them."""
    names = seen_users(reloading, 10)
    reloading.write(*names[:4])
    said = reloading.check()
    assert reloading.results == ["refused"]
    named = [words.rpartition(" ")[2] for _, words in said if words.startswith("would be locked out")]
    assert named == [arn(name) for name in names[4:]]
    assert reloading.allowed(*names) == names
    reloading.write(*names[:5])
    reloading.check()
    assert reloading.results == ["refused", "ok"]
    assert reloading.file.problems == ()


def test_a_share_of_one_allows_everything(reloading: Reloading) -> None:
    """The guard can be switched off."""
    seen_users(reloading, 10)
    reloading.write("alice", more="  maxLockoutShare: off\n")
    reloading.check()
    assert reloading.results == ["ok"]


def test_users_locked_out_by_an_empty_mapping_are_named(reloading: Reloading) -> None:
    """If a reload would remove all mappings, the log names the users up to a limit and counts the others."""
    names = seen_users(reloading, 60)
    reloading.write()
    said = [words.partition("locked out: ")[2] for _, words in reloading.check() if "would be locked out" in words]
    assert said == [*(arn(name) for name in names[:50]), "10 more"]


@pytest.mark.parametrize("when", ["before the refusal", "after the refusal"])
def test_force_brings_exactly_that_content_into_force(reloading: Reloading, when: str) -> None:
    """A forced reload loads the content with that hash, whatever it locks out, and no other."""
    text = reloading.write()
    if when == "after the refusal":
        reloading.check()
        assert reloading.results == ["refused"]
    marker = reloading.state / "force-reload"
    marker.write_text(sha256(text.encode()).hexdigest())
    reloading.check()
    assert reloading.results[-1] == "ok"
    assert len(reloading.file.in_force.tables) == 0
    assert not marker.exists()
    reloading.write("alice")
    reloading.check()
    marker.write_text(sha256(b"another content").hexdigest())
    reloading.write()
    reloading.check()
    assert reloading.results[-1] == "refused"
    assert not marker.exists()


LAST_GOOD = "  startFromLastGood: true\n"


def started_once(reloading: Reloading, more: str) -> None:
    reloading.write("alice", more=more)
    reloading.check()
    reloading.path.write_text("clusterID: prod\nserver:\n  mapUsers: nonsense\n")


def test_a_start_from_the_last_good_settings(reloading: Reloading) -> None:
    """If the last good settings allow it, they are used for a start with a broken file, and a critical event is logged."""
    started_once(reloading, LAST_GOOD)
    file = reloading.file = reloading.anew()
    with capturedLogs() as events:
        file.start()
    assert reloading.allowed("alice") == ["alice"]
    assert file.problems[0].line == 3
    assert events[-1]["log_level"].name == "critical"
    assert "started from the last good settings" in formatEvent(events[-1])
    reloading.write("bob", more=LAST_GOOD)
    reloading.check()
    assert reloading.allowed("alice", "bob") == ["bob"]
    assert file.problems == ()


@pytest.mark.parametrize(
    "broken",
    [
        "server:\n  stateDir: STATE\n  prot: 1\n",
        "server:\n  statedir: 'STATE' # here\n  prot: 1\n",
        "# stateDir: /nowhere\nserver: {prot: 1, stateDir: STATE}\n",
        '{"clusterID": "prod", "server": {"stateDir": "STATE", "prot": 1}}',
    ],
)
def test_the_state_directory_is_found_in_a_broken_file(reloading: Reloading, broken: str) -> None:
    """The state directory is found in a broken file, however its line is written."""
    reloading.write("alice", more=LAST_GOOD)
    reloading.check()
    reloading.path.write_text(broken.replace("STATE", str(reloading.state)))
    file = reloading.file = reloading.anew()
    file._overrides = {}
    file.start()
    assert reloading.allowed("alice") == ["alice"]


@pytest.mark.parametrize(
    ("setting", "spoil"),
    [
        ("", lambda _: None),
        (LAST_GOOD, lambda kept: kept.unlink()),
        (LAST_GOOD, lambda kept: kept.write_text("nonsense")),
    ],
    ids=["not asked for", "gone", "broken too"],
)
def test_a_start_without_good_settings_fails(
    reloading: Reloading, setting: str, spoil: Callable[[Path], object]
) -> None:
    """Without startFromLastGood or without a good copy, the start fails with the file's errors."""
    started_once(reloading, setting)
    spoil(reloading.state / "last-good.yaml")
    with pytest.raises(ConfigError, match=r"config\.yaml:3:"):
        reloading.anew().start()


def test_last_good_settings_that_can_not_be_saved(reloading: Reloading) -> None:
    """If the last good settings can't be saved, a warning is logged, and the reload succeeds."""
    (reloading.state / "last-good.yaml").unlink()
    reloading.state.rmdir()
    reloading.state.write_text("no directory")
    reloading.write("bob")
    assert [level for level, _ in reloading.check()] == ["info", "warn"]
    assert reloading.allowed("bob") == ["bob"]


def test_identities_of_scrubbed_accounts_are_not_named(reloading: Reloading) -> None:
    """The log of locked-out users omits scrubbed accounts."""
    names = seen_users(reloading, 10)
    reloading.write(*names, more=f'  scrubbedAccounts: ["{ACCOUNT}"]\n')
    reloading.check()
    reloading.write("somebody-else")
    assert not [words for _, words in reloading.check() if ACCOUNT in words.replace(str(reloading.path), "")]
