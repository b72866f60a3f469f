// Light and dark: which one is shown, and the figures' colours in it.

// The lab draws on white; on dark these inks and fills take others' place, data keep their hues.
const ON_DARK = {
  "#1b1f23": "#e6e9ec", "#24292f": "#e6e9ec", "#2a3f5f": "#c9d1d9", // ink
  "#57606a": "#b4bcc4", "#b6bec6": "#747d86", "#ebf0f8": "#33383e", // soft, faint, grids
  "white": "#131416", "#f3f4f6": "#2a2f35", "#fff4dc": "#3d3115", "#eef0f2": "#2a2f35", // fills
  "#0072b2": "#4a9fd8", "#8c6d31": "#b8944c", "#7f7f7f": "#a0a0a0", "#d55e00": "#f07a1f", // lines
  "#6a4fa3": "#8b6fd0", "#a3285e": "#cf4a80", "#4a5a6a": "#71859a",
};
const scheme = window.matchMedia("(prefers-color-scheme: dark)");

export function isDark() {
  const chosen = document.body.dataset.theme;
  return chosen === "dark" || (chosen !== "light" && scheme.matches);
}

export function onThemeChange(act) {
  let before = isDark();
  const look = () => {
    if (isDark() !== before) {
      before = !before;
      act();
    }
  };
  new MutationObserver(look).observe(document.body, { attributeFilter: ["data-theme"] });
  scheme.addEventListener("change", look);
}

// A copy of a figure's data in the colours of the theme that is shown.
export function inColours(value) {
  if (typeof value === "string") return (isDark() && ON_DARK[value.toLowerCase()]) || value;
  if (Array.isArray(value)) return value.map(inColours);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, inColours(own)]));
}
