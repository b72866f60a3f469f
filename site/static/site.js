// What every page has: navigation by keyboard, predictions that the browser keeps, figures.
import "./figures.js";

const KEPT = "delog-nb: ";

// The theme opens its side bars by labels of hidden boxes: a keyboard reaches buttons alone.
for (const label of document.querySelectorAll(".nav-overlay-icon, .toc-overlay-icon")) {
  const box = document.getElementById(label.htmlFor);
  const button = document.createElement("button");
  const navigation = box.id === "__navigation";
  button.className = label.className;
  button.type = "button";
  button.setAttribute("aria-label", navigation ? "All pages" : "On this page");
  button.setAttribute("aria-expanded", "false");
  button.append(...label.childNodes);
  button.addEventListener("click", () => box.click());
  box.addEventListener("change", () => button.setAttribute("aria-expanded", box.checked));
  label.replaceWith(button);
}
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") document.querySelectorAll(".sidebar-toggle:checked").forEach((b) => b.click());
});

for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.ariaLevel = 2;

// What scrolls sideways can be scrolled by keyboard.
function reachable() {
  for (const box of document.querySelectorAll("article pre, .table-wrapper, .scroll, .math, .shown")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
reachable();
window.addEventListener("resize", reachable);
document.addEventListener("toggle", reachable, true);
new MutationObserver(reachable).observe(document.querySelector("article"), {
  childList: true, subtree: true,
});

for (const asked of document.querySelectorAll(".asked")) {
  const question = asked.querySelector("legend").textContent;
  for (const input of asked.querySelectorAll("input")) {
    input.checked = localStorage.getItem(KEPT + question) === input.value;
    input.addEventListener("change", () => localStorage.setItem(KEPT + question, input.value));
  }
}
for (const answered of document.querySelectorAll(".answered")) {
  answered.addEventListener("toggle", () => {
    const guess = localStorage.getItem(KEPT + answered.dataset.question);
    answered.querySelector(".guess").textContent = guess ? `You predicted: ${guess}.` : "";
  });
}
