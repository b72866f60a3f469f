"""Sphinx's settings for the course's site; ``python -m delog_site`` stages the pages first."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from delog_site.links import Links

_staged = Path(os.environ["DELOG_SITE_STAGED"])
_address = Links(Path(os.environ["DELOG_SITE_ROOT"])).address

project = "Short gradient flows"
html_title = project
author = "The delog_nb team"
copyright = ""
html_show_copyright = False
language = "en"

extensions = ["myst_parser", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]
default_role = "py:obj"
add_module_names = False
mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would be loaded from elsewhere
highlight_language = "none"

html_theme = "furo"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005a9c", "color-brand-content": "#005a9c"},
    "dark_css_variables": {"color-brand-primary": "#7cc4ff", "color-brand-content": "#7cc4ff"},
    "source_repository": _address,
}
html_static_path = [str(_staged / "_static")]
html_extra_path = [str(_staged / "_extra")]
exclude_patterns = ["_static", "_extra"]
html_favicon = str(_staged / "_static/favicon.svg")
html_css_files = ["site.css"]
html_js_files = [("site.js", {"type": "module"})]
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
