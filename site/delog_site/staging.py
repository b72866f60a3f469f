"""The pages as Markdown and reStructuredText, with the files that they load."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from plotly.offline import get_plotlyjs

from delog_nb.lab.charts.dark import ON_DARK
from delog_site import methods, notebooks
from delog_site.links import Links
from delog_site.outputs import PLOTLY, Figures
from delog_site.reference import reference


def stage(root: Path, builder: Path, folder: Path) -> None:
    """Write into ``folder`` what Sphinx builds.

    Args:
        root: the repository
        builder: the folder with the opening page, styles and scripts
        folder: is made
    """
    links = Links(root)
    static = folder / "_static"
    shutil.copytree(builder / "static", static)
    figures = Figures(static, root / "delog_nb/lab/modules")
    (static / "plotly.js").write_text(get_plotlyjs(), encoding="utf-8")
    shutil.copytree(builder / "modules", static / "modules", dirs_exist_ok=True)
    dark = f"export const ON_DARK = {json.dumps(ON_DARK)};\n"
    (static / "dark.js").write_text(dark, encoding="utf-8")
    shared = json.dumps(template(root / "notebooks/solutions"))
    (static / "figures/template.json").write_text(shared, encoding="utf-8")
    for path in sorted((root / "notebooks").glob("*.ipynb")):  # students' notebooks, no solutions
        downloads = folder / "_extra/downloads"
        downloads.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, downloads / path.name)

    shutil.copytree(root / "notebooks/pictures", folder / "pictures", dirs_exist_ok=True)

    def write(name: str, text: str) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    for path in links.lessons():
        write(f"{path.stem}.md", notebooks.lesson(path, links, figures))
    for name in ("start", "glossary", "quiz"):
        source = next(file for file, page in links.pages.items() if page == name)
        write(f"{name}.md", notebooks.page(root / source, links, figures))
    evidence = _document(root / "docs/claims.md", links)
    write("evidence.md", evidence)
    write("exercises.md", notebooks.handout(links))
    write("methods.md", methods.methods(root, _document(root / "docs/methods.md", links)))
    for path in links.guides():
        write(f"{path.stem}.md", _document(path, links))
    write("reference.rst", reference(root))
    opening = (builder / "index.md").read_text(encoding="utf-8")
    lists = {
        "LESSONS": [path.stem for path in links.lessons()],
        "GUIDES": [path.stem for path in links.guides()],
    }
    for mark, pages in lists.items():
        opening = opening.replace(mark, "\n".join(pages))
    write("index.md", opening)


def _document(path: Path, links: Links) -> str:
    return links.in_markdown(path.read_text(encoding="utf-8"), "docs")


def template(solutions: Path) -> dict[str, object]:
    """Plotly's template of the lab's figures, which all of them share."""
    for path in sorted(solutions.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", []):
                if PLOTLY in output.get("data", {}):
                    found: dict[str, object] = output["data"][PLOTLY]["layout"]["template"]
                    return found
    raise ValueError(f"no notebook in {solutions} holds a figure: make lessons")
