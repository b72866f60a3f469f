"""The rules that keep every lesson right; that they run is nbval's part of the same test run."""

from __future__ import annotations

import ast
import collections
import json
import re
from itertools import zip_longest
from pathlib import Path

import nbformat
import pytest

from delog_nb.course.building import TAKES, minutes_to_read, sources, student, tags
from delog_nb.course.exercises import EXERCISES, LESSONS, check

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TAGS = {"header", "exercise", "solution", "check", "parameters", "nbval-check-output", "machine"}
MOST_LINES, MOST_FIGURES, MOST_WORDS = 25, 4, 1200
OPEN = ("Build", "Debug", "Design")  # exercises that ask for more than an answer
# words that a plain text does without, each seen in a lesson once
QUAINT = (
    r"to be had\b",
    r"\bmends?\b",
    r"\bfor who\b",
    r"\bhow many \w+ (has|have) (it|he|they)\b",
    r"\bshall\b",
    r"so clearly that\b",
    r"\ba try\b",
    r"\bwhat is won\b",
    r"\bby oneself\b",
    r"\blength (1|one)\b",  # a flow has a length; a vector has a norm
    r"\bdivided by its length\b",
)
HEADER = ("**You will learn** ", "**You need** ", "**Takes** ", "**In the paper** ")
ALL = sorted([*NOTEBOOKS.glob("*.ipynb"), *sources(NOTEBOOKS)])
LESSON_FILES = sources(NOTEBOOKS)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def name(path: Path) -> str:
    return str(path.relative_to(NOTEBOOKS))


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", ALL, ids=name)
def test_every_notebook(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert path.stat().st_size < 1e6
    assert "widgets" not in notebook.metadata
    for cell in notebook.cells:
        assert set(tags(cell)) <= TAGS
    for cell in code(notebook):
        if "parameters" not in tags(cell):  # a line for each
            assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        assert not re.search(r"^\s*with \w*out\w*:", cell.source, re.MULTILINE)
        assert cell.execution_count is not None or not cell.outputs
        for output in cell.outputs:
            assert output.output_type != "error", output
            assert "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            assert output.get("name") != "stderr", output.text
    assert " /" + "root" not in str(notebook)


@pytest.mark.parametrize("path", ALL, ids=name)
def test_parameters_are_literals(path: Path) -> None:
    for cell in code(read(path)):
        if "parameters" in tags(cell):
            for statement in ast.parse(cell.source).body:
                assert isinstance(statement, ast.Assign | ast.AnnAssign)
                ast.literal_eval(statement.value)


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_headers_say_what_a_lesson_is_and_takes(path: Path) -> None:
    notebook = read(path)
    header = notebook.cells[0]
    assert tags(header) == ["header"]
    number = int(path.name[:2])
    assert header.source.startswith(f"# {number} · ")
    for part in HEADER:
        assert part in header.source
    minutes, seconds, megabytes = TAKES.search(header.source).groups()
    assert int(minutes) == minutes_to_read(notebook)
    assert 0 < int(seconds) <= 60
    assert 0 < int(megabytes) <= 1500


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_a_lesson_asks_to_predict_run_and_compare_and_ends_in_a_summary(path: Path) -> None:
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "lab.predict(" in text
    assert "lab.outcome(" in text
    assert "## Summary" in text
    assert "**Where this comes from:**" in text
    counts = collections.Counter(tag for cell in code(notebook) for tag in tags(cell))
    assert 2 <= counts["exercise"] <= 6
    assert counts["exercise"] == counts["solution"] == counts["check"]
    assert text.count("<summary>Hint</summary>") == counts["exercise"]


def prose(notebook: nbformat.NotebookNode) -> list[str]:
    """Markdown between header and exercises, without these, formulas, code and addresses."""
    found = []
    for cell in notebook.cells[1:]:
        if cell.source.startswith("## Exercises"):
            break
        asks = "<summary>Hint</summary>" in cell.source
        if cell.cell_type == "markdown" and "solution" not in tags(cell) and not asks:
            plain = re.sub(
                r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\]\([^)]*\)", " ", cell.source, flags=re.S
            )
            found.append(plain)
    return found


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_a_lesson_is_short(path: Path) -> None:
    notebook = read(path)
    drawn = [
        cell.source
        for cell in code(notebook)
        if any("image/png" in output.get("data", {}) for output in cell.outputs)
    ]
    assert len(drawn) <= MOST_FIGURES, "\n\n".join(drawn)
    assert len(" ".join(prose(notebook)).split()) <= MOST_WORDS


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_most_exercises_ask_to_build_debug_or_design(path: Path) -> None:
    text = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    kinds = re.findall(r"^\*\*\d\. (\w+)[:.]", text, re.MULTILINE)
    asked = sum("exercise" in tags(cell) for cell in read(path).cells)
    assert len(kinds) == asked
    assert 3 * sum(kind in OPEN for kind in kinds) >= 2 * asked, kinds


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_solutions_say_why(path: Path) -> None:
    cells = [cell for cell in read(path).cells if "solution" in tags(cell)]
    told = [cell for cell in cells if cell.cell_type == "markdown"]
    assert len(told) == len(cells) - len(told)


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_each_prediction_has_its_options_and_its_outcome(path: Path) -> None:
    asked, told = [], []
    for cell in code(read(path)):
        for output in cell.outputs:
            ours = output.get("data", {}).get("application/vnd.delog-nb.site+json", {})
            if ours.get("kind") == "predict":
                asked.append(ours["question"])
                assert 3 <= len(ours["options"]) <= 5
            elif ours.get("kind") == "outcome":
                told.append(ours["question"])
    assert sorted(asked) == sorted(told)


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_numbers_in_prose_stand_in_an_output_or_in_a_cell(path: Path) -> None:
    """Percentages, decimal fractions and multiples: those that a new run may change."""
    notebook = read(path)
    shown = "\n".join(
        [cell.source for cell in code(notebook)]
        + [str(output) for cell in code(notebook) for output in cell.outputs]
    )
    texts = [cell.source for cell in notebook.cells[1:] if cell.cell_type == "markdown"]
    for text in texts:  # exercises and solutions too
        text = re.sub(r"sections? [\d., and]+", "", text)
        for number in re.findall(r"(?<![\w.])\d+\.\d+|\d+(?= (?:%|points|times|ms|MB)\b)", text):
            assert number in shown, (number, text)


def of_readers() -> list[Path]:
    """What people read: notebooks, documents, the site's opening, and the package's texts."""
    root = NOTEBOOKS.parent
    found = [*ALL, *root.glob("*.md"), *root.glob("docs/*.md"), root / "site" / "index.md"]
    return [*found, *root.glob("delog_nb/**/*.py"), *root.glob("delog_nb/lab/modules/*.js")]


def test_english_is_plain() -> None:
    for path in of_readers():
        text = path.read_text()
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]  # faster than what checks the outputs as well
            text = "\n".join("".join(cell["source"]) for cell in cells)
        for words in QUAINT:
            assert not re.search(words, text, re.IGNORECASE), (path, words)


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_every_figure_is_followed_by_its_table(path: Path) -> None:
    for cell in code(read(path)):
        for output, after in zip_longest(cell.outputs, cell.outputs[1:], fillvalue={}):
            if output and "image/png" in output.get("data", {}):
                assert "<table" in after.get("data", {}).get("text/html", ""), cell.source


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_every_check_is_known_and_every_solution_right(path: Path) -> None:
    notebook = read(path)
    for cell in code(notebook):
        if "check" in tags(cell):
            (exercise,) = re.findall(r'lab\.check\("([\w-]+)"', cell.source)
            check(exercise, ...)  # raises where there is no such exercise
            (output,) = cell.outputs
            assert output.data["text/plain"] == "Right.", (exercise, output)


@pytest.mark.parametrize("path", LESSON_FILES, ids=name)
def test_students_get_the_same_without_solutions(path: Path) -> None:
    def sources_of(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
        return [(cell.cell_type, cell.source) for cell in notebook.cells]

    made = read(NOTEBOOKS / path.name)
    assert sources_of(made) == sources_of(student(read(path)))
    assert not any("solution" in tags(cell) for cell in made.cells)
    assert all((cell.outputs, cell.execution_count) == ([], None) for cell in code(made))


@pytest.mark.parametrize("path", ALL, ids=name)
def test_links_and_images_lead_somewhere(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#\s]+)", cell.source):
                if not target.startswith("http"):
                    assert (path.parent / target).exists(), target


def test_no_function_is_defined_in_two_lessons() -> None:
    where = collections.defaultdict(set)
    for path in LESSON_FILES:
        for cell in code(read(path)):
            for found in re.findall(r"^(?:def|class) (\w+)", cell.source, re.MULTILINE):
                where[found].add(path.name)
    assert {name: files for name, files in where.items() if len(files) > 1} == {}


def test_every_exercise_belongs_to_a_lesson_and_says_when_it_is_not_done() -> None:
    used = set()
    for path in LESSON_FILES:
        for cell in code(read(path)):
            used |= set(re.findall(r'lab\.check\("([\w-]+)"', cell.source))
    first = next(iter(used))
    assert repr(check(first, ...)).startswith("To do: ")
    assert used == set(EXERCISES)
    assert {exercise.lesson for exercise in EXERCISES.values()} == set(LESSONS)


def test_a_check_of_an_unknown_exercise_is_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"no exercise 'spred' \(did you mean 'spread'\?\)"):
        check("spred", 1)
