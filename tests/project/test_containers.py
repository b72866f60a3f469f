"""The container as far as it can be checked without building one."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.runs import ROOT

FOLDER = ROOT / ".devcontainer"
# each instruction in one line, without comments
LINES = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", (FOLDER / "Dockerfile").read_text()))
INSTRUCTIONS = [line.partition(" ")[::2] for line in LINES.splitlines() if line]


def copied(instructions: list[tuple[str, str]]) -> list[str]:
    """What these take from the repository."""
    words = [rest.split() for kind, rest in instructions if kind == "COPY"]
    return [w for line in words for w in line[:-1] if not w.startswith("--")]


def test_every_file_that_is_copied_is_there_and_reaches_the_build() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for name in copied(INSTRUCTIONS):
        assert (ROOT / name).exists(), name
        assert not [p for p in ignored if fnmatch.fnmatch(name, p)], name


def test_what_is_copied_first_is_enough_to_install(tmp_path: Path) -> None:
    first_install = next(i for i, (kind, rest) in enumerate(INSTRUCTIONS) if "-e '.[" in rest)
    for name in copied(INSTRUCTIONS[:first_install]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    code = "from setuptools import build_meta\nbuild_meta.prepare_metadata_for_build_editable('.')"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (metadata,) = tmp_path.glob("*.dist-info/METADATA")
    assert "Provides-Extra: lab" in metadata.read_text()


def test_versions_are_those_of_the_constraints_and_torch_is_the_small_one() -> None:
    installs = [rest for kind, rest in INSTRUCTIONS if kind == "RUN" and "pip install" in rest]
    for rest in installs:
        assert "-c constraints.txt" in rest
        assert "--extra-index-url https://download.pytorch.org/whl/cpu" in rest
    assert len(installs) == 1
    assert "==" not in LINES


def test_nobody_is_root_and_the_editor_is_the_same_person() -> None:
    users = [rest for kind, rest in INSTRUCTIONS if kind == "USER"]
    settings = json.loads((FOLDER / "devcontainer.json").read_text())
    assert users[-1:] == [settings["remoteUser"]] != ["root"]
    place = settings["workspaceFolder"]
    assert ("WORKDIR", place) in INSTRUCTIONS
    assert f"target={place}," in settings["workspaceMount"]
    assert (FOLDER / settings["build"]["dockerfile"]).is_file()
    assert (FOLDER / settings["build"]["context"]).resolve() == ROOT


def test_binder_builds_from_its_environment() -> None:
    assert not (ROOT / "binder" / "Dockerfile").exists()  # it would take the place of everything
