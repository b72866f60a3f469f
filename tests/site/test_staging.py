"""Links, outputs and docstrings on their way to a page."""

from __future__ import annotations

from pathlib import Path

import pytest
from delog_site import notebooks
from delog_site.links import Links
from delog_site.outputs import Figures, html_of
from delog_site.reference import _inside


@pytest.fixture
def links(tmp_path: Path) -> Links:
    return with_address(tmp_path, "")


def with_address(root: Path, address: str) -> Links:
    for folder in ("notebooks/solutions", "docs"):
        (root / folder).mkdir(parents=True)
    for name in ("00_start", "01_sums", "lab"):
        (root / f"notebooks/{name}.ipynb").write_text("{}")
    (root / "docs/instructors.md").write_text("")
    (root / "pyproject.toml").write_text(f'[tool.delog_nb]\naddress = "{address}"\n')
    return Links(root)


@pytest.mark.parametrize(
    ("written", "folder", "shown"),
    [
        ("[one](01_sums.ipynb)", "notebooks", "[one](01_sums.md)"),
        ("[one](../01_sums.ipynb)", "notebooks/solutions", "[one](01_sums.md)"),
        ("[start](../notebooks/00_start.ipynb#a)", "docs", "[start](start.md#a)"),
        ("[below](#what)", "docs", "[below](#what)"),
        ("[a](https://b.org/c.md)", "docs", "[a](https://b.org/c.md)"),
        ("[lab](lab.ipynb)", "notebooks", '<a href="downloads/lab.ipynb">lab</a>'),
        ("see [the examples](../examples).", "docs", "see the examples."),
    ],
)
def test_links_lead_to_pages_downloads_or_nowhere(
    links: Links, written: str, folder: str, shown: str
) -> None:
    assert links.in_markdown(written, folder) == shown


def test_with_an_address_links_lead_to_the_repository(tmp_path: Path) -> None:
    links = with_address(tmp_path, "https://github.com/someone/delog_nb")
    shown = links.in_markdown("[examples](../examples)", "docs")
    assert shown == '<a href="https://github.com/someone/delog_nb/blob/HEAD/examples">examples</a>'
    ways = notebooks._ways_to_run("01_sums.ipynb", links)
    assert "/v2/gh/someone/delog_nb/HEAD?urlpath=lab/tree/notebooks/01_sums.ipynb" in ways
    assert "/github/someone/delog_nb/blob/HEAD/notebooks/01_sums.ipynb" in ways
    assert "git clone https://github.com/someone/delog_nb " in ways  # what Colab needs first


def test_without_an_address_there_is_no_button(links: Links) -> None:
    ways = notebooks._ways_to_run("01_sums.ipynb", links)
    assert "Binder" not in ways
    assert "Colab" not in ways
    assert ways.count("<a ") == 1


def test_the_map_of_lessons_leads_to_pages(links: Links) -> None:
    written = '<a href="01_sums.ipynb">Sums</a>, <a href="lab.ipynb">lab</a>'
    shown = '<a href="01_sums.html">Sums</a>, <a href="downloads/lab.ipynb">lab</a>'
    assert links.in_html(written, "notebooks") == shown


@pytest.fixture
def figures(tmp_path: Path) -> Figures:
    return Figures(tmp_path / "static", tmp_path / "modules")


def test_what_is_printed_is_escaped_and_stands_together(figures: Figures) -> None:
    stream = {"output_type": "stream", "name": "stdout"}
    shown = html_of([stream | {"text": "a < b\n"}, stream | {"text": "c\n"}], figures)
    assert shown == '<pre class="printed">a &lt; b\nc\n</pre>'


def test_a_sentence_that_a_cell_makes_is_read_as_markdown(figures: Figures) -> None:
    data = {"text/markdown": "**Holds**: a < b <b>", "text/plain": "<Markdown object>"}
    shown = html_of([{"output_type": "display_data", "data": data}], figures)
    assert shown == '<div class="shown"><p><strong>Holds</strong>: a &lt; b &lt;b&gt;</p>\n</div>'


def test_equal_figures_are_one_file(figures: Figures, tmp_path: Path) -> None:
    spec = {"data": [{"y": [1, 2]}], "layout": {"height": 300, "template": {"large": 1}}}
    output = {
        "output_type": "display_data",
        "data": {"application/vnd.plotly.v1+json": spec, "image/png": "xxxx"},
        "metadata": {"image/png": {"alt": 'Up & "down"'}},
    }
    shown = html_of([output, output], figures)
    assert 'aria-label="Up &amp; &quot;down&quot;"' in shown
    (written,) = (tmp_path / "static/figures").iterdir()
    assert shown.count(f"_static/figures/{written.name}") == 2
    assert "template" not in written.read_text()


def test_a_module_that_is_not_there_is_named(figures: Figures) -> None:
    data = {"application/vnd.delog-nb.figure+json": {"module": "gone", "data": {}}}
    with pytest.raises(FileNotFoundError, match=r"gone\.js"):
        html_of([{"output_type": "display_data", "data": data}], figures)


def test_a_docstring_becomes_fields() -> None:
    told = (
        "What |P| is.\n\nArgs:\n    x: the input,\n        long\n\nRaises:\n    ValueError: bad.\n"
    )
    expected = [
        r"What \|P\| is.", "", "", ":param x: the input,", "   long", "", "",
        ":raises ValueError: bad.",
    ]  # fmt: skip
    assert _inside(told, 0).splitlines() == expected
    example = ">>> 1 | 2\n3"
    assert _inside(example, 0).rstrip() == example
    told = "Args:\n    ge, lt: bounds\n        of both kinds: lower, upper\n"
    assert _inside(told, 0).split("\n")[1:3] == [
        ":param ge,lt: bounds",
        "   of both kinds: lower, upper",
    ]
