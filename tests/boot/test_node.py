from __future__ import annotations

import json
import os
import re

import pytest

from tests.boot.rig.aws import STRANGER
from tests.boot.rig.documents import blocks
from tests.boot.rig.node import KUBECONFIG, SETTINGS
from tests.boot.rig.ways import FromPackage
from tests.integration.rig.polling import wait_until

if "AUTHD_DEB" not in os.environ:
    pytest.skip("needs a built package in AUTHD_DEB, and root: `make dist deb boot-test`", allow_module_level=True)

#: On the scale of systemd-analyze, from 0 to 10.
MOST_EXPOSED = 1.5
STATE = "/var/lib/authd"
AUDIT = "/var/log/authd/audit.jsonl"
ALL_WELL = {"authenticated"}
#: Outcomes of reviews on a connection that the killed daemon had accepted.
CUT_OFF = {"ConnectionResetError", "RemoteDisconnected", "SSLEOFError", "SSLZeroReturnError", "BrokenPipeError"}
_WARNING = 4


def property_of(node, name):
    return node.machine.run(f"systemctl show authd --property={name} --value").strip()


def restarted(node, before):
    """Wait until systemd has started a new process."""
    wait_until(lambda: property_of(node, "MainPID") not in {before, "0"}, "systemd to start the daemon", 120)
    node.wait_until_ready()


def entries(node, since, options=""):
    """Return the daemon's journal entries after a time. `--after-cursor` may skip the first one if there are filters."""
    found = node.journal(f"-t authd {options}")
    return [entry for entry in found if int(entry["__REALTIME_TIMESTAMP"]) > since]


def decisions(node, since):
    """Return the log's decisions after a time."""
    events = [json.loads(entry["MESSAGE"]) for entry in entries(node, since) if entry["MESSAGE"].startswith("{")]
    return [event for event in events if "decision" in event]


def now(node):
    """Return the time of the journal's last entry, in microseconds."""
    node.machine.run("journalctl --sync")
    return int(node.journal("-n 1")[0]["__REALTIME_TIMESTAMP"])


def test_login(installation):
    """Kubectl logs in with the mapped role, and an identity without a mapping is refused."""
    assert installation.kubectl("auth whoami -o jsonpath={.status.userInfo.username}").startswith("admin:")
    node = installation.node
    assert set(node.review(node.token(STRANGER))) == {"not authenticated"}


def test_units(node):
    """Both units are enabled and run, and no unit of the machine has failed."""
    assert node.machine.run("systemctl is-enabled authd.socket authd.service").split() == ["enabled", "enabled"]
    assert node.machine.run("systemctl is-active authd.socket authd.service").split() == ["active", "active"]
    failed = node.machine.run("systemctl list-units --state=failed --plain --no-legend").split("\n")
    assert not [line for line in failed if "authd" in line]
    assert property_of(node, "User") == "authd"
    assert node.owners(STATE) != {"root"}


def test_exposure(node):
    """The exposure of the running unit is at most 1.5."""
    out = node.machine.run("systemd-analyze security --no-pager authd.service")
    found = re.search(r"Overall exposure level for authd\.service: ([0-9.]+)", out)
    assert found, out
    node.step(f"exposure {found[1]}")
    assert float(found[1]) <= MOST_EXPOSED


def test_socket_activation(node):
    """Systemd holds the port: a connection to the stopped daemon starts it and gets a response."""
    node.machine.run("systemctl stop authd.service 2>/dev/null")
    assert property_of(node, "ActiveState") == "inactive"
    assert set(node.review(node.token())) == ALL_WELL
    assert property_of(node, "ActiveState") == "active"


def test_process_metrics(node):
    """The process metrics exist although the sandbox hides /proc/stat."""
    metrics = node.metrics()
    for name in ("cpu_seconds_total", "resident_memory_bytes", "start_time_seconds", "open_fds", "max_fds"):
        assert metrics[f"process_{name}"] > 0


def test_reload_without_procps(node):
    """`systemctl reload` needs no kill(1) and restarts nothing. `test_audit_log` shows its effect."""
    node.machine.run("rm -f /usr/bin/kill")  # Ubuntu's minimal system has it
    before = property_of(node, "MainPID")
    node.machine.run("systemctl reload authd")
    assert property_of(node, "MainPID") == before


def test_restarts_under_load(node):
    """Five restarts refuse no connection and lose no response."""
    with node.under_load() as outcomes:
        for _ in range(5):
            node.machine.run("systemctl restart authd")
    node.step(f"five restarts: {outcomes}")
    assert set(outcomes) == ALL_WELL


def test_kill(node):
    """After SIGKILL, systemd starts the daemon again, and only reviews in flight are cut off."""
    before = property_of(node, "MainPID")
    with node.under_load() as outcomes:
        node.machine.run("systemctl kill --signal=KILL authd")
        restarted(node, before)
    node.step(f"killed: {outcomes}")
    assert {name.partition(":")[0] for name in outcomes} <= ALL_WELL | CUT_OFF


def test_watchdog(node):
    """If the daemon hangs, systemd kills it and starts it again."""
    before = property_of(node, "MainPID")
    node.machine.run("systemctl kill --signal=STOP authd")
    restarted(node, before)
    assert set(node.review(node.token())) == ALL_WELL


def test_missing_settings(node):
    """If the settings are missing at the start, connections wait until the file is back."""
    node.machine.run(f"mv {SETTINGS} /root/aside.yaml; systemctl restart --no-block authd")
    with node.under_load() as outcomes:
        wait_until(lambda: int(property_of(node, "NRestarts")) > 2, "some failed starts")
        node.machine.run(f"mv /root/aside.yaml {SETTINGS}")
        node.wait_until_ready()
    assert set(outcomes) == ALL_WELL


def test_priorities(node):
    """`journalctl -t authd -p warning` shows exactly the warnings and worse."""
    start = now(node)
    node.review(node.token())
    node.review(node.token(STRANGER))
    wait_until(lambda: len(decisions(node, start)) >= 2, "both decisions")
    urgent = entries(node, start, "-p warning")
    severe = {"warn", "error", "critical"}
    assert [each for each in entries(node, start) if json.loads(each["MESSAGE"])["level"] in severe] == urgent
    assert {json.loads(entry["MESSAGE"])["decision"] for entry in urgent} == {"denied"}
    assert all(int(entry["PRIORITY"]) <= _WARNING for entry in urgent)


def test_flood(node):
    """The journal keeps every decision about a confirmed identity, even with a low rate limit of journald."""
    limits = node.machine.root / "etc/systemd/journald.conf.d/tight.conf"
    limits.parent.mkdir()
    limits.write_text("[Journal]\nRateLimitIntervalSec=1h\nRateLimitBurst=100\n")
    node.machine.run("systemctl restart systemd-journald")
    node.machine.add_service("noisy", "/bin/bash -c 'for i in {1..2000}; do echo line; done'", ["Type=oneshot"])
    assert len(node.journal("-u noisy")) < 2000
    start = now(node)
    assert node.reviews(node.token(), 3000) == {"authenticated": 3000}
    wait_until(lambda: len(decisions(node, start)) >= 3000, "3000 decisions in the journal")


def test_changed_mappings(node):
    """The daemon notices an edit, and keeps the last good mappings if the file is broken."""
    path = node.machine.root / SETTINGS.lstrip("/")
    good, token = path.read_text(), node.token(STRANGER)
    node.map_user(STRANGER)
    wait_until(lambda: set(node.review(token)) == ALL_WELL, "the edit to be in force")
    path.write_text("clusterID: [")
    wait_until(lambda: "[-] settings" in node.readiness(), "the fault in /readyz")
    assert set(node.review(token)) == ALL_WELL
    path.write_text(good)
    node.wait_until_ready()


def test_commands(node):
    """The commands for operators work on the node while the daemon runs."""
    assert node.authd("status").returncode == 0
    reload = node.authd("reload")
    assert (reload.returncode, "in force" in reload.stdout) == (0, True), reload
    explained = node.authd("explain --live arn:aws:iam::111122223333:role/KubernetesAdmin --session alice")
    assert "admin:alice" in explained.stdout, explained
    again = node.authd(f"init -c {SETTINGS}")
    assert again.returncode == 0, again
    assert "wrote" not in again.stdout


def test_doctor(installation):
    """`authd doctor` finds no error on a node installed by the documents."""
    report = json.loads(installation.node.authd("doctor --output json").stdout)
    findings = [finding for finding in report["findings"] if finding["level"] != "ok"]
    assert findings == []


def test_ca_rotation(installation):
    """No step of a CA rotation refuses a login, with the old and with the new kubeconfig in kube-apiserver."""
    node = installation.node
    for number in range(3):
        read = f"/root/kubeconfig.{number}"
        node.machine.run(f"cp {KUBECONFIG} {read}")
        done = node.authd(f"rotate-ca -c {SETTINGS}")
        assert done.returncode == 0, done
        assert len(node.owners(STATE)) == 1
        for each in (read, KUBECONFIG):
            assert set(node.review(node.token(), each)) == ALL_WELL
        if installation.plane is not None:  # otherwise authd refuses the next step
            installation.plane.restart()
            installation.kubectl("get namespaces")
    wait_until(lambda: "SSLCert" in str(node.review(node.token(), "/root/kubeconfig.0")), "an end of the old CA")


def test_audit_log(node):
    """The daemon can write its audit log in the sandbox. It reports a full disk, and recovers without a restart."""
    node.change_settings(lambda content: content["server"].update(auditLog=AUDIT))
    node.machine.run(
        f"""
        systemctl stop authd.service 2>/dev/null
        folder=$(realpath {AUDIT.rpartition("/")[0]})
        mount -t tmpfs -o size=64k,mode=750 tmpfs $folder
        systemctl start authd
        """
    )
    node.wait_until_ready()
    token = node.token()
    assert set(node.review(token)) == ALL_WELL
    (record,) = [json.loads(line) for line in node.machine.run(f"cat {AUDIT}").splitlines()]
    assert record["decision"] == "allowed"
    node.reviews(token, 3000)
    wait_until(lambda: "[!] audit" in node.readiness(), "the full disk in /readyz")
    node.machine.run(f"mount -o remount,size=64m $(realpath {AUDIT.rpartition('/')[0]})")
    node.review(token)
    node.wait_until_ready()
    lost = int(node.metrics()["authd_audit_records_lost_total"])
    lines = node.machine.run(f"cat {AUDIT}").splitlines()
    assert len([line for line in lines if json.loads(line)["decision"] == "allowed"]) + lost == 3002
    node.machine.run(f"mv {AUDIT} {AUDIT}.1; systemctl reload authd")
    node.review(token)
    assert len(node.machine.run(f"cat {AUDIT}").splitlines()) == 1


def test_full_disk(node):
    """The daemon starts with a full disk in its state directory."""
    node.machine.run(
        f"""
        systemctl stop authd.service 2>/dev/null
        folder=$(realpath {STATE})
        cp -a $folder /root/state
        mount -t tmpfs -o size=128k,mode=700 tmpfs $folder
        cp -a /root/state/. $folder
        cat /dev/zero >$folder/full 2>/dev/null || true
        systemctl start authd
        """
    )
    node.wait_until_ready()
    assert set(node.review(node.token())) == ALL_WELL
    node.machine.run(f"systemctl stop authd.service 2>/dev/null; umount $(realpath {STATE}); systemctl start authd")
    node.wait_until_ready()


def test_reboot(installation):
    """After a reboot, logins work without further steps."""
    node = installation.node
    node.machine.reboot()
    node.wait_until_ready()
    assert set(node.review(node.token())) == ALL_WELL
    if installation.plane is not None:
        installation.plane.restart()
        installation.kubectl("get namespaces")


def test_upgrade(installation):
    """An upgrade refuses no connection and loses no response."""
    node = installation.node
    before = property_of(node, "MainPID")
    with node.under_load() as outcomes:
        installation.way.upgrade(node)
        restarted(node, before)
    node.step(f"upgraded: {outcomes}")
    assert set(outcomes) == ALL_WELL
    assert "99" in node.authd("--version").stdout + node.machine.try_to("dpkg -s authd").stdout


def test_removal(installation):
    """Only the webhook kubeconfig remains, because kube-apiserver does not start without it."""
    machine = installation.node.machine
    of_package, of_clone = blocks("docs/operations.md", "## Remove")
    if isinstance(installation.way, FromPackage):
        machine.run("apt-get remove authd", network=True)
        assert machine.try_to("systemctl is-active authd.socket authd.service").stdout.split() == ["inactive"] * 2
        machine.run(f"test -s {SETTINGS} && test -s {STATE}/ca.pem && test ! -e /usr/lib/authd")
        assert f"{KUBECONFIG} stays" in machine.run(of_package, network=True)
    else:
        machine.run(of_clone)
    others = ("/root", "/var/cache/apt", "/var/lib/image", "/etc/kubernetes/authd")
    left_out = " ".join(f"-path {folder} -prune -o" for folder in others)
    assert machine.run(f"find / -xdev {left_out} -name '*authd*' -print") == ""
    assert machine.try_to("id authd").returncode != 0
    installation.node.step("removed")
