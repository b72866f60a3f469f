"""Build the site: ``python -m delog_site``. The folder that it writes is emptied first."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from delog_site import mathjax
from delog_site.staging import stage

BUILDER = Path(__file__).resolve().parents[1]
_UNSEEN = ("_sources", ".doctrees", ".buildinfo", "objects.inv")  # of no use on the site


def main() -> int:
    """Stage the pages, let Sphinx build them with warnings as errors, leave out what none needs."""
    parser = argparse.ArgumentParser(prog="delog_site", description=__doc__)
    parser.add_argument("--root", type=Path, default=BUILDER.parent, help="the repository")
    parser.add_argument("--out", type=Path, default=BUILDER.parent / "build/site")
    values = parser.parse_args()
    began = time.perf_counter()
    out = values.out.resolve()
    staged = out.with_name(f"{out.name}-pages")
    for folder in (staged, out):
        shutil.rmtree(folder, ignore_errors=True)
    stage(values.root.resolve(), BUILDER, staged)
    mathjax.copy(staged / "_static")
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-W", "--keep-going", "-E"]
    paths = [str(staged), str(out), "-c", str(BUILDER), "-d", str(staged / ".doctrees")]
    where = os.environ | {
        "DELOG_SITE_ROOT": str(values.root.resolve()),
        "DELOG_SITE_STAGED": str(staged),
    }
    done = subprocess.run([*command, *paths], env=where, check=False)
    if done.returncode:
        return done.returncode
    for name in _UNSEEN:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    shutil.rmtree(staged)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    pages = len(list(out.glob("*.html")))
    print(f"{out}: {pages} pages, {size / 1e6:.1f} MB, in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
