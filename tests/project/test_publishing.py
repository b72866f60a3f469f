"""What publishes the project: workflows that run known targets, one version, one address."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import delog_nb

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+): .*##", MAKEFILE, re.MULTILINE))


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def made(text: str) -> set[str]:
    """The targets that a script makes."""
    commands = re.findall(r"^\s*make ((?:[a-z-]+ ?)+)(?:[A-Z]+=\S+)?$", text, re.MULTILINE)
    return {target for command in commands for target in command.split()}


def test_scripts_are_read_right() -> None:
    assert made("make test A=b\ncmake no\n  make dist site\n") == {"test", "dist", "site"}


@pytest.mark.parametrize("path", [*WORKFLOWS, ROOT / ".ci/run"], ids=lambda p: p.name)
def test_targets_that_are_made_exist(path: Path) -> None:
    workflow = path.suffix == ".yml"
    text = "\n".join(s.get("run", "") for s in steps(path)) if workflow else path.read_text()
    assert made(text)
    assert made(text) <= TARGETS


def test_every_target_with_a_help_line_is_phony() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS


def test_tests_run_on_every_python_that_is_supported() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    found = jobs["tests"]["strategy"]["matrix"]["python"]
    (low, high) = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', project())[0]
    assert found == [f"3.{minor}" for minor in range(int(low), int(high))]


def test_pinned_versions_install_on_every_python_that_is_supported() -> None:
    """A version that refuses the first patch of one of them, or the last, is pinned elsewhere."""
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    minors = jobs["tests"]["strategy"]["matrix"]["python"]
    pythons = [f"{minor}.{patch}" for minor in minors for patch in (0, 99)]
    refused = []
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        pinned = Requirement(line)
        try:
            found = metadata.distribution(pinned.name)
        except metadata.PackageNotFoundError:  # for another system or an older Python
            continue
        if str(pinned.specifier) != f"=={found.version}":
            continue
        wanted = SpecifierSet(found.metadata.get("Requires-Python") or "")
        refused += [
            f"{line} on {python}"
            for python in pythons
            if pinned.marker is None
            or pinned.marker.evaluate(
                {"python_version": python.rpartition(".")[0], "python_full_version": python}
            )
            if python not in wanted
        ]
    assert refused == []


def project() -> str:
    return (ROOT / "pyproject.toml").read_text()


def test_the_version_is_written_once_and_repeated_right() -> None:
    assert 'dynamic = ["version"]' in project()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == delog_nb.__version__
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heads[0] == delog_nb.__version__
