"""The map of the course, its table and the instructor's guide say what the lessons say."""

from __future__ import annotations

import html
import re
from pathlib import Path
from xml.etree import ElementTree

import nbformat

from delog_nb.course.syllabus import course, lessons, update_guide, update_predictions

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
AGAIN = "stale: run `make lessons`"


def make_lesson(folder: Path, number: int, title: str, opening: str) -> None:
    header = f"# {number} · {title}\n\n**You will learn** <much>.\n\n**Takes** {number} minutes"
    header += " with the exercises, 5 seconds to run on 2 cores (60 MB)."
    cells = [nbformat.v4.new_markdown_cell(text) for text in (header, opening)]
    exercise = nbformat.v4.new_code_cell("x = ...", metadata={"tags": ["exercise"]})
    nbformat.write(
        nbformat.v4.new_notebook(cells=[*cells, exercise]), folder / f"{number:02}_lesson.ipynb"
    )


def rows(folder: Path) -> list[str]:
    """The text of each row of the map."""
    page = course(folder).data
    return [
        " ".join(html.unescape(re.sub("<[^>]*>", " ", row)).split())
        for row in re.findall("<tr>(.*?)</tr>", page, re.DOTALL)
    ]


def test_the_map_has_a_station_for_every_lesson_in_order(tmp_path: Path) -> None:
    make_lesson(tmp_path, 11, "Last", "Is there one? We ended so: **is this\nthe one?** Or this?")
    make_lesson(tmp_path, 2, "Second <b>", "It ended with a doubt: why should it? Who knows?")
    make_lesson(tmp_path, 5, "Fifth", "There is nothing to ask.")
    assert [lesson.number for lesson in lessons(tmp_path)] == [2, 5, 11]
    assert [lesson.question for lesson in lessons(tmp_path)] == [
        "Why should it?",
        "",
        "Is this the one?",
    ]
    assert rows(tmp_path) == [
        "THE IDEA",
        "2 Second <b> Why should it? You learn <much>. 2 min 5 s of computing",
        "THE MEASUREMENTS",
        "5 Fifth You learn <much>. 5 min 5 s of computing",
        "THE BALANCE",
        "11 Last Is this the one? You learn <much>. 11 min 5 s of computing",
    ]
    assert "The course: 3 lessons, 18 minutes" in course(tmp_path).data


def test_every_lesson_of_the_course_has_a_question_and_a_link() -> None:
    page = course(NOTEBOOKS).data
    for lesson in lessons(NOTEBOOKS):
        assert lesson.question
        assert f'<a href="{lesson.path.name}">' in page


def test_a_folder_without_lessons_has_an_empty_map(tmp_path: Path) -> None:
    (tmp_path / "01_draft.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook()))
    assert "0 lessons" in course(tmp_path).data


def test_the_start_page_shows_the_lessons_as_they_are() -> None:
    page = nbformat.read(NOTEBOOKS / "00_start.ipynb", as_version=4)
    (shown,) = (cell.outputs for cell in page.cells if cell.source == "lab.course()")
    assert [o.data["text/html"] for o in shown] == [course(NOTEBOOKS).data], AGAIN
    linked = " ".join(cell.source for cell in page.cells)
    assert all(f"({name}.ipynb)" in linked for name in ("lab", "glossary", "experiment"))


def test_the_instructors_guide_has_the_lessons_as_they_are(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "instructors.md").read_text()
    guide = tmp_path / "guide.md"
    guide.write_text(text.replace("| 1 | One network", "| 7 | Two networks"))
    assert update_guide(guide, NOTEBOOKS)
    assert guide.read_text() == text, AGAIN
    make_lesson(tmp_path, 3, "Third", "Is it?")
    assert update_guide(guide, tmp_path)
    assert "| 3 | Third | Is it? | 3 | 1 |\n| | All | | 3 | 1 |\n\n" in guide.read_text()
    guide.write_text("no place for it")
    assert not update_guide(guide, tmp_path)


def test_the_guide_has_the_predictions_as_they_came_out(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "instructors.md").read_text()
    guide = tmp_path / "guide.md"
    table = text.partition("| | Asked | It came out |\n")[2].partition("\n\n")[0]
    guide.write_text(text.replace(table, table.replace("| 1 | ", "| 7 | No longer asked: ")))
    assert guide.read_text() != text
    assert update_predictions(guide, NOTEBOOKS)
    assert guide.read_text() == text, AGAIN
    asked = [
        cell.source.count("lab.outcome(")
        for path in (NOTEBOOKS / "solutions").glob("[0-9]*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    ]
    assert len(table.splitlines()) == 1 + sum(asked)


def test_the_plans_name_sections_that_there_are() -> None:
    text = (ROOT / "docs" / "instructors.md").read_text()
    plans = text.partition("## A class of 90 minutes")[2].partition("## Marks")[0]
    named = re.findall(r"[Ll]esson (\d+),? (?:to )?\*(.+?)\*(?: and \*(.+?)\*)?[ |(]", plans)
    assert len(named) >= 7
    for number, *sections in named:
        (path,) = NOTEBOOKS.glob(f"{int(number):02d}_*.ipynb")
        cells = nbformat.read(path, as_version=4).cells
        heads = "\n".join(c.source for c in cells if c.cell_type == "markdown")
        for section in filter(None, sections):
            assert f"\n## {section}\n" in f"\n{heads}\n", (number, section)


def test_the_glossary_tells_each_entry_once_and_where_it_matters() -> None:
    (page,) = nbformat.read(NOTEBOOKS / "glossary.ipynb", as_version=4).cells
    rows = re.findall(r"^\| (.+?) \| .+ \| (.+) \|$", page.source, re.MULTILINE)
    entries = [entry for entry, where in rows if entry not in ("Symbol", "Word")]
    assert len(entries) == len(set(entries)) > 50
    symbols = [symbol for entry in entries for symbol in re.findall(r"\$([^$]+)\$", entry)]
    assert len(symbols) == len(set(symbols)) > 30
    for entry, where in rows:
        if entry in entries:
            number, name = re.fullmatch(r"\[(\d+)\]\((\S+)\)", where).groups()
            assert int(name[:2]) == int(number)
            assert (NOTEBOOKS / name).exists()


def test_the_pictures_of_the_glossary_are_there_and_say_what_they_show() -> None:
    (page,) = nbformat.read(NOTEBOOKS / "glossary.ipynb", as_version=4).cells
    shown = re.findall(r"!\[(.+?)\]\(pictures/(.+?)\)", page.source)
    assert {name for _, name in shown} == {p.name for p in (NOTEBOOKS / "pictures").iterdir()}
    for words, name in shown:
        assert len(words.split()) > 5
        root = ElementTree.parse(NOTEBOOKS / "pictures" / name).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert int(root.get("width")) <= 270  # a row of a table has room for it
