"""The lab draws on white; on dark, inks and fills give way to others, and data keep their hues."""

ON_DARK = {
    "#1b1f23": "#e6e9ec", "#24292f": "#e6e9ec", "#2a3f5f": "#c9d1d9",  # ink
    "#57606a": "#b4bcc4", "#b6bec6": "#747d86", "#ebf0f8": "#33383e",  # soft, faint, grids
    "#ffffff": "#131416", "#f3f4f6": "#2a2f35", "#fff4dc": "#3d3115", "#eef0f2": "#2a2f35",  # fills
    "#0072b2": "#4a9fd8", "#8c6d31": "#b8944c", "#7f7f7f": "#a0a0a0", "#d55e00": "#f07a1f",  # lines
    "#6a4fa3": "#8b6fd0", "#a3285e": "#cf4a80", "#4a5a6a": "#71859a",
}  # fmt: skip

# what plotly sets itself: its menus and sliders, its buttons, and text in bars, which are lighter
_OWN = """
& { background: transparent !important }
.bg { fill: transparent !important }
&:has(.heatmaplayer .hm) .bg { fill: #eef0f2 !important }
.barlayer text { fill: #000 !important }
.updatemenu-item-rect, .slider-rail-rect, .slider-grip-rect { fill: #2a2f35 !important }
"""


def _rules() -> str:
    rules = []
    for light, dark in ON_DARK.items():
        rgb = ", ".join(str(int(light[k : k + 2], 16)) for k in (1, 3, 5))
        shape = ":not(text, .bg)" if light == "#ffffff" else ""
        rules += [
            f'{shape}[style*="{what}: rgb({rgb})"] {{ {what}: {dark} !important }}'
            for what in ("fill", "stroke")
        ]
    return "\n".join(rules)


# For a page of JupyterLab's, which says in what theme it stands. It follows when that changes.
STYLE = f"""<style>body[data-jp-theme-light="false"] .js-plotly-plot {{
.modebar-group {{ background: transparent !important }}
.modebar-btn path {{ fill: #b4bcc4 !important }}
.main-svg {{ {_OWN}{_rules()} }} }}</style>"""
