// Figures are drawn when they come near the view; plotly.js is loaded once, with the first of them.
import { inColours, onThemeChange } from "./theme.js";
import { playFrames } from "./frames.js";

const CONFIG = { displayModeBar: false, responsive: true };
const LINE = 26; // pixels, of a title: see `dressed` in delog_nb/lab/charts/style.py
const drawn = new Map(); // by drawing, the figure as it is stored
let ready;

const json = async (path) => (await fetch(new URL(path, document.baseURI))).json();

function plotly() {
  ready ??= Promise.all([
    json("_static/figures/template.json"),
    new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = new URL("_static/plotly.js", document.baseURI);
      script.onload = done;
      script.onerror = failed;
      document.head.append(script);
    }),
  ]).then(([template]) => {
    template.layout.xaxis.ticklabelstandoff = 6; // clear of what lies on the axis
    return template;
  });
  return ready;
}

// What only a mouse could reach (the tool bar, clicks on legends, zooming) is off.
async function draw(drawing, figure) {
  const template = await plotly();
  drawn.set(drawing, figure);
  const clear = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
  const { updatemenus, sliders, title, ...given } = figure.layout;
  const layout = inColours({ ...given, template, dragmode: false, autosize: true });
  Object.assign(layout, clear);
  layout.legend = { ...layout.legend, itemclick: false, itemdoubleclick: false };
  const frames = figure.frames?.length ? figure.frames : [];
  if (frames.length) {
    layout.height -= 110; // the room for controls that HTML has below instead
    layout.margin = { ...layout.margin, b: 80 };
  }
  if (title?.text) showTitle(drawing, title.text, layout);
  drawing.style.height = `${layout.height ?? 420}px`;
  await Plotly.newPlot(drawing, { data: coloured(figure.data), layout, config: CONFIG });
  playFrames(drawing, frames.map(({ name, data }) => ({ name, data: coloured(data) })), sliders?.[0]);
  drawing.parentElement.dataset.drawn = "yes";
  reachable(drawing.parentElement);
}

// As text of the page a title wraps, and stays in view where the figure is scrolled sideways.
function showTitle(drawing, text, layout) {
  let shown = drawing.parentElement.querySelector(".title");
  if (!shown) {
    shown = document.createElement("p");
    shown.className = "title";
    drawing.before(shown);
  }
  const lines = text.split("<br>");
  shown.innerHTML = lines.join(" ");
  layout.height -= LINE * lines.length; // the room that the lab gave it within the figure
  layout.margin = { ...layout.margin, t: layout.margin.t - LINE * lines.length };
}

// Bars keep their colours, which are dark enough for the light text and stripes within them.
const coloured = (traces) => traces.map((trace) => {
  const own = inColours(trace);
  return trace.type === "bar" ? { ...own, marker: { ...own.marker, color: trace.marker?.color } } : own;
});

// Where a figure is wider than its box, the keyboard can scroll it.
function reachable(box) {
  if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  else box.removeAttribute("tabindex");
}

async function showFigure(box) {
  await draw(box.querySelector(".drawing"), await json(box.dataset.figure));
}

// Menus above a figure: each choice is an index among its values.
async function showMenus(box) {
  const { choices, together, figures } = await json(box.dataset.menus);
  const figure = box.querySelector(".figure");
  const defaults = choices.map(([, , place]) => place);
  const byPlace = new Map(figures.map(([place, own]) => [String(place), own]));
  let chosen = [...defaults];
  const controls = choices.map(([label, texts, place, inOrder], k) =>
    control(label, texts, place, inOrder, (now) => {
      chosen = together ? [...chosen] : [...defaults];
      chosen[k] = now;
      controls.forEach((own, j) => own.show(chosen[j]));
      return redraw(byPlace.get(String(chosen)));
    }));
  const bar = document.createElement("div");
  bar.className = "choices";
  bar.append(...controls.map((own) => own.element));
  if (!together && choices.length > 1) {
    const note = document.createElement("p");
    note.textContent = "Without a kernel, one choice at a time: the others go back.";
    bar.append(note);
  }
  const told = document.createElement("p");
  told.className = "told";
  told.setAttribute("role", "status");
  box.prepend(bar, told);

  async function redraw(own) {
    const table = box.querySelector(".shown");
    const open = table.querySelector("details").open;
    table.innerHTML = own.table;
    table.querySelector("details").open = open;
    figure.setAttribute("aria-label", own.says);
    told.textContent = own.says;
    await draw(figure.querySelector(".drawing"), own.figure);
  }
  await draw(figure.querySelector(".drawing"), byPlace.get(String(defaults)).figure);
}

function control(label, texts, place, inOrder, act) {
  const element = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement(inOrder ? "input" : "select");
  const value = document.createElement("b");
  name.textContent = label;
  if (inOrder) Object.assign(input, { type: "range", min: 0, max: texts.length - 1, step: 1 });
  else input.append(...texts.map((text, k) => new Option(text, k)));
  value.setAttribute("aria-hidden", "true"); // the slider says it itself
  const show = (now) => {
    input.value = now;
    if (inOrder) {
      value.textContent = texts[now];
      input.setAttribute("aria-valuetext", texts[now]);
    }
  };
  show(place);
  input.addEventListener("input", () => act(Number(input.value)));
  element.append(name, input, ...(inOrder ? [value] : []));
  return { element, show };
}

// The model of a figure to play with, as anywidget has it; no kernel listens.
function modelOf(values) {
  const heard = new Map();
  return {
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      for (const act of heard.get(`change:${name}`) ?? []) act();
    },
    on: (event, act) => heard.set(event, [...(heard.get(event) ?? []), act]),
    off: (event, act) => heard.set(event, (heard.get(event) ?? []).filter((a) => act && a !== act)),
    save_changes() {},
  };
}

async function showPlayed(box) {
  const values = box.dataset.values ? await json(box.dataset.values) : {};
  const module = await import(new URL(box.dataset.module, document.baseURI));
  await module.default.render({ model: modelOf({ data: values }), el: box });
  box.dataset.drawn = "yes";
}

const KINDS = {
  ".figure[data-figure]": showFigure, ".menus": showMenus, ".played": showPlayed,
};
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    const [, show] = Object.entries(KINDS).find(([kind]) => target.matches(kind));
    show(target);
  }
}, { rootMargin: "300px" });
for (const kind of Object.keys(KINDS)) {
  for (const box of document.querySelectorAll(kind)) near.observe(box);
}
onThemeChange(() => drawn.forEach((figure, drawing) => draw(drawing, figure)));
window.addEventListener("resize", () => drawn.forEach((_, d) => reachable(d.parentElement)));
