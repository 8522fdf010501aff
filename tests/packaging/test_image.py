from __future__ import annotations

from pathlib import Path

import pytest

from tools.release import try_image

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Containerfile").read_text()
STEPS = list(try_image.instructions(TEXT))


def test_the_tool_knows_every_instruction():
    """`try_image` supports every instruction of the Containerfile."""
    known = {"FROM", "ARG", "RUN", "COPY", "ENV", "WORKDIR", "USER", "ENTRYPOINT", "CMD"}
    assert {name for name, _ in STEPS} <= known


def test_packages_are_verified():
    """Every package from the index is verified by the hashes of requirements.txt."""
    installs = [part for name, text in STEPS if name == "RUN" for part in text.split("&&") if "pip install" in part]
    assert len(installs) == 2
    assert all("--require-hashes" in each or "--no-deps /src" in each for each in installs)


def test_configuration():
    """The image runs `authd` as its own user, and the configuration is parsed as by an engine."""
    stage = try_image.Stage(root=Path("/nonexistent"))
    for name, arguments in STEPS[STEPS.index(("FROM", "base"), 1) + 1 :]:
        if name not in {"COPY", "RUN", "FROM"}:
            try_image._configure(name, arguments, stage)
    assert (stage.user, stage.entrypoint) == ("10001:10001", ("authd",))
    assert stage.environ["PATH"].startswith("/opt/authd/bin:")
    assert stage.environ["PYTHONDONTWRITEBYTECODE"] == "1"


def test_unknown_instructions():
    """An unsupported instruction is an error."""
    with pytest.raises(RuntimeError, match="unknown instruction VOLUME"):
        try_image._configure("VOLUME", "/data", try_image.Stage(root=Path("/nonexistent")))


def test_a_step_that_fails(tmp_path, monkeypatch):
    """A failing step ends the build with its own message."""
    monkeypatch.setattr(try_image.Stage, "run", lambda _stage, _command, _user="": _Failed())
    with pytest.raises(RuntimeError, match="RUN false"):
        try_image.build("RUN false\n", tmp_path, tmp_path)


class _Failed:
    returncode, stdout, stderr = 1, "", "no"
