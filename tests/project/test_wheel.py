"""The package as it is given away: built, installed and used far from this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(folder: Path, *command: object) -> str:
    """What a command says that runs in ``folder``, without this one on the path."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sdist and of the wheel that is built from it."""
    root, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    shutil.copytree(
        ROOT / "delog_nb", root / "delog_nb", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    run(root, sys.executable, "-m", "build", "--no-isolation", "--outdir", out)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that has the wheel.

    It sees the packages that these tests run with, though not this folder: what is installed from
    it in place stands in a .pth file, and those are read in an environment's own folder alone.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    programs = home / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    own = run(home, python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    others = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(own) / "others.pth").write_text("\n".join(sorted(others)) + "\n")
    (wheel,) = built.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    run(home, *pip, "install", "--quiet", "--no-deps", "--no-index", "--ignore-installed", wheel)
    return programs


def test_the_wheel_and_the_sdist_hold_every_file_of_the_package(built: Path) -> None:
    package = ROOT / "delog_nb"
    files = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "delog_nb/experiment/declared.json" in files
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name for name in names if name.startswith("delog_nb/")} == files
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names if not name.startswith("delog_nb/")} == {
        wheel.name.partition("-py3")[0] + ".dist-info"
    }
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert files | {"pyproject.toml", "README.md", "LICENSE"} <= inside


def test_what_is_imported_is_what_was_installed(installed: Path, tmp_path: Path) -> None:
    code = "import delog_nb; delog_nb.Objective; print(delog_nb.__file__)"
    found = Path(run(tmp_path, installed / "python", "-c", code).strip())
    assert found.is_relative_to(installed.parent)


def test_the_command_trains(installed: Path, tmp_path: Path) -> None:
    command = installed / "delog-nb"
    assert "train" in run(tmp_path, command, "--help")
    small = ["--preset", "quick", "--limit", "60", "--epochs", "1"]
    run(tmp_path, command, "train", *small, "--out", "runs")
    assert len(list(tmp_path.glob("runs/*/record.json"))) == 1
