"""Mappings are edited, broken and repaired while the daemon runs, without a wrong or lost response."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.load import Check, Load
from tests.integration.rig.minting import Mint
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, BOB, settings_text, user
from tests.integration.rig.webhook_client import Response


class Generations:
    """Versions of the settings file. Bob's group contains the version. Alice's user is the same in all versions.

    A review must be decided by a version that was in force between its request and its response.
    """

    def __init__(self, daemon: DaemonProcess, mint: Mint, sts: dict[str, Any]) -> None:
        self.daemon = daemon
        self._sts = sts
        self._alice = mint.by_signer(ALICE_KEY, expires=700)
        self._bob = mint.by_signer(BOB_KEY, expires=700)
        self._oldest = 0
        self._newest = 0

    @property
    def tokens(self) -> tuple[str, str]:
        return self._alice, self._bob

    def text(self, generation: int) -> str:
        """Return the settings of one generation."""
        users = [user(ALICE, "alice", "devs", "on-call"), user(BOB, "bob", f"generation-{generation}")]
        return settings_text(sts=self._sts, users=users, healthPort=0)

    def expect(self, token: str) -> Check:
        """Return the check of a review. It accepts the generation in force now and all later ones."""
        if token == self._alice:
            return self._check_alice
        oldest = self._oldest
        return lambda answer: self._check_bob(answer, oldest)

    def _check_alice(self, answer: Response) -> None:
        assert (answer.user["username"], answer.user["groups"]) == ("alice", ["devs", "on-call"])

    def _check_bob(self, answer: Response, oldest: int) -> None:
        assert answer.user["username"] == "bob"
        generation = int(answer.user["groups"][0].removeprefix("generation-"))
        assert oldest <= generation <= self._newest

    @contextmanager
    def coming(self) -> Iterator[str]:
        """Yield the next generation's text, and wait until it is in force."""
        before = len(self.daemon.events())
        self._newest += 1
        yield self.text(self._newest)
        self.daemon.wait_for_message("mappings reloaded", before)
        self._oldest = self._newest

    def now(self) -> int:
        """Return the generation in force."""
        answer = self.daemon.review(self._bob)
        return int(answer.user["groups"][0].removeprefix("generation-"))


@pytest.fixture
def generations(make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any]) -> Iterator[Generations]:
    generations = Generations(daemon := make_daemon(), mint, sts)
    daemon.settings.write_text(generations.text(0))
    with daemon:
        yield generations


def rename_over(file: Path, text: str) -> None:
    new = file.with_name(".config.yaml.new")
    new.write_text(text)
    new.replace(file)


def write_in_place(file: Path, text: str) -> None:
    file.write_text(text)


def write_in_two_parts(file: Path, text: str) -> None:
    with file.open("w") as opened:
        opened.write(text[: len(text) // 2])
        opened.flush()
        os.fsync(opened.fileno())
        opened.write(text[len(text) // 2 :])


def test_nothing_is_lost_while_the_file_is_edited(generations: Generations) -> None:
    """Under load no review is lost or decided by a wrong version, for each way of writing the file."""
    daemon = generations.daemon
    with Load(daemon.client, generations.tokens, generations.expect) as load:
        for write in (rename_over, write_in_place, write_in_two_parts, rename_over):
            with generations.coming() as text:
                write(daemon.settings, text)
            load.wait_for_responses(20)
    assert generations.now() == 4


def swap_config_map(mount: Path, version: int, text: str) -> None:
    """Update a mount as the kubelet does: create a folder, and rename a symbolic link over `..data`."""
    folder = mount / f"..2024_01_01_00_00_00.{version}"
    folder.mkdir()
    (folder / "config.yaml").write_text(text)
    link = mount / "..data_tmp"
    link.symlink_to(folder.name)
    old = (mount / "..data").readlink() if (mount / "..data").is_symlink() else None
    link.replace(mount / "..data")
    if old is not None:
        shutil.rmtree(mount / old)


def test_each_update_of_a_config_map_is_applied(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any]
) -> None:
    """Several updates of a ConfigMap mount under load are applied."""
    daemon = make_daemon()
    generations = Generations(daemon, mint, sts)
    daemon.settings.unlink()
    swap_config_map(daemon.settings.parent, 0, generations.text(0))
    daemon.settings.symlink_to("..data/config.yaml")
    with daemon, Load(daemon.client, generations.tokens, generations.expect) as load:
        for version in (1, 2, 3):
            with generations.coming() as text:
                swap_config_map(daemon.settings.parent, version, text)
            load.wait_for_responses(20)
        assert generations.now() == 3


BROKEN = """\
clusterID: prod.example.com
server:
  mapRoles:
  - roleARN: arn:aws:iam::111122223333:role/Admin
    username: admin:{{SesionName}}
  mapUsers:
  - userARN: arn:aws:iam::1111:user/alice
    username: alice
"""


def test_a_broken_file_keeps_the_last_good_one_in_force(generations: Generations) -> None:
    """A broken file changes nothing. Log and readiness report it with its line until it is repaired."""
    daemon = generations.daemon
    assert daemon.health("/readyz").status == 200
    with Load(daemon.client, generations.tokens, generations.expect) as load:
        rename_over(daemon.settings, BROKEN)
        daemon.wait_for_message("the mappings in force stay")
        load.wait_for_responses(20)
        ready = daemon.health("/readyz")
        assert ready.status == 503
        messages = "\n".join(event["message"] for event in daemon.events())
        for place in (f"{daemon.settings}:5:15: ", f"{daemon.settings}:7:14: "):
            assert place in messages
            assert place in ready.body.decode()
        assert daemon.health("/livez").status == 200
        with generations.coming() as text:
            rename_over(daemon.settings, text)
        load.wait_for_responses(20)
    assert daemon.health("/readyz").status == 200
    assert generations.now() == 1


def test_a_vanished_file_changes_nothing(generations: Generations) -> None:
    """A deleted file is reported, and the mappings stay until there is another one."""
    daemon = generations.daemon
    with Load(daemon.client, generations.tokens, generations.expect) as load:
        daemon.settings.unlink()
        daemon.wait_for_message("can't be read")
        load.wait_for_responses(20)
        assert daemon.health("/readyz").status == 503
        with generations.coming() as text:
            daemon.settings.write_text(text)
        load.wait_for_responses(20)
    assert generations.now() == 1
    assert daemon.health("/readyz").status == 200


def test_a_restored_file_is_ready_again(generations: Generations) -> None:
    """After a file was removed and restored unchanged, there is no problem."""
    daemon = generations.daemon
    aside = daemon.settings.with_suffix(".aside")
    daemon.settings.rename(aside)
    wait_until(lambda: daemon.health("/readyz").status == 503, "the daemon to miss its file")
    aside.rename(daemon.settings)
    wait_until(lambda: daemon.health("/readyz").status == 200, "the daemon to be ready again")
    assert generations.now() == 0


def test_a_directory_may_be_deleted_and_recreated(generations: Generations) -> None:
    """The watch survives the deletion of the watched directory, twice."""
    daemon = generations.daemon
    with Load(daemon.client, generations.tokens, generations.expect, threads=2) as load:
        for _ in range(2):
            before = len(daemon.events())
            shutil.rmtree(daemon.settings.parent)
            daemon.wait_for_message("can't be read", before)
            with generations.coming() as text:
                daemon.settings.parent.mkdir()
                daemon.settings.write_text(text)
            load.wait_for_responses(10)
    assert generations.now() == 2


def test_sighup_reloads_changes_without_an_event(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, sts: dict[str, Any], tmp_path: Path
) -> None:
    """SIGHUP reloads a file that is a link into another directory."""
    daemon = make_daemon()
    generations = Generations(daemon, mint, sts)
    elsewhere = tmp_path / "elsewhere.yaml"
    elsewhere.write_text(generations.text(0))
    daemon.settings.unlink()
    daemon.settings.symlink_to(elsewhere)
    with daemon:
        with generations.coming() as text:
            elsewhere.write_text(text)
            daemon.hang_up()
        assert generations.now() == 1


def test_many_hang_ups_lose_no_review(generations: Generations) -> None:
    """Hundreds of SIGHUPs under load lose no review, and the last file is in force."""
    daemon = generations.daemon
    ended = threading.Event()

    def storm() -> None:
        while not ended.wait(0.005):
            daemon.hang_up()

    storming = threading.Thread(target=storm)
    with Load(daemon.client, generations.tokens, generations.expect) as load:
        storming.start()
        try:
            for _ in range(3):
                with generations.coming() as text:
                    rename_over(daemon.settings, text)
                load.wait_for_responses(20)
        finally:
            ended.set()
            storming.join()
    assert generations.now() == 3
    assert daemon.process.poll() is None


def test_a_setting_that_needs_a_restart_is_named(generations: Generations, sts: dict[str, Any]) -> None:
    """The log names a changed setting that needs a restart, and the mappings still come into force."""
    daemon = generations.daemon
    with generations.coming():
        users = [user(ALICE, "alice", "devs", "on-call"), user(BOB, "bob", "generation-1")]
        rename_over(daemon.settings, settings_text(sts={**sts, "timeout": "7s"}, users=users, healthPort=0))
    daemon.wait_for_message("the setting server.sts has changed: restart authd")
    assert generations.now() == 1


def test_an_edited_target_of_a_link_is_reloaded(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> None:
    """If the settings file is a link into another folder, an edit there is noticed by inotify, not only by polling."""
    daemon = make_daemon()
    target = tmp_path / "elsewhere" / "config.yaml"
    target.parent.mkdir()
    daemon.settings.rename(target)
    daemon.settings.symlink_to(target)
    with daemon:
        target.write_text(target.read_text() + "# changed\n")
        daemon.wait_for_message("mappings reloaded")
