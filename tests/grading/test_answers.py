"""Which cells of a submission run."""

from __future__ import annotations

from delog_nb.grading.answers import Cell, plan

LESSON = [
    Cell("import torch\nfrom delog_nb import lab"),
    Cell("run = lab.experiment()\nimages = [run]\nrecords = lab.train_all(images)"),
    Cell("def used(x):\n    return scale * x\nscale = 1"),
    Cell("scale = 2\nlab.show(scale)\nimages.append(3)\nfill(images)"),
    Cell("first = ...", ("exercise",)),
    Cell('told = lab.check("first", first)\ntold', ("check",)),
    Cell("second = ...", ("exercise",)),
    Cell("def second(v):\n    return used(v) + len(images)"),
    Cell('print("done"); lab.check("second", second)', ("check",)),
]


def test_only_what_an_answer_needs_runs() -> None:
    found = plan(LESSON, "first")
    assert found is not None
    assert found.code == ("first = ...",)
    found = plan(LESSON, "second")
    assert found is not None
    assert "\n".join(found.code).splitlines() == [
        "from delog_nb import lab",
        "run = lab.experiment()",
        "images = [run]",
        "def used(x):",
        "    return scale * x",
        "scale = 1",
        "scale = 2",
        "images.append(3)",
        "fill(images)",
        "second = ...",
        "def second(v):",
        "    return used(v) + len(images)",
        "print('done')",
    ]
    assert found.expression == "second"


def test_answers_are_found_without_tags_and_in_the_last_check() -> None:
    cells = [Cell(c.source) for c in LESSON] + [Cell('lab.check("second", lambda v: v)')]
    found = plan(cells, "second")
    assert found is not None
    assert found.expression == "lambda v: v"
    assert plan(cells[:-2], "second") is None
    found = plan([Cell("x = [k for k in range(3)]"), Cell("!ls"), *cells[:6]], "first")
    assert found is not None
    assert found.code == ("first = ...",)
