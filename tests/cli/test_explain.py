"""A method's file with its prose beside the code: nothing of either is lost."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize

import pytest

from delog_nb.cli import main
from delog_nb.cli.explain import source_of
from delog_nb.experiment.registry import METHODS
from delog_nb.instruments.annotated import Passage, as_text, passages, taken

EXAMPLE = '''"""What it is."""

import math


# the area
def area(r):
    """pi r^2

    of a circle
    """
    # squared
    square = r * r  # r^2
    return math.pi * square
'''


def bare(source: str) -> str:
    """The program without docstrings and comments, as Python reads it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def test_prose_stands_beside_the_lines_that_it_is_of() -> None:
    assert passages(EXAMPLE) == [
        Passage("What it is.", ""),
        Passage("", "import math"),
        Passage("pi r^2\n\nof a circle\n\nthe area", "def area(r):"),
        Passage("squared", "    square = r * r  # r^2\n    return math.pi * square"),
    ]


@pytest.mark.parametrize("name", METHODS)
def test_no_line_and_no_word_of_a_method_is_lost(name: str) -> None:
    sources = [source_of(METHODS[name])[1]]
    sources += [text for _, text in taken(sources[0])]
    for source in sources:
        found = passages(source)
        assert bare("\n".join(passage.code for passage in found)) == bare(source)
        comments = [
            word
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type == tokenize.COMMENT
            for word in token.string.lstrip("# ").split()
        ]
        docstrings = [
            word
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            for word in (ast.get_docstring(node) or "").split()
        ]
        for width in (80, 150):
            text = as_text(found, width)
            assert set(comments + docstrings) <= set(text.split())


def test_the_file_comes_with_the_loss_that_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "delog-scl"]) == 0
    text = capsys.readouterr().out
    assert text.index("methods/delog_scl.py") < text.index("losses/contrastive.py")
    assert text.index("Eq. 2 on z_l = g_l(r_l).") < text.index("class ContrastiveObjective")
    assert main(["explain", "delog-sc"]) == 2
    assert "did you mean 'delog-scl'?" in capsys.readouterr().err


def test_it_imports_no_torch() -> None:
    code = "import sys; from delog_nb.cli import main; main(['explain', 'al'])"
    code += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
