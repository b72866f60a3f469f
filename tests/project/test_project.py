"""The project's files agree with each other."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from delog_nb import records
from delog_nb.cli import main
from delog_nb.course.syllabus import lessons, update_readme
from delog_nb.experiment.presets import DEPARTURES
from delog_nb.experiment.registry import METHODS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
CONDA_NAMES = {"pytorch-cpu": "torch"}
# extras that want older versions than the others were tested with: not in constraints.txt
ALONE = ("mlflow", "trackio")
IMPORTED = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}


def requirements() -> tuple[dict[str, str], dict[str, str]]:
    """Ranges in pyproject.toml: of the package with its lab, and of everything."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    def ranges(lines: list[str]) -> dict[str, str]:
        pairs = (re.fullmatch(r"([\w.-]+)(\[\w+\])?(.*)", line) for line in lines)
        return {m[1]: m[3].strip() for m in pairs if m and m[1] != "delog_nb"}

    extras = project["optional-dependencies"]
    lab = ranges(project["dependencies"]) | ranges(extras["lab"])
    return lab, lab | {k: v for lines in extras.values() for k, v in ranges(lines).items()}


@pytest.mark.parametrize("path", ["environment.yml", "binder/environment.yml"])
def test_conda_environments_agree_with_pyproject(path: str) -> None:
    content = yaml.safe_load((ROOT / path).read_text())
    found = {}
    for line in content["dependencies"]:
        name, mark, version = re.match(r"([\w-]+)(>=|=)?(.*)", line).groups()
        found[CONDA_NAMES.get(name, name)] = (mark or "") + version
    assert re.fullmatch(r"=3\.\d+", found.pop("python"))
    found.pop("pip")
    assert found == requirements()[0]


def third_party(paths: Iterable[Path]) -> set[str]:
    """Distributions that these files import, at the top or inside."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return {IMPORTED.get(n, n) for n in found - sys.stdlib_module_names - {"delog_nb"}}


def test_the_base_dependencies_are_those_of_all_rooms_but_the_lab() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    files = (ROOT / "delog_nb").rglob("*.py")
    of_lab = ("course", "lab", "grading")  # rooms that the extra is for
    core = third_party(p for p in files if p.relative_to(ROOT / "delog_nb").parts[0] not in of_lab)
    # what these are asked for, they ask whether it is there: doctor, sweep, compare's page
    asked = {"anywidget", "distributed", "pandas", "papermill", "plotly"}
    asked |= {"jupyterlab", "mlflow", "trackio", "submitit"}  # what a command or a flag is for
    assert core - base == asked
    assert base - core == {"scikit-learn"}  # whose digits are read as a file


def test_constraints_pin_every_dependency_within_its_range() -> None:
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        match = re.match(r"([\w.-]+)==([\d.]+)", line)
        if match:
            pins[match[1].lower().replace("_", "-")] = match[2]

    def number(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    for name, allowed in requirements()[1].items():
        if name in ALONE:
            continue
        assert name in pins, name
        for low in re.findall(r">=([\d.]+)", allowed):
            assert number(pins[name]) >= number(low), name


def test_readme_lists_every_lesson_as_its_header_says(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    (tmp_path / "README.md").write_text(text.replace("| 1 | [One network", "| 7 | [Two networks"))
    assert update_readme(tmp_path / "README.md", ROOT / "notebooks")
    assert (tmp_path / "README.md").read_text() == text
    for lesson in lessons(ROOT / "notebooks"):
        assert f"[{lesson.title}](notebooks/{lesson.path.name})" in text


def test_links_of_the_documents_lead_somewhere() -> None:
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
            if not target.startswith("http"):
                assert (path.parent / target).exists(), (path, target)


def test_the_documents_commands_are_known() -> None:
    pages = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    text = "\n".join(page.read_text() for page in pages)
    from delog_nb.cli import COMMANDS

    for command in re.findall(r"^delog-nb ([a-z-]+)", text, re.MULTILINE):
        assert command in COMMANDS
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z]+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile


def examples(heading: str) -> list[str]:
    """The pieces of Python below a heading of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def run_in(folder: Path, *words: str) -> str:
    """What a command says that runs the package in ``folder``."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.long
def test_the_method_that_contributing_adds_works(tmp_path: Path) -> None:
    """Its file in the package and the two commands: it trains and passes the isolation tests."""
    (cell,) = examples("Add a method")
    assert cell in (ROOT / "README.md").read_text()
    package = tmp_path / "delog_nb"
    shutil.copytree(ROOT / "delog_nb", package)
    (package / "methods" / "mean_exit.py").write_text(cell)
    run_in(tmp_path, "-m", "delog_nb.methods.table")
    shutil.copy(ROOT / "notebooks" / "experiment.ipynb", tmp_path)
    run_in(tmp_path, "-m", "delog_nb.grids.notebook", "experiment.ipynb")
    assert ", ".join([*METHODS.own, "mean-exit"]) in (tmp_path / "experiment.ipynb").read_text()
    words = ["--preset", "quick", "--method", "mean-exit", "--out", str(tmp_path / "runs")]
    assert "Mean Exit" in run_in(tmp_path, "-m", "delog_nb", "train", *words)
    isolation = ["-k", "mean-exit", "-o", f"pythonpath={ROOT / 'tests'}"]
    said = run_in(
        tmp_path, "-m", "pytest", "-q", "-p", "no:cacheprovider", *isolation,
        str(ROOT / "tests" / "methods" / "test_methods.py"),
    )  # fmt: skip
    assert re.search(r"\b[1-9]\d* passed", said)


def test_the_optimizer_that_contributing_adds_works(tmp_path: Path) -> None:
    (line,) = examples("Add an optimizer")
    shutil.copytree(ROOT / "delog_nb", tmp_path / "delog_nb")
    path = tmp_path / "delog_nb" / "experiment" / "optimizers.py"
    path.write_text(path.read_text().rstrip().removesuffix("}") + line + "}\n")
    words = ["--preset", "quick", "--optimizer", "rmsprop", "--momentum", "0.5"]
    out = ["--out", str(tmp_path / "runs")]
    run_in(tmp_path, "-m", "delog_nb", "train", *words, *out)
    assert any(tmp_path.glob("runs/*/record.json"))


@pytest.mark.parametrize(
    ("heading", "words"),
    [("Add a net", ["--net", "plain"]), ("Add a data set", ["--dataset", "stripes"])],
)
def test_the_net_and_the_data_set_that_contributing_adds_work(
    heading: str, words: list[str], tmp_path: Path
) -> None:
    (source,) = examples(heading)
    path = tmp_path / "mine.py"
    path.write_text(source)
    for method in ("al", "delog-scl"):
        command = ["train", "--plugin", str(path), "--preset", "quick", "--method", method]
        assert main([*command, *words, "--out", str(tmp_path / "runs")]) == 0
    (record, _) = records.find(tmp_path / "runs")
    assert isinstance(record, records.Record)
    assert record.experiment.get(words[0][2:]) == words[1]


def test_the_documentation_shows_where_the_paper_preset_departs() -> None:
    lines = (ROOT / "docs" / "recipe.md").read_text().splitlines()
    assert [line[2:] for line in lines if line.startswith("- ")] == list(DEPARTURES)
