// A forest plot: gaps by seed, their intervals and verdicts, as seeds are added one by one.
// data: see delog_nb/lab/runs/forest.py. Plain JS and SVG; asks nothing of any server.

const NS = "http://www.w3.org/2000/svg";
const CSS = `
.dn-forest { font: 15px/1.45 system-ui, sans-serif; max-width: 900px;
  color: var(--jp-content-font-color1, inherit); }
.dn-forest .bar { display: flex; flex-wrap: wrap; gap: 6px 10px; margin: 6px 0;
  align-items: center; }
.dn-forest button { font: inherit; color: inherit; padding: 4px 11px; border-radius: 6px;
  cursor: pointer; border: 1px solid color-mix(in srgb, currentColor 55%, transparent);
  background: color-mix(in srgb, currentColor 6%, transparent); }
.dn-forest button[aria-pressed=true] { font-weight: 600;
  background: color-mix(in srgb, currentColor 22%, transparent); }
.dn-forest input { flex: 1 1 160px; max-width: 360px; accent-color: currentColor; }
.dn-forest :focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
.dn-forest .scroll { overflow-x: auto; padding: 3px; }
.dn-forest svg { display: block; }
.dn-forest svg text { fill: currentColor; font-size: 15px; }
.dn-forest svg .verdict { font-weight: 600; }
.dn-forest svg .tick { text-anchor: middle; font-size: 13px; }
.dn-forest .beside { opacity: .72; }
.dn-forest .band { fill: color-mix(in srgb, currentColor 12%, transparent); }
.dn-forest .above { stroke: currentColor; stroke-width: 1.5; stroke-dasharray: 4 3; }
.dn-forest .span { stroke: currentColor; stroke-width: 2.5; fill: none; }
.dn-forest .mark { stroke: currentColor; stroke-width: 2.5; }
.dn-forest .solid { fill: currentColor; }
.dn-forest .hollow { fill: none; }
.dn-forest .gap { fill: none; stroke: currentColor; stroke-width: 1.2; opacity: .7; }
.dn-forest .axis { stroke: currentColor; opacity: .45; }
.dn-forest p { margin: 6px 2px; max-width: 90ch; }
.dn-forest .title { font-size: 18px; }
.dn-forest .name { font-weight: 600; }
.dn-forest [role=status] { min-height: 2.9em; }
.dn-forest .legend { font-size: 13px; opacity: .85; }`;
const LEAST = 440, MOST = 860, TWO_LINES = 720, LEFT = 14, FOOT = 46; // pixels

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
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

// Steps of 1, 2 or 5 times a power of ten, about six of them.
function ticks(low, high) {
  const rough = (high - low) / 6, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
  const found = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) found.push(k * step);
  return found;
}

function render({ model, el }) {
  const data = model.get("data");
  const { words } = data;
  let wide = LEAST;
  const state = { group: 0, seeds: data.seeds, study: 0, alone: false, truth: false };
  const quantiles = new Map(data.quantiles);
  const studies = Math.max(1, ...data.groups.flatMap((g) => g.rows.map((r) => r.studies.length)));
  const known = data.groups.some((g) => g.rows.some((r) => r.truth !== null));

  // As delog_nb.course.assessing has it: the interval at the family's level, and its verdict.
  function judged(row) {
    const gaps = row.studies[state.study % row.studies.length].slice(0, state.seeds);
    const n = gaps.length, middle = mean(gaps);
    if (n < 2) return { gaps, middle, low: NaN, high: NaN, verdict: words.open };
    const spread = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - middle) ** 2, 0) / (n - 1));
    const t = quantiles.get(state.alone ? 1 : row.family)[n - 2];
    const half = t * spread / Math.sqrt(n), low = middle - half, high = middle + half;
    const verdict = n < row.planned ? words.open
      : low > row.above - data.margin && high < row.above + data.margin ? words.same
      : low > row.above ? words.holds : high < row.above ? words.fails : words.open;
    return { gaps, middle, low, high, verdict };
  }
  const wrong = (row, verdict) => verdict === words.holds ? row.truth <= row.above
    : verdict === words.fails ? row.truth >= row.above
    : verdict === words.same && Math.abs(row.truth - row.above) >= data.margin;
  const together = (found) => data.order.find((verdict) => found.includes(verdict)) ?? words.none;

  const pressed = (key, text, act) => node("button", { type: "button", "data-key": key,
    click: () => { act(); draw(); } }, text);
  const chosen = node("div", { class: "bar", role: "group", "aria-label": data.kind });
  data.groups.forEach((group, k) => {
    const one = pressed(`group-${k}`, group.key || group.name, () => { state.group = k; });
    one.setAttribute("aria-label", `${data.kind} ${group.key}: ${group.name}`);
    one.title = group.name;
    chosen.append(one);
  });
  if (data.groups.length > 1) chosen.prepend(node("span", {}, data.kind));
  const slider = node("input", { type: "range", min: 1, max: Math.max(1, data.most), step: 1,
    "data-key": "seeds", "aria-label": "Seeds", value: data.seeds, input: () => {
      state.seeds = Number(slider.value);
      draw();
    } });
  const told = node("span", {});
  const bar = node("div", { class: "bar" }, node("span", {}, "Seeds"), slider, told);
  const alone = pressed("alone", "each alone", () => { state.alone = true; });
  const all = pressed("together", "together", () => { state.alone = false; });
  const truth = pressed("truth", "Show the truth", () => { state.truth = !state.truth; });
  const choices = node("div", { class: "bar" });
  if (data.choose) {
    choices.append(node("div", { class: "bar", role: "group", "aria-label": "Intervals" },
      node("span", {}, `Intervals right with ${data.confidence} %:`), alone, all));
  }
  if (studies > 1) {
    choices.append(pressed("study", "Other seeds", () => {
      state.study = (state.study + 1) % studies;
    }));
  }
  if (known) choices.append(truth);
  const about = node("div", {}), notes = node("div", {});
  const canvas = node("svg:svg", { role: "group", "aria-label": data.title });
  const status = node("p", { role: "status" });
  const title = el.closest("figure") ? "" // its caption says it
    : node("p", { class: "title" }, data.title);
  el.replaceChildren(node("div", { class: "dn-forest" }, node("style", {}, CSS), title,
    data.groups.length > 1 ? chosen : "", about, data.most > 1 ? bar : "",
    choices.childElementCount ? choices : "",
    node("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Comparisons" },
      canvas), notes, status, node("p", { class: "legend" },
      "Small circles: the gap of each seed. Line: the interval of their mean; it ends in an arrow " +
      "where it goes on. Dashed: what the difference is said to be above. Grey band: the margin " +
      `of ${count(data.margin, "point")} around it. Mark: filled circle, ${words.holds}; cross, ` +
      `${words.fails}; square, ${words.same}; open circle, ${words.open}.` +
      (known ? " Triangle: the truth." : ""))));

  function drawRow(row, top, place) {
    const narrow = wide < TWO_LINES, y = top + (narrow ? 20 : 0);
    const { gaps, middle, low, high, verdict } = judged(row);
    const inside = (v) => Math.max(LEFT, Math.min(wide - LEFT, place(v)));
    const line = y + 36, x = inside(middle), hollow = verdict === words.open;
    const own = node("svg:g", { class: row.decides ? "" : "beside" });
    const edges = [row.above - data.margin, row.above + data.margin].map(inside);
    own.append(
      node("svg:rect", { class: "band", x: edges[0], y: y + 23, width: edges[1] - edges[0],
        height: 27 }),
      node("svg:line", { class: "above", x1: place(row.above), x2: place(row.above), y1: y + 23,
        y2: y + 50 }));
    if (low === low) {
      const [from, to] = [inside(low), inside(high)];
      own.append(node("svg:path", { class: "span", d: hollow
        ? `M${from} ${line}H${Math.max(from, x - 6)}M${Math.min(to, x + 6)} ${line}H${to}`
        : `M${from} ${line}H${to}` }));
      for (const [end, value, way] of [[from, low, 1], [to, high, -1]]) {
        const on = Math.abs(place(value) - end) > 0.01; // the interval goes on
        own.append(node("svg:path", { class: "span", d: on
          ? `M${end + 8 * way} ${line - 6}L${end} ${line}L${end + 8 * way} ${line + 6}`
          : `M${end} ${line - 6}V${line + 6}` }));
      }
    }
    for (const gap of gaps) {
      own.append(node("svg:circle", { class: "gap", cx: inside(gap), cy: y + 48, r: 3 }));
    }
    own.append(verdict === words.fails
      ? node("svg:path", { class: "mark", d: `M${x - 6} ${line - 6}l12 12m0 -12l-12 12` })
      : verdict === words.same
        ? node("svg:rect", { class: "mark solid", x: x - 5, y: line - 5, width: 10, height: 10 })
        : node("svg:circle", { class: `mark ${hollow ? "hollow" : "solid"}`,
          cx: x, cy: line, r: 5.5 }));
    if (state.truth && row.truth !== null) {
      const at = inside(row.truth);
      own.append(node("svg:path", { class: "solid", d: `M${at} ${y + 43}l6 12h-12z` }));
    }
    const missed = state.truth && wrong(row, verdict);
    const n = `n = ${gaps.length}${row.planned ? ` of ${row.planned}` : ""}`;
    own.append(node("svg:text", { x: 2, y: top + 16 }, row.label),
      node("svg:text", { class: "verdict", x: narrow ? 2 : wide - 2, y: y + 16,
        "text-anchor": narrow ? "start" : "end" },
        `${verdict} (${n})${missed ? ": wrong" : ""}`));
    canvas.append(own);
    return { verdict, missed, holds: row.truth > low && row.truth < high };
  }

  function draw() {
    const group = data.groups[state.group], { rows } = group;
    const [low, high] = group.range;
    canvas.parentElement.hidden = !rows.length;
    wide = Math.max(LEAST, Math.min(MOST, canvas.parentElement.clientWidth - 6));
    const row = wide < TWO_LINES ? 80 : 60, bottom = rows.length * row + 8;
    const place = (v) => LEFT + (wide - 2 * LEFT) * (v - low) / (high - low);
    canvas.setAttribute("width", wide);
    canvas.setAttribute("height", bottom + FOOT);
    canvas.replaceChildren();
    for (const value of ticks(low, high)) {
      canvas.append(node("svg:line", { class: "axis", x1: place(value), x2: place(value),
        y1: bottom, y2: bottom + 6 }), node("svg:text", { class: "tick", x: place(value),
        y: bottom + 21 }, String(Number(value.toPrecision(6))).replace("-", "−")));
    }
    canvas.append(node("svg:line", { class: "axis", x1: LEFT, x2: wide - LEFT, y1: bottom, y2: bottom }),
      node("svg:text", { class: "tick", x: wide / 2, y: bottom + 41 }, data.x));
    const found = rows.map((one, k) => ({ row: one, ...drawRow(one, k * row, place) }));

    [...chosen.querySelectorAll("button")].forEach((one, k) =>
      one.setAttribute("aria-pressed", String(k === state.group)));
    alone.setAttribute("aria-pressed", String(state.alone));
    all.setAttribute("aria-pressed", String(!state.alone));
    truth.setAttribute("aria-pressed", String(state.truth));
    slider.setAttribute("aria-valuetext", count(state.seeds, "seed"));
    told.textContent = state.seeds < data.most ? `the first ${state.seeds} of ${data.most}`
      : `all ${data.most}`;
    about.replaceChildren(...(group.key ? [node("p", { class: "name" }, group.name)] : []),
      ...group.text.map((text) => node("p", {}, text)));
    notes.replaceChildren(...group.notes.map((text) => node("p", {}, text)));

    const deciding = found.filter(({ row }) => row.decides).map(({ verdict }) => verdict);
    const total = together([...deciding, ...group.verdicts]);
    const told_of = data.order.filter((verdict) => deciding.includes(verdict))
      .map((verdict) => `${verdict}: ${deciding.filter((one) => one === verdict).length}`);
    status.textContent = (group.key ? `${data.kind} ${group.key}: ${total}. ` : "")
      + (deciding.length ? `With ${count(state.seeds, "seed")} at most, ${told_of.join(", ")}.`
        : rows.length ? "What is drawn stands beside the claim." : "There is nothing to draw.")
      + (state.truth ? ` ${found.filter((one) => one.holds).length} of ${found.length} intervals ` +
        `hold the truth; wrong verdicts: ${found.filter((one) => one.missed).length}.` : "");
  }
  draw();
  let before = canvas.parentElement.clientWidth;
  new ResizeObserver(([{ contentRect }]) => {
    if (Math.round(contentRect.width) === Math.round(before)) return;
    before = contentRect.width;
    draw();
  }).observe(canvas.parentElement);
}

export default { render };
