"""Which files are pages, and where a link between files of the repository leads on the site."""

from __future__ import annotations

import html
import posixpath
import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What is a page, beside the lessons: file and name.
PAGES = {
    "notebooks/00_start.ipynb": "start",
    "notebooks/glossary.ipynb": "glossary",
    "notebooks/quiz.ipynb": "quiz",
    "docs/methods.md": "methods",
    "docs/claims.md": "evidence",
}
_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_HREF = re.compile(r'<a href="([^"#]+\.ipynb)">(.*?)</a>', re.DOTALL)


class Links:
    """Links of one repository.

    Args:
        root: the repository's folder
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        lessons = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
        guides = sorted(path for path in (root / "docs").glob("*.md"))
        self.pages = dict(PAGES)
        for path in [*lessons, *guides]:
            self.pages.setdefault(self._name(path), path.stem)
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        self.address = settings["tool"]["delog_nb"]["address"].rstrip("/")

    def lessons(self) -> list[Path]:
        """The lessons in reading order, students' notebooks."""
        numbered = (self.root / "notebooks").glob("[0-9][0-9]_*.ipynb")
        return sorted(path for path in numbered if self._name(path) not in PAGES)

    def guides(self) -> list[Path]:
        """The documents that are pages as they stand, the guide for instructors first."""
        found = (self.root / "docs").glob("*.md")
        guides = [path for path in found if self._name(path) not in PAGES]
        return sorted(guides, key=lambda path: (path.stem != "instructors", path.stem))

    def in_markdown(self, text: str, folder: str) -> str:
        """``text`` of a file in ``folder``, its links as they are on the site.

        Links to pages stay links; a notebook that is no page is downloaded; what else is in the
        repository is linked to where the repository has an address, and named where it has none.
        """

        def changed(match: re.Match[str]) -> str:
            words, target, anchor = match[1], match[2], match[3] or ""
            if not target or "://" in target:
                return match[0]
            place = self._place(target, folder)
            if place in self.pages:
                return f"[{words}]({self.pages[place]}.md{anchor})"
            href = self._elsewhere(place)
            return f'<a href="{html.escape(href)}">{words}</a>' if href else words

        return _LINK.sub(changed, text)

    def in_html(self, text: str, folder: str) -> str:
        """The same for links to notebooks in HTML."""

        def changed(match: re.Match[str]) -> str:
            place = self._place(match[1], folder)
            page = self.pages.get(place)
            href = f"{page}.html" if page else self._elsewhere(place)
            return f'<a href="{html.escape(href)}">{match[2]}</a>' if href else match[2]

        return _HREF.sub(changed, text)

    def launchers(self, name: str) -> dict[str, str]:
        """By service, where a notebook runs; none without an address on GitHub."""
        host, _, repository = self.address.partition("github.com/")
        if not host:
            return {}
        binder = f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/notebooks/{name}"
        colab = f"https://colab.research.google.com/github/{repository}/blob/HEAD/notebooks/{name}"
        return {"Binder": binder, "Colab": colab}

    def _elsewhere(self, place: str) -> str:
        folder, _, name = place.rpartition("/")
        if folder == "notebooks" and name.endswith(".ipynb"):
            return f"downloads/{name}"
        return f"{self.address}/blob/HEAD/{place}" if self.address else ""

    def _place(self, target: str, folder: str) -> str:
        place = posixpath.normpath(posixpath.join(folder, target))
        return place.replace("notebooks/solutions/", "notebooks/")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
