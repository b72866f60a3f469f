// A batch: choose an anchor, and see which views it is pulled to and pushed from as tau moves.
// data: see delog_nb/lab/runs/batch.py. Plain JS and HTML; asks nothing of any server.

const CSS = `
.dn-batch { font: 15px/1.45 system-ui, sans-serif; max-width: 1180px;
  color: var(--jp-content-font-color1, inherit); }
.dn-batch .bar { display: flex; flex-wrap: wrap; gap: 8px; margin: 6px 0; align-items: center; }
.dn-batch input { flex: 1 1 200px; max-width: 460px; accent-color: currentColor; }
.dn-batch :focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
.dn-batch .scroll { overflow-x: auto; padding: 3px; }
.dn-batch .views { display: grid; gap: 4px 6px; align-items: start; }
.dn-batch .views > span { align-self: start; padding-top: 22px; }
.dn-batch .tile { font: 12px/1.3 system-ui, sans-serif; color: inherit; background: none;
  border: 0; padding: 3px; width: 66px; height: 128px; display: flex; flex-direction: column;
  align-items: center; cursor: pointer; }
.dn-batch .picture { width: 50px; height: 50px; flex: none; image-rendering: pixelated;
  outline: 1px solid color-mix(in srgb, currentColor 45%, transparent); }
.dn-batch .positive .picture { outline: 3px solid currentColor; outline-offset: 3px; }
.dn-batch .negative .picture { outline: 1px dashed currentColor; outline-offset: 3px; }
.dn-batch .anchor .picture { outline: 8px double currentColor; }
.dn-batch .weight { width: 18px; margin: 10px 0 3px; box-sizing: border-box; flex: none; }
.dn-batch .pull { background: currentColor; }
.dn-batch .push { border: 1.5px solid currentColor; }
.dn-batch p { margin: 8px 2px; max-width: 90ch; }
.dn-batch .title { font-size: 18px; }
.dn-batch [role=status] { min-height: 2.9em; }
.dn-batch .legend { font-size: 13px; opacity: .85; }`;
const SIDE = 50, BAR = 34;

function node(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
const sum = (values) => values.reduce((a, b) => a + b, 0);

// tau times what z_j has in the gradient of the anchor's loss by z_i: p_ij - [j in P(i)] / |P(i)|
function weights(cosines, labels, anchor, tau) {
  const others = labels.map((_, j) => j).filter((j) => j !== anchor);
  const highest = Math.max(...others.map((j) => cosines[anchor][j]));
  const raised = labels.map((_, j) => j === anchor ? 0
    : Math.exp((cosines[anchor][j] - highest) / tau));
  const total = sum(raised);
  const positives = others.filter((j) => labels[j] === labels[anchor]).length;
  return labels.map((label, j) => j === anchor || !positives ? 0
    : raised[j] / total - (label === labels[anchor] ? 1 / positives : 0));
}

function render({ model, el }) {
  const data = model.get("data");
  const count = data.labels.length, columns = data.columns;
  const cosines = Array.from({ length: count }, () => new Array(count).fill(1));
  let next = 0;
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) cosines[i][j] = cosines[j][i] = data.cosines[next++];
  }
  const state = { anchor: 0, tau: data.tau };
  const [low, high] = [Math.log10(0.01), Math.log10(1)];

  const slider = node("input", { type: "range", min: low, max: high, step: 0.02, "data-key": "tau",
    "aria-label": "tau", value: Math.log10(data.tau), input: () => {
      state.tau = 10 ** Number(slider.value);
      draw();
    } });
  const told = node("span", {});
  const status = node("p", { role: "status" });
  const rows = Math.ceil(count / columns);
  const grid = node("div", { class: "views", role: "group", "aria-label": "Views", keydown: move });
  grid.style.gridTemplateColumns = `56px repeat(${columns}, 66px)`;
  const title = el.closest("figure") ? "" // its caption says it
    : node("p", { class: "title" }, data.title);
  el.replaceChildren(node("div", { class: "dn-batch" }, node("style", {}, CSS), title,
    node("div", { class: "bar" }, node("span", {}, "τ"), slider, told),
    node("div", { class: "scroll" }, grid), status, node("p", { class: "legend" },
      "Choose a view: it is the anchor (double frame). Thick frames: positives, views of its " +
      "class. Dashed frames: negatives. Bars: the weight of each view in the anchor's gradient " +
      "(Eq. 2), in units of 1/τ, drawn to the largest one shown; filled where the anchor is " +
      "pulled to the view, empty where it is pushed from it.")));
  const tiles = data.labels.map((label, j) => {
    const [column, row] = [j % columns, Math.floor(j / columns)];
    if (!column) grid.append(node("span", {}, `view ${row + 1}`));
    const picture = node("span", { class: "picture" });
    picture.style.backgroundImage = `url(${data.sprite})`;
    picture.style.backgroundSize = `${SIDE * columns}px ${SIDE * rows}px`;
    picture.style.backgroundPosition = `${-SIDE * column}px ${-SIDE * row}px`;
    const bar = node("span", {}), number = node("span", {});
    const made = node("button", { type: "button", "data-key": `view-${j}`, "data-view": j,
      click: () => choose(j) }, picture, bar, number);
    grid.append(made);
    return { made, bar, number, label };
  });

  const name = (j) => `view ${Math.floor(j / columns) + 1} of image ${j % columns + 1}`;
  const kind = (j) => `class ${data.classes[data.labels[j]]}`;
  function choose(j) {
    state.anchor = j;
    draw();
  }
  function move(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation(); // in JupyterLab, keys are commands too
    tiles[Number(event.target.dataset.view) + by]?.made.focus();
  }

  function draw() {
    const { anchor, tau } = state;
    const found = weights(cosines, data.labels, anchor, tau);
    const largest = Math.max(...found.map(Math.abs), 1e-9);
    slider.setAttribute("aria-valuetext", tau.toPrecision(2));
    told.textContent = `τ = ${tau.toPrecision(2)}`;
    tiles.forEach(({ made, bar, number, label }, j) => {
      const role = j === anchor ? "anchor" : label === data.labels[anchor] ? "positive" : "negative";
      made.setAttribute("class", `tile ${role}`);
      made.setAttribute("tabindex", j === anchor ? 0 : -1); // one stop; arrows go on from there
      made.setAttribute("aria-pressed", String(j === anchor));
      const value = found[j];
      const said = j === anchor ? "anchor"
        : `${value < 0 ? "pull" : "push"} ${Math.abs(value).toFixed(3)}`;
      made.setAttribute("aria-label", `${name(j)}, ${kind(j)}: ${said}`);
      bar.setAttribute("class", `weight ${value < 0 ? "pull" : "push"}`);
      const height = BAR * Math.abs(value) / largest;
      bar.style.height = `${height.toFixed(2)}px`;
      bar.style.visibility = value ? "visible" : "hidden";
      number.textContent = j === anchor ? "anchor" : Math.abs(value).toFixed(3);
    });
    const pulls = found.map((v, j) => [v, j]).filter(([v]) => v < 0);
    const pushes = found.map((v, j) => [v, j]).filter(([v]) => v > 0).sort((a, b) => b[0] - a[0]);
    const positives = data.labels.filter((label, j) => j !== anchor
      && label === data.labels[anchor]).length;
    if (!positives) {
      status.textContent = `Anchor: ${name(anchor)}, ${kind(anchor)}. No other view is of its ` +
        "class: it has no positives and no loss.";
      return;
    }
    const [most, first] = pushes[0] ?? [0, null];
    const all = sum(pushes.map(([v]) => v));
    status.textContent = `Anchor: ${name(anchor)}, ${kind(anchor)}. At τ = ${tau.toPrecision(2)}: ` +
      `${positives} positive${positives > 1 ? "s" : ""} and ` +
      `${count - 1 - positives} negatives. Pull: ${(-sum(pulls.map(([v]) => v))).toFixed(3)} in ` +
      `all.` + (first === null ? "" : ` The strongest push, ${most.toFixed(3)}, is from ` +
        `${name(first)} (${kind(first)}): ${Math.round(100 * most / all)} % of all.`);
  }
  draw();
}

export default { render };
