// Light and dark: which one is shown, and the figures' colours in it.

import { ON_DARK } from "./dark.js";

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
  if (typeof value === "string") return (isDark() && ON_DARK[value.toLowerCase().replace(/^white$/, "#ffffff")]) || value;
  if (Array.isArray(value)) return value.map(inColours);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, inColours(own)]));
}
