"""The course's files stand beside the package; a wheel takes them in. The rest: pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# MANIFEST.in has them for the source archive; `delog_nb.instruments.course_files` finds them.
FILES = ["notebooks/*.ipynb", "notebooks/pictures/*.svg", "experiments/**/*.yaml"]
FILES += [f"results/**/*.{kind}" for kind in ("csv", "json", "npz", "png", "yaml")]


class BuildWithCourse(build_py):
    def run(self) -> None:
        super().run()
        if self.editable_mode:  # they are found where they stand
            return
        for pattern in FILES:
            for path in sorted(Path().glob(pattern)):
                place = Path(self.build_lib, "delog_nb", "course_files", path)
                self.mkpath(str(place.parent))
                self.copy_file(str(path), str(place))


setup(cmdclass={"build_py": BuildWithCourse})
