"""The README's picture: the opening figure of the site, cut block by block.

``python -m delog_site.picture docs/idea.gif``; it needs the extra ``[test]`` and Chromium.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

STATIC, MODULE = (Path(__file__).parents[1] / name for name in ("static", "modules/teaser.js"))
CUTS = ((), (2,), (1, 2), (0, 1, 2, 3))  # after which blocks, from 0
SECONDS, WIDTH, HEIGHT = 2.2, 720, 330
_PAGE = """<!doctype html><meta charset="utf-8"><style>%s
html { --color-foreground-primary: #1b1f23; --color-background-primary: #fff;
  --color-background-secondary: #e9eff1; --color-brand-primary: #00748a; }
body { margin: 14px; font: 17px/1.4 system-ui, sans-serif; color: #1b1f23; background: #fff; }
details { display: none; }</style><div class="played" id="here"></div>
<script type="module">%s
const model = { get: (name) => (name === "cuts" ? CUTS : undefined), set() {}, on() {}, off() {},
  save_changes() {} };
module.render({ model, el: document.getElementById("here") });
</script>"""


def frames() -> list[Image.Image]:
    """A picture of the figure for each set of cuts."""
    source = MODULE.read_text(encoding="utf-8").replace("export default", "const module =")
    style = (STATIC / "site.css").read_text(encoding="utf-8")
    found = []
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for cuts in CUTS:
            chosen = [str(k in cuts).lower() for k in range(4)]
            script = source.replace("export function", "function")
            page = _PAGE % (style, f"const CUTS = [{', '.join(chosen)}];\n{script}")
            tab.set_content(page)
            tab.locator("svg.teaser").wait_for()
            found.append(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))
        browser.close()
    return found


def main(path: str) -> None:
    """Write the frames as one moving picture."""
    first, *rest = (frame.quantize(64) for frame in frames())
    first.save(path, save_all=True, append_images=rest, duration=int(1000 * SECONDS), loop=0)


if __name__ == "__main__":
    main(sys.argv[1])
