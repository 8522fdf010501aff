from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

TEXT = (Path(__file__).parents[2] / "docs" / "ci.md").read_text("utf-8")
PRE_COMMIT, GITHUB, GITLAB = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROGRAM = shutil.which("pre-commit", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
RULE = '  - {roleARN: arn:aws:iam::111122223333:role/Admin, username: "admin:{{SessionName}}"}\n'
GOOD = f"clusterID: c\nserver:\n  mapRoles:\n{RULE}"
WARNED = GOOD + RULE
BROKEN = GOOD.replace("username", "usrname")


@pytest.fixture
def repository(tmp_path):
    """A clone with one cluster. Its main branch equals that of its origin."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path),
        "GITHUB_BASE_REF": "main", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        **{f"GIT_{role}_{part}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")},
    }  # fmt: skip
    folder = tmp_path / "clone"
    (folder / "clusters").mkdir(parents=True)
    (folder / "clusters" / "one.yaml").write_text(GOOD)

    def run(script):
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    status, out = run(
        "git init -q -b main . && git add . && git commit -qm first && git update-ref refs/remotes/origin/main main"
    )
    assert status == 0, out
    run.file = folder / "clusters" / "one.yaml"
    run.folder = folder
    return run


def github():
    steps = [step["run"] for step in yaml.safe_load(GITHUB)["jobs"]["mappings"]["steps"] if "run" in step]
    assert steps[0].startswith("pip install vendor/authd-")
    return "\n".join(steps[1:])


def gitlab():
    steps = yaml.safe_load(GITLAB)["mappings"]["script"]
    assert steps[0].startswith("pip install vendor/authd-")
    return "\n".join(steps[1:])


def hook():
    """Return the hook's command as pre-commit runs it, with the names of the files that match `files`."""
    (entry,) = yaml.safe_load(PRE_COMMIT)["repos"][0]["hooks"]
    assert re.search(entry["files"], "clusters/one.yaml")
    assert not re.search(entry["files"], "README.md")
    return f"{entry['entry']} clusters/one.yaml clusters/two.yaml"


@pytest.mark.parametrize("steps", [github(), gitlab()], ids=["GitHub", "GitLab"])
@pytest.mark.parametrize(
    ("text", "status", "says"),
    [
        (GOOD, 0, "rules: 0 gained, 0 lost, 0 changed"),
        (GOOD + RULE.replace("Admin", "Other"), 0, "rules: 1 gained, 0 lost, 0 changed"),
        (WARNED, 1, "is mapped in line 4 already"),
        (BROKEN, 2, "clusters/one.yaml:4:"),
        (GOOD.replace("Admin", "Other"), 1, "rules: 1 gained, 1 lost, 0 changed"),
    ],
)
def test_the_steps_of_a_service(repository, steps, text, status, says):
    """The steps pass for a good change, and fail for an invalid file, a warning and a lost login."""
    repository.file.write_text(text)
    repository.file.with_name("new.yaml").write_text(GOOD)  # a file that the target branch lacks
    ended, out = repository(steps)
    assert ended == status, out
    assert says in out


@pytest.mark.parametrize(("text", "status"), [(GOOD, 0), (WARNED, 1), (BROKEN, 2)])
def test_the_hook(repository, text, status):
    """The hook checks all files at once, and its status is that of the worst."""
    repository.file.write_text(text)
    repository.file.with_name("two.yaml").write_text(GOOD)
    ended, out = repository(hook())
    assert ended == status, out
    assert "clusters/two.yaml: usable" in out


@pytest.mark.skipif(PROGRAM is None, reason="pre-commit is not installed")
def test_pre_commit_itself(repository):
    """pre-commit accepts the hook's entry, and refuses a commit with a broken file."""
    (repository.folder / ".pre-commit-config.yaml").write_text(PRE_COMMIT)
    assert repository(f"{shlex.quote(PROGRAM)} install && git add -A && git commit -qm good")[0] == 0
    repository.file.write_text(BROKEN)
    status, out = repository("git add -A && git commit -qm broken")
    assert status == 1
    assert "did you mean username?" in out
