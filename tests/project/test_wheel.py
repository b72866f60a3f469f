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
COURSE = ("notebooks", "experiments", "results")
TOP = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
TOP += ("CHANGELOG.md", "CITATION.cff", "constraints.txt")
LEFT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.pt", "log.txt", ".claims")
MEGABYTES = 15  # that a wheel may have
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

# the last cell says where the package is from, in the kernel that ran the lesson
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
lesson = nbformat.read(sys.argv[1], 4)
lesson.cells.append(nbformat.v4.new_code_cell("import delog_nb; print(delog_nb.__file__)"))
NotebookClient(lesson, timeout=300, kernel_name="python3").execute()
print(lesson.cells[-1].outputs[0].text)
"""


def run(folder: Path, *command: object, **environment: str) -> str:
    """What a command says that runs in ``folder``, without this one on the path."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=ENVIRONMENT | environment,
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
    for folder in ("delog_nb", *COURSE):
        shutil.copytree(ROOT / folder, root / folder, ignore=LEFT)
    for name in TOP:
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


def of_the_course() -> set[str]:
    """The files that go with the package: students' notebooks, pictures, grids, recorded runs."""
    files = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "experiments").rglob("*.yaml")]
    files += (ROOT / "notebooks" / "pictures").iterdir()
    kinds = {".csv", ".json", ".npz", ".png", ".yaml"}
    results = (ROOT / "results").rglob("*.*")
    files += [p for p in results if p.suffix in kinds and ".claims" not in p.parts]
    return {path.relative_to(ROOT).as_posix() for path in files}


def test_the_wheel_and_the_sdist_hold_every_file_of_the_package_and_the_course(built: Path) -> None:
    package = ROOT / "delog_nb"
    files = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert "delog_nb/experiment/declared.json" in files
    course = of_the_course()
    assert {"notebooks/experiment.ipynb", "results/cpu/grids/table2.yaml"} < course
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    inside = files | {f"delog_nb/course_files/{name}" for name in course}
    assert {name for name in names if name.startswith("delog_nb/")} == inside
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names if not name.startswith("delog_nb/")} == {
        wheel.name.partition("-py3")[0] + ".dist-info"
    }
    assert wheel.stat().st_size <= MEGABYTES * 1_000_000
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert files | course | {*TOP} <= inside


def test_an_index_would_take_both(built: Path, tmp_path: Path) -> None:
    said = run(tmp_path, sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    assert said.count("PASSED") == 2


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


def test_lessons_run_far_from_any_checkout(installed: Path, tmp_path: Path) -> None:
    """Lessons 1 and 4 as students have them, and what other lessons draw of recorded runs."""
    mine = tmp_path / "mine"
    run(tmp_path, installed / "delog-nb", "lab", mine, "--no-open")
    for lesson in ("01_one_network_four_ways", "04_from_scratch"):
        found = run(mine, installed / "python", "-c", EXECUTE, f"{lesson}.ipynb")
        assert Path(found.strip()).is_relative_to(installed.parent)
    shown = run(
        mine,
        installed / "python",
        "-c",
        "from delog_nb import lab\n"
        "from delog_nb.instruments.course_files import HOME\n"
        "from delog_nb.lab.lessons.full_comparison import compared\n"
        "print(HOME, len(lab.recorded('table2').records), len(lab.evidence()['long']))\n"
        "lab.recorded_probes(lab.recorded('table9').records)\n"
        "print(compared('CIFAR-10 at paper size', 'vgg').figure.layout.title.text)",
    ).splitlines()
    assert Path(shown[0].split()[0]).is_relative_to(installed.parent)
    assert int(shown[0].split()[1]) > 10
    assert int(shown[0].split()[2]) >= 1
    assert shown[1].endswith("no runs here")


def test_a_sweep_finds_its_notebook(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "grid.yaml").write_text("fixed: {preset: quick, limit: 60, epochs: 1, seed: 1}")
    run(tmp_path, installed / "delog-nb", "sweep", "grid.yaml", "--out", "runs", "--workers", "1")
    assert len(list(tmp_path.glob("runs/*/run.ipynb"))) == 1


@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not here")
def test_one_that_is_read_only_serves_a_class_without_a_network(
    installed: Path, tmp_path: Path
) -> None:
    """Everything but a home is read-only, for root, too: a first start, and lesson 1."""
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    inside = ["bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
    inside += ["--bind", home, home, "--unshare-net", "--chdir", home]
    own = {"HOME": str(home), "TMPDIR": str(home / "tmp"), "DELOG_NB_CACHE": ""}
    with pytest.raises(AssertionError, match="Read-only file system"):
        run(home, *inside, "touch", installed.parent / "written", **own)
    run(home, *inside, installed / "delog-nb", "lab", home / "mine", "--no-open", **own)
    inside[-1] = home / "mine"
    lesson = "01_one_network_four_ways.ipynb"
    found = run(home, *inside, installed / "python", "-c", EXECUTE, lesson, **own)
    assert Path(found.strip()).is_relative_to(installed.parent)
