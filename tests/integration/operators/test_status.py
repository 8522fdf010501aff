"""Commands show a running daemon's state, its mappings, and the result of a reload."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from authd.emulator.directory.sample import ALICE_KEY, BOB_KEY, MALLORY_KEY
from tests.cli.shapes import parsed
from tests.integration.rig.daemon import DaemonProcess
from tests.integration.rig.minting import Mint, script
from tests.integration.rig.polling import wait_until
from tests.integration.rig.settings import ALICE, BOB


def authd(daemon: DaemonProcess, command: str, *arguments: str) -> tuple[int, Any, str]:
    """Run a command about a daemon, and return its exit status, its JSON and its standard error."""
    options = ["-c", str(daemon.settings), "--state-dir", str(daemon.state), "-o", "json"]
    done = subprocess.run(
        [script("authd"), command, *arguments, *options], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, parsed(command, done.stdout) if done.stdout else None, done.stderr


def test_the_state_of_a_daemon(make_daemon: Callable[..., DaemonProcess], mint: Mint) -> None:
    """`authd status` shows mappings, decisions, calls to STS and refused identities, and no token."""
    with make_daemon() as daemon:
        token = mint.by_signer(ALICE_KEY)
        daemon.review(token)
        unmapped = mint.by_signer(MALLORY_KEY)
        daemon.review(unmapped)
        daemon.review(unmapped)
        status, state, _ = authd(daemon, "status")
        assert (status, state["problems"]) == (0, {})
        assert [source["name"] for source in state["sources"]] == ["MountedFile"]
        assert state["sources"][0]["rules"] == 4
        assert state["decisions"]["by_reason"] == {"identity_not_mapped": 2, "allowed": 1}
        assert state["sts"]["recent_calls"]["calls"] == 2
        assert [entry["reason"] for entry in state["refused"]] == ["identity_not_mapped"]
        assert token not in json.dumps(state)
        text = subprocess.run(
            [script("authd"), "status", "-c", str(daemon.settings), "--state-dir", str(daemon.state)],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        assert "MountedFile: 4 rules, changed" in text
        assert f" ago, from {daemon.settings}\n" in text
        assert "  unmapped: 1 of 4096 tokens, 1 hit\n" in text
        assert "  1 known access key, 0 of them with no budget left\n" in text
        assert "2 identity_not_mapped" in text
    status, _, error = authd(daemon, "status")
    assert status == 2
    assert "no daemon answers" in error


def test_watch(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> None:
    """`authd status --watch` refreshes, survives a restart of the daemon, and ends by Ctrl-C."""
    shown = tmp_path / "shown"
    daemon = make_daemon()
    daemon.start()
    # A test run in the background of a shell ignores SIGINT, which the child would inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with shown.open("w") as out:
        watching = subprocess.Popen(
            [script("authd"), "status", "--watch", "--state-dir", str(daemon.state)], stdout=out, stderr=out
        )
    signal.signal(signal.SIGINT, before)
    try:
        first = f"process {daemon.process.pid},"
        wait_until(lambda: shown.read_text().count(first) >= 2, "a refresh")
        daemon.stop()
        wait_until(lambda: "no daemon answers" in shown.read_text(), "the end of the daemon")
        daemon.start()
        wait_until(lambda: f"process {daemon.process.pid}," in shown.read_text(), "the new daemon")
    finally:
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130


def test_explain_live(make_daemon: Callable[..., DaemonProcess]) -> None:
    """`authd explain --live` shows the rule in force, and that the file on disk differs."""
    with make_daemon() as daemon:
        status, outcome, error = authd(daemon, "explain", ALICE, "--live")
        assert (status, outcome["username"], outcome["source"], error) == (0, "alice", "MountedFile", "")
        daemon.settings.write_text(daemon.settings.read_text().replace("username: alice", "usrname: alice"))
        daemon.wait_for_message("can't be used")
        status, outcome, error = authd(daemon, "explain", ALICE, "--live")
        assert (status, outcome["username"]) == (0, "alice")
        assert "on disk is not in force" in error
        assert authd(daemon, "explain", "arn:aws:iam::111122223333:user/nobody", "--live")[0] == 1


def test_a_broken_source_beside_the_file(make_daemon: Callable[..., DaemonProcess], tmp_path: Path) -> None:
    """A broken source is no fault of the settings file, which `authd reload` and `authd explain --live` ask about."""
    other = tmp_path / "mappings.json"
    other.write_text("{}")
    with make_daemon(backendMode=["MountedFile", "DynamicFile"], dynamicFilePath=str(other)) as daemon:
        other.write_text("{")
        wait_until(lambda: "DynamicFile" in authd(daemon, "status")[1]["problems"], "the source's problem")
        assert authd(daemon, "status")[1]["settings"]["problems"] == []
        metrics = daemon.health("/metrics").body.decode()
        assert "settings_problems Problems of the settings file and of the other sources of mappings.\n" in metrics
        assert "\nauthd_settings_problems 1.0\n" in metrics
        status, result, _ = authd(daemon, "reload")
        assert (status, result["result"], result["problems"]) == (0, "done", [])
        assert authd(daemon, "explain", ALICE, "--live")[2] == ""


def test_commands_with_a_broken_file(make_daemon: Callable[..., DaemonProcess], tmp_path: Path, mint: Mint) -> None:
    """With a broken file, the commands still find the daemon and its audit log by the file's paths."""
    audit = tmp_path / "audit.jsonl"
    with make_daemon(auditLog=str(audit), stateDir=str(tmp_path / "daemon0" / "state")) as daemon:
        daemon.review(mint.by_signer(MALLORY_KEY))
        daemon.settings.write_text(daemon.settings.read_text().replace("username: alice", "usrname: alice"))
        daemon.wait_for_message("can't be used")
        commands = {
            "status": (1, "✘ settings: the last good mappings are in force"),
            f"explain --live {ALICE}": (0, "on disk is not in force"),
            "why --since 1h": (0, "identity_not_mapped"),
        }
        for command, (status, part) in commands.items():
            done = subprocess.run(
                [script("authd"), *command.split(), "-c", str(daemon.settings)], capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == status, done.stderr
            assert part in done.stdout + done.stderr


def test_a_reload_reports_its_result(make_daemon: Callable[..., DaemonProcess]) -> None:
    """`authd reload` waits, and reports that the file is in force, refused or broken, or that no daemon runs."""
    with make_daemon() as daemon:
        good = daemon.settings.read_text()
        daemon.settings.write_text(good + "# changed\n")
        status, outcome, _ = authd(daemon, "reload")
        assert (status, outcome["result"], outcome["rules"]) == (0, "done", 4)
        daemon.settings.write_text(good.replace("mapUsers", "mapUsrs"))
        assert authd(daemon, "reload")[0] == 2
        empty = "\n".join(line for line in good.splitlines() if line.startswith("clusterID"))
        daemon.settings.write_text(empty + "\n")
        status, outcome, _ = authd(daemon, "reload")
        assert (status, outcome["result"]) == (1, "refused")
        assert "it would remove every mapping" in outcome["problems"][0]["message"]
        daemon.settings.write_text(good)
    status, outcome, _ = authd(daemon, "reload")
    assert (status, outcome["result"]) == (2, "not running")


def admitted(daemon: DaemonProcess, mint: Mint, key: Any) -> bool:
    """Return whether a user of the emulator may log in."""
    return bool(json.loads(daemon.review(mint.by_signer(key)).body)["status"]["authenticated"])


def test_a_refused_change_of_another_source_is_forced(
    make_daemon: Callable[..., DaemonProcess], mint: Mint, tmp_path: Path
) -> None:
    """`authd reload --force` applies a dynamic file that the guard has refused. `--source` limits it to this file."""
    path = tmp_path / "dynamic.json"
    rules = [{"userarn": ALICE, "username": "alice"}, {"userarn": BOB, "username": "bob"}]
    path.write_text(json.dumps({"mapUsers": rules}))
    daemon = make_daemon(backendMode=["DynamicFile"], dynamicFilePath=str(path), users=[], roles=[])
    with daemon:
        for key in (ALICE_KEY, BOB_KEY):
            assert admitted(daemon, mint, key)
        for arguments in ([], ["--source", "DynamicFile"]):
            count = len(daemon.events())
            path.write_text(json.dumps({"mapUsers": [], "Version": str(arguments)}))
            daemon.wait_for_message("DynamicFile: the new mappings were refused", count)
            assert admitted(daemon, mint, ALICE_KEY)
            state = authd(daemon, "status")[1]
            assert [each["source"] for each in state["refusals"]] == ["DynamicFile"]
            status, outcome, error = authd(daemon, "reload", "--force", *arguments)
            assert (status, outcome["sources"], error) == (0, ["DynamicFile"], "")
            assert not admitted(daemon, mint, ALICE_KEY)
            assert authd(daemon, "status")[1]["refusals"] == []
            path.write_text(json.dumps({"mapUsers": rules}))
            daemon.wait_for_message("DynamicFile: 2 rules in force", count)
            for key in (ALICE_KEY, BOB_KEY):
                assert admitted(daemon, mint, key)
        status, _, error = authd(daemon, "reload", "--force", "--source", "DynamicFile")
        assert status == 2
        assert "DynamicFile: the lock-out guard has refused nothing" in error
        status, _, error = authd(daemon, "reload", "--source", "DynamicFile")
        assert (status, "--source needs --force" in error) == (2, True)
    status, _, error = authd(daemon, "reload", "--force", "--source", "DynamicFile")
    assert (status, "no daemon answers" in error) == (2, True)
