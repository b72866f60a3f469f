// Features in motion: where images lie after each block, while networks train.
// data: see delog_nb/lab/runs/features_in_motion.py. Plain JS and SVG; asks nothing of any server.
// Points after those of the images are goals, one a class: ringed, and drawn above the images.

const NS = "http://www.w3.org/2000/svg";
const CSS = `
.dn-motion { font: 15px/1.45 system-ui, sans-serif; max-width: 1180px;
  color: var(--jp-content-font-color1, inherit); }
.dn-motion .bar { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0; align-items: center; }
.dn-motion button { font: inherit; color: inherit; padding: 4px 11px; border-radius: 6px;
  cursor: pointer; border: 1px solid color-mix(in srgb, currentColor 55%, transparent);
  background: color-mix(in srgb, currentColor 6%, transparent); }
.dn-motion button[aria-pressed=true] { font-weight: 600;
  background: color-mix(in srgb, currentColor 22%, transparent); }
.dn-motion input { flex: 1 1 200px; max-width: 460px; accent-color: currentColor; }
.dn-motion :focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
.dn-motion .scroll { overflow-x: auto; padding: 3px; }
.dn-motion svg { display: block; width: 100%; height: auto; }
.dn-motion svg text { fill: currentColor; text-anchor: middle; font-size: 14px; }
.dn-motion .panel { fill: color-mix(in srgb, currentColor 4%, transparent);
  stroke: color-mix(in srgb, currentColor 45%, transparent); }
.dn-motion .point { cursor: crosshair; }
.dn-motion .point text { font-size: 11px; opacity: .8; }
.dn-motion .chosen .point text { opacity: .18; }
.dn-motion .chosen .point.own text { opacity: 1; font-weight: 700; fill: var(--way); }
.dn-motion .goal { pointer-events: none; }
.dn-motion .goal text { font-size: 12px; font-weight: 700; opacity: 1; }
.dn-motion .goal circle { fill: color-mix(in srgb, var(--way) 30%, transparent);
  stroke: var(--way); stroke-width: 1.5; }
.dn-motion .ring { fill: none; stroke: currentColor; stroke-width: 2.5; }
.dn-motion .course { fill: none; stroke: var(--way); stroke-width: 2; }
.dn-motion .now { fill: var(--way); }
.dn-motion .picture { width: 72px; height: 72px; image-rendering: pixelated; flex: none;
  border: 1px solid color-mix(in srgb, currentColor 45%, transparent); }
.dn-motion p { margin: 8px 2px; max-width: 90ch; }
.dn-motion .title { font-size: 18px; }
.dn-motion .legend { font-size: 13px; opacity: .85; }
@media (prefers-reduced-motion: no-preference) {
  .dn-motion .point { transition: transform .35s linear; }
}`;
const SIDE = 190, GAP = 16, LEFT = 118, TOP = 30, BELOW = 62, PACE = 600;

function node(tag, attributes = {}, ...children) {
  const made = tag.startsWith("svg:") ? document.createElementNS(NS, tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
const shortly = (value) => value === null ? "–" : value.toFixed(2);
const mark = (label) => label < 36 ? label.toString(36).toUpperCase() : "·";

function render({ model, el }) {
  const data = model.get("data");
  const count = data.labels.length, last = data.epochs.length - 1;
  const shown = data.images.length, { words } = data;
  const state = { epoch: last, one: null, group: null, timer: null };
  const ways = data.ways.map((way) => ({ ...way,
    codes: Int8Array.from(atob(way.codes), (c) => c.charCodeAt(0)) }));
  const blocks = ways[0].separation[0].length;
  const highest = Math.max(...ways.flatMap((way) => way.separation.flat().filter((v) => v !== null)));
  const place = (way, block, image) => {
    const start = 2 * (image + count * (block + blocks * state.epoch));
    return [0, 1].map((axis) => SIDE / 2 * (1 + 0.94 * way.codes[start + axis] / 127));
  };

  const play = node("button", { type: "button", "data-key": "play", click: () =>
    state.timer ? stop() : start() });
  const slider = node("input", { type: "range", min: 0, max: last, step: 1, "data-key": "epoch",
    "aria-label": "Epoch", input: () => {
      state.epoch = Number(slider.value);
      stop();
    } });
  const told = node("span", {});
  const groups = node("div", { class: "bar", role: "group", "aria-label": "Class" });
  data.classes.forEach((name, k) => groups.append(node("button", { type: "button",
    "data-key": `class-${k}`, click: () => {
      state.group = state.group === k ? null : k;
      draw();
    } }, mark(k) === name ? name : `${mark(k)} ${name}`)));
  const picture = node("div", { class: "picture", role: "img" });
  const turn = (by) => () => {
    state.one = state.one === null ? 0 : (state.one + by + shown) % shown;
    draw();
  };
  const single = node("div", { class: "bar", role: "group", "aria-label": "Image" },
    node("button", { type: "button", "data-key": "image-back", click: turn(-1) }, "◀ Image"),
    node("button", { type: "button", "data-key": "image-on", click: turn(1) }, "Image ▶"),
    picture);
  const canvas = node("svg:svg", { role: "group", "aria-label": data.title });
  const status = node("p", { role: "status" });
  const title = el.closest("figure") ? "" // its caption says it
    : node("p", { class: "title" }, data.title);
  const root = node("div", { class: "dn-motion" }, node("style", {}, CSS), title,
    node("div", { class: "bar", role: "group", "aria-label": "Time" }, play, slider, told),
    groups, node("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Blocks" },
      canvas), single, status, node("p", { class: "legend" },
      `${shown} test images; letters and digits are their classes. ${words.legend}`));
  el.replaceChildren(root);

  const wide = LEFT + blocks * (SIDE + GAP), row = SIDE + BELOW;
  const high = TOP + ways.length * row;
  canvas.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  canvas.style.minWidth = `${Math.round(wide * 0.8)}px`;
  canvas.style.maxWidth = `${Math.round(wide * 1.25)}px`;
  const points = [], numbers = [], nows = [];
  for (let block = 0; block < blocks; block++) {
    canvas.append(node("svg:text", { x: LEFT + block * (SIDE + GAP) + SIDE / 2, y: 20 },
      words.columns[block]));
  }
  ways.forEach((way, w) => {
    const group = node("svg:g", {});
    group.style.setProperty("--way", way.color);
    const y = TOP + w * row;
    const name = node("svg:text", { x: 2, y: y + SIDE / 2, style: "text-anchor: start" }, way.name);
    group.append(name, node("svg:rect", { class: "now", x: 2, y: y + SIDE / 2 + 8, width: 60,
      height: 5 }));
    for (let block = 0; block < blocks; block++) {
      const x = LEFT + block * (SIDE + GAP);
      const panel = node("svg:g", { transform: `translate(${x} ${y})` },
        node("svg:rect", { class: "panel", width: SIDE, height: SIDE, rx: 4 }));
      const own = data.labels.map((label, image) => image < shown
        ? node("svg:g", { class: "point", "data-image": image, mouseenter: () => choose(image),
          click: () => choose(image) }, node("svg:text", { y: 4 }, mark(label)))
        : node("svg:g", { class: "point goal" }, node("svg:circle", { r: 9 }),
          node("svg:text", { y: 4 }, mark(label))));
      panel.append(...own);
      points.push({ way, block, own, panel });
      const of = (epoch) => [SIDE * epoch / Math.max(1, last),
        SIDE + 56 - 28 * (way.separation[epoch][block] - words.least)
          / Math.max(0.1, highest - words.least)];
      const known = (epoch) => way.separation[epoch][block] !== null;
      const course = data.epochs.map((_, epoch) => epoch).filter(known)
        .map((epoch) => of(epoch).map((v) => v.toFixed(1)).join(" "));
      const number = node("svg:text", { x: SIDE / 2, y: SIDE + 17 });
      const now = node("svg:circle", { class: "now", r: 4 });
      const drawn = course.length ? `M${course.join("L")}` : "";
      panel.append(number, node("svg:path", { class: "course", d: drawn }), now);
      numbers.push({ number, way, block });
      nows.push({ now, of, known });
      group.append(panel);
    }
    canvas.append(group);
  });

  function choose(image) {
    state.one = image;
    draw();
  }
  function start() {
    if (state.epoch === last) state.epoch = 0;
    state.timer = setInterval(() => {
      if (!root.isConnected) return clearInterval(state.timer);
      state.epoch += 1;
      if (state.epoch >= last) stop();
      draw();
    }, PACE);
    draw();
  }
  function stop() {
    clearInterval(state.timer);
    state.timer = null;
    draw();
  }

  function draw() {
    play.textContent = state.timer ? "Pause" : "Play";
    slider.value = state.epoch;
    const epoch = data.epochs[state.epoch];
    const when = epoch === 0 ? "Before training" : `After epoch ${epoch}`;
    slider.setAttribute("aria-valuetext", when);
    told.textContent = `${when} of ${data.epochs[last]}`;
    [...groups.children].forEach((one, k) =>
      one.setAttribute("aria-pressed", String(state.group === k)));
    canvas.classList.toggle("chosen", state.group !== null);
    for (const { way, block, own, panel } of points) {
      own.forEach((point, image) => {
        const [x, y] = place(way, block, image);
        point.style.transform = `translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
        point.classList.toggle("own", data.labels[image] === state.group);
      });
      panel.querySelector(".ring")?.remove();
      if (state.one !== null) own[state.one].append(node("svg:circle", { class: "ring", r: 9 }));
    }
    for (const { number, way, block } of numbers) {
      number.textContent = `${shortly(way.separation[state.epoch][block])} ${words.unit}`;
    }
    for (const { now, of, known } of nows) {
      now.style.visibility = known(state.epoch) ? "visible" : "hidden";
      const [x, y] = of(state.epoch);
      now.setAttribute("cx", x);
      now.setAttribute("cy", y);
    }
    const chosen = state.one;
    picture.style.visibility = chosen === null || !data.sprite ? "hidden" : "visible";
    if (chosen !== null && data.sprite) {
      const [column, line] = [chosen % data.columns, Math.floor(chosen / data.columns)];
      const lines = Math.ceil(shown / data.columns);
      picture.style.backgroundImage = `url(${data.sprite})`;
      picture.style.backgroundSize = `${72 * data.columns}px ${72 * lines}px`;
      picture.style.backgroundPosition = `${-72 * column}px ${-72 * line}px`;
    }
    picture.setAttribute("aria-label", chosen === null ? "no image chosen"
      : `test image ${data.images[chosen]}`);
    const apart = ways.map((way) =>
      `${way.name}: ${shortly(way.separation[state.epoch][blocks - 1])}`).join("; ");
    const image = chosen === null ? "" : ` Image ${data.images[chosen]} is of class ` +
      `${data.classes[data.labels[chosen]]}; a ring marks it.`;
    const group = state.group === null ? "" : ` Class ${data.classes[state.group]} is lit.`;
    // while it plays, a screen reader is not told of every frame
    status.setAttribute("aria-live", state.timer ? "off" : "polite");
    status.textContent = `${when}: ${words.told.replace("{}", apart)}.${group}${image}`;
  }
  draw();
  return () => clearInterval(state.timer);
}

export default { render };
