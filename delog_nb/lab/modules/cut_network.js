// The cut network: one way to train at a time, its components, losses and gradients.
// data: see delog_nb/lab/runs/cut_network.py. Plain JS and SVG; asks nothing of any server.

const NS = "http://www.w3.org/2000/svg";
const CSS = `
.dn-cut { font: 15px/1.45 system-ui, sans-serif; color: var(--jp-content-font-color1, inherit);
  --ground: var(--jp-layout-color0, transparent); max-width: 1180px; }
.dn-cut .bar { display: flex; flex-wrap: wrap; gap: 6px; margin: 6px 0; }
.dn-cut button { font: inherit; color: inherit; padding: 4px 11px; border-radius: 6px;
  cursor: pointer; border: 1px solid color-mix(in srgb, currentColor 55%, transparent);
  background: color-mix(in srgb, currentColor 6%, transparent); }
.dn-cut button[aria-pressed=true] { background: color-mix(in srgb, currentColor 20%, transparent);
  box-shadow: inset 0 -3px 0 var(--way, currentColor); font-weight: 600; }
.dn-cut button[aria-disabled=true] { opacity: .6; cursor: default; }
.dn-cut :focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
.dn-cut .scroll { overflow-x: auto; padding: 3px; }
.dn-cut svg { display: block; width: 100%; height: auto; }
.dn-cut svg text { fill: currentColor; text-anchor: middle; }
.dn-cut .small { font-size: 12px; }
.dn-cut .plate { fill: color-mix(in srgb, currentColor 7%, transparent); stroke: currentColor;
  stroke-width: 1.5; }
.dn-cut .affiliated .plate { stroke-dasharray: 6 4; fill: none; }
.dn-cut .lit .plate { fill: color-mix(in srgb, var(--way) 30%, transparent); stroke-width: 3.5; }
.dn-cut .gone { opacity: .22; }
.dn-cut .forward { stroke: currentColor; stroke-width: 1.6; fill: none; opacity: .75; }
.dn-cut .forward.lit { stroke-width: 4; opacity: 1; }
.dn-cut .head { fill: currentColor; opacity: .75; }
.dn-cut .gradient { stroke: var(--way); fill: none; }
.dn-cut .tip { fill: var(--way); }
.dn-cut .path { stroke: currentColor; stroke-width: 9; opacity: .25; fill: none;
  stroke-linejoin: round; stroke-linecap: round; }
.dn-cut .mark { stroke: currentColor; stroke-width: 4; }
.dn-cut .held { fill: currentColor; opacity: .75; }
.dn-cut [role=button] { cursor: pointer; }
.dn-cut [role=button]:hover .plate { stroke-width: 3; }
.dn-cut .gap .plate { fill: color-mix(in srgb, currentColor 4%, var(--ground)); }
.dn-cut .gap.open .plate { stroke-dasharray: 3 3; }
.dn-cut p { margin: 8px 2px; max-width: 90ch; }
.dn-cut [role=status] { min-height: 2.9em; }
.dn-cut .title { font-size: 18px; }
.dn-cut .legend { font-size: 13px; opacity: .85; }
@media (prefers-reduced-motion: no-preference) {
  .dn-cut .gradient.lit { stroke-dasharray: 10 5; animation: dn-cut-flow .5s linear 4; }
  @keyframes dn-cut-flow { from { stroke-dashoffset: 15; } to { stroke-dashoffset: 0; } }
}`;
const LEGEND = "Solid boxes are used in predictions, dashed ones in training alone; below a name, its " +
  "parameters. Thin arrows: forward. Coloured arrows: gradients, the wider the larger " +
  "their norm (logarithmic scale). ‖: detached, no way back.";
const BOX = 84, HIGH = 46, SMALL = 74, LOW = 36; // of a layer, of a loss's module

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
const words = (names) => names.length < 2 ? names.join("")
  : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
const the = (name) => name === "classifier" ? "the classifier" : name;
const short = (value) => value === 0 ? "0" : value >= 0.001 && value < 10000
  ? String(Number(value.toPrecision(3))) : value.toExponential(1);
const megabytes = (bytes) => bytes ? `${(bytes / 1e6).toFixed(1)} MB` : "nothing";
const sum = (values) => values.reduce((a, b) => a + b, 0);

// What is seen of a way: its own cuts, or with `code` ("1011": a cut after layers 1, 3 and 4)
// those that were chosen.
function seen(way, code) {
  if (!way.cuts) {
    const kept = new Map(Object.entries(way.kept));
    const losses = way.losses.map((loss) =>
      ({ ...loss, norms: new Map(Object.entries(loss.norms)) }));
    return { ...way, kept, losses, measured: true };
  }
  const components = [[1]];
  way.layers.slice(1).forEach((_, k) => {
    if (code[k] === "1") components.push([k + 2]);
    else components.at(-1).push(k + 2);
  });
  const found = way.cuts.find(([known]) => known === code);
  const norms = found ? found[1] : {};
  const losses = components.map((own) => {
    const loss = way.losses.find((one) => one.layer === own.at(-1));
    const reached = [...own.map((l) => way.layers[l - 1][0]), ...loss.modules.map((m) => m.name)];
    const known = norms[loss.name] ?? {};
    return { ...loss, norms: new Map(reached.map((name) => [name, known[name] ?? null])) };
  });
  const kept = new Map(Object.entries(found ? found[2] : way.kept));
  return { ...way, components, losses, kept, measured: Boolean(found) };
}

// The training loop, step by step: what is lit, what is kept and freed, and what is said.
function stepsOf(view) {
  const name = (l) => view.layers[l - 1][0];
  const norm = (loss, part) => loss.norms.get(part) ? ` (norm ${short(loss.norms.get(part))})` : "";
  const steps = [];
  view.components.forEach((own, c) => {
    const losses = view.losses.filter((loss) => own.includes(loss.layer));
    for (const l of own) {
      const from = l === 1 ? "the images" : `r${sub(l - 1)}`;
      const cut = l === own[0] && c > 0 ? ", which it is handed without a history" : "";
      const gives = l === view.layers.length && name(l) === "classifier" ? "logits" : `r${sub(l)}`;
      steps.push({ kind: "forward", layer: l, lit: [name(l)], keep: [name(l)],
        says: `Forward: ${the(name(l))} turns ${from}${cut} into ${gives}.` });
      for (const loss of losses.filter((one) => one.layer === l)) {
        const modules = loss.modules.map((m) => m.name);
        const by = modules.length ? ` with ${words(modules)}` : "";
        steps.push({ kind: "loss", layer: l, loss: loss.name, lit: [loss.name, ...modules],
          keep: [loss.name, ...modules], says: `Loss: ${loss.name} is computed${by}.` });
      }
    }
    for (const l of [...own].reverse()) {
      const here = losses.filter((loss) => loss.layer === l);
      const through = losses.filter((loss) => loss.norms.has(name(l)));
      const lit = [name(l), ...here.flatMap((loss) => loss.modules.map((m) => m.name))];
      const told = through.map((loss, k) => {
        const on = loss.modules.filter((m) => loss.layer === l && m.reads === "gradient");
        const way = on.length ? ` goes through ${words(on.map((m) => m.name))} into`
          : loss.layer === l ? " goes into" : " flows on into";
        return `${k ? "that" : "the gradient"} of ${loss.name}${way} ${the(name(l))}${norm(loss, name(l))}`;
      });
      const free = [name(l), ...here.flatMap((x) => [x.name, ...x.modules.map((m) => m.name)])];
      steps.push({ kind: "backward", layer: l, losses: losses.map((x) => x.name), lit, free,
        says: `Backward: ${told.join("; ") || "no gradient arrives"}. ` +
          `What ${the(name(l))} kept is freed.` });
    }
    const trained = [...own.map(name), ...losses.flatMap((x) => x.modules.map((m) => m.name))];
    const on = c + 1 < view.components.length
      ? ` r${sub(own.at(-1))} goes up detached: the numbers, and no way back.` : " The step is done.";
    steps.push({ kind: "update", layer: own.at(-1), lit: trained, detach: own.at(-1),
      says: `Update: ${words(trained.map(the))} ${trained.length > 1 ? "are" : "is"} changed.${on}` });
  });
  let held = new Set(), most = 0;
  for (const step of steps) {
    held = new Set([...held, ...(step.keep ?? [])].filter((n) => !step.free?.includes(n)));
    step.held = held;
    step.bytes = sum([...held].map((n) => view.kept.get(n) ?? 0));
    most = step.most = Math.max(most, step.bytes);
  }
  return steps;
}
const sub = (number) => String(number).replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);

function render({ model, el }) {
  const data = model.get("data");
  const state = { way: 0, cuts: {}, loss: null, step: 0, path: false, news: "" };
  data.ways.forEach((way, k) => { if (way.cuts) state.cuts[k] = "0".repeat(way.layers.length - 1); });
  const all = data.ways.flatMap((way) => [
    ...way.losses.flatMap((loss) => Object.values(loss.norms)),
    ...(way.cuts ?? []).flatMap(([, by]) => Object.values(by).flatMap(Object.values))])
    .filter((v) => v > 0);
  const highest = Math.max(...all), lowest = Math.max(Math.min(...all), highest / 1000);
  const width = (norm) => norm === null ? 3
    : 1.5 + 8 * Math.max(0, Math.log(norm / lowest)) / Math.max(1, Math.log(highest / lowest));
  const most = Math.max(...data.ways.map((way, k) => stepsOf(seen(way, state.cuts[k])).at(-1).most),
    ...data.ways.flatMap((way) => (way.cuts ?? []).map(([code]) =>
      stepsOf(seen(way, code)).at(-1).most)));

  const ways = node("div", { class: "bar", role: "group", "aria-label": "Way to train" });
  const controls = node("div", { class: "bar", role: "group", "aria-label": "Training loop" });
  const scroll = node("div", { class: "scroll" });
  const status = node("p", { role: "status" });
  const legend = node("p", { class: "legend" }, LEGEND);
  const title = el.closest("figure") ? "" // its caption says it
    : node("p", { class: "title" }, data.title);
  const root = node("div", { class: "dn-cut" }, node("style", {}, CSS), title, ways, controls, scroll,
    status, legend);
  el.replaceChildren(root);

  function change(news, changes) {
    Object.assign(state, { news }, changes);
    draw();
  }
  function button(key, label, pressed, disabled, act) {
    return node("button", { type: "button", "data-key": key,
      "aria-pressed": pressed === null ? null : String(pressed),
      "aria-disabled": disabled ? "true" : null, click: () => disabled || act() }, label);
  }

  function draw() {
    const focus = root.contains(document.activeElement) || root.getRootNode().activeElement
      ? (root.getRootNode().activeElement ?? document.activeElement)?.dataset?.key : null;
    const view = seen(data.ways[state.way], state.cuts[state.way]);
    const steps = stepsOf(view);
    const step = state.step ? steps[state.step - 1] : null;
    root.style.setProperty("--way", view.color);
    ways.replaceChildren(...data.ways.map((way, k) => {
      const made = button(`way-${k}`, way.name, k === state.way, false,
        () => change("", { way: k, loss: null, step: 0 }));
      made.style.setProperty("--way", way.color);
      return made;
    }));
    controls.replaceChildren(
      button("back", "◀ Step back", null, !state.step,
        () => change("", { step: state.step - 1, loss: null, path: false })),
      button("on", "Step forward ▶", null, state.step === steps.length,
        () => change("", { step: state.step + 1, loss: null, path: false })),
      button("reset", "Reset", null, !state.step && !state.loss && !state.path,
        () => change("", { step: 0, loss: null, path: false })),
      button("path", "Prediction", state.path, false,
        () => change("", { path: !state.path, step: 0, loss: null })));
    scroll.replaceChildren(picture(view, step));
    status.textContent = told(view, step, steps.length);
    if (step) {
      const [lit, box] = [scroll.querySelector(".box.lit, .loss.lit"), scroll].map((one) =>
        one.getBoundingClientRect());
      scroll.scrollLeft += lit.x + lit.width / 2 - box.x - box.width / 2;
    }
    if (focus) root.querySelector(`[data-key="${focus}"]`)?.focus({ preventScroll: true });
  }

  function told(view, step, count) {
    const unknown = view.measured ? ""
      : " No norms were measured for this cut: all arrows have one width.";
    if (step) {
      const kept = `Kept for backward passes: ${megabytes(step.bytes)}, at most ` +
        `${megabytes(step.most)} so far.`;
      return `Step ${state.step} of ${count}. ${step.says} ${kept}`;
    }
    if (state.path) {
      const gone = view.losses.flatMap((loss) => loss.modules).filter((m) => !m.used);
      const parts = sum(gone.map((m) => m.parameters)).toLocaleString("en");
      return `A prediction goes through ${words(view.prediction.map(the))}. ` + (gone.length
        ? `Dashed modules and their ${parts} parameters are gone.` : "Nothing is left out.");
    }
    if (state.loss) {
      const loss = view.losses.find((one) => one.name === state.loss);
      const blocks = view.layers.map(([n]) => n).filter((n) => loss.norms.has(n)).reverse();
      const parts = [...new Set([...blocks, ...loss.norms.keys()])].map((n) =>
        loss.norms.get(n) ? `${the(n)} (norm ${short(loss.norms.get(n))})` : the(n));
      return `${loss.name} reaches ${words(parts)}, and nothing else.${unknown}`;
    }
    const blocks = view.losses.map((loss) => {
      const reached = view.layers.map(([n]) => the(n)).filter((_, k) =>
        loss.norms.has(view.layers[k][0]));
      return `${loss.name} reaches ${words(reached) || "no block"}`;
    });
    const count_ = view.components.length;
    const hint = view.cuts && !state.news ? " Click between two blocks to cut or join them." : "";
    return `${state.news || `${view.name}:`} ${count_} component${count_ > 1 ? "s" : ""}. ` +
      `${blocks.join("; ")}.${hint}${unknown}`;
  }

  function picture(view, step) {
    const columns = (loss) => Math.max(1, loss.modules.filter((m) => m.reads).length,
      loss.modules.filter((m) => !m.reads).length);
    const wide = Math.max(...view.layers.map((_, k) => sum(view.losses
      .filter((loss) => loss.layer === k + 1).map(columns))));
    const apart = view.losses.some((loss) => loss.modules.some((m) => !m.reads));
    const direct = view.losses.some((loss) => loss.modules.some((m) => m.reads));
    const pitch = Math.max(BOX + 56, wide * (SMALL + 8) + 14);
    const x = (l) => 24 + pitch * (l - 0.5);
    const lossY = 26 + (apart ? 78 : 0), moduleY = lossY + 70, y = moduleY + (direct ? 84 : 24);
    const barY = y + 94, total = 48 + pitch * view.layers.length, high = barY + 46;
    const canvas = node("svg:svg", { viewBox: `0 0 ${total} ${high}`, role: "group",
      "aria-label": `${data.title}: ${view.name}`, keydown: move });
    canvas.style.minWidth = `${Math.round(total * 0.86)}px`;
    canvas.style.maxWidth = `${Math.round(total * 1.25)}px`;
    const chosen = state.loss ? view.losses.find((one) => one.name === state.loss) : null;
    const lit = (name) => step ? step.lit.includes(name) : chosen
      ? chosen.norms.has(name) || chosen.name === name
      : state.path && view.prediction.includes(name);
    const placed = new Map(); // by name, the middle of a box
    const low = [], arrows = [], boxes = [];

    function box(name, parameters, at, middle, small, affiliated) {
      placed.set(name, [at, middle]);
      const w = small ? SMALL : BOX, h = small ? LOW : HIGH;
      const gone = state.path && !view.prediction.includes(name);
      const made = node("svg:g", { class: `box${affiliated ? " affiliated" : ""}` +
        `${lit(name) ? " lit" : ""}${gone ? " gone" : ""}`, "data-part": name },
        node("svg:title", {}, `${name}: ${parameters.toLocaleString("en")} parameters, ` +
          `${affiliated ? "affiliated: used in training alone" : "effective"}`),
        node("svg:rect", { class: "plate", rx: 6, x: at - w / 2, y: middle - h / 2, width: w,
          height: h }),
        node("svg:text", { x: at, y: middle + (small ? 0 : -1), "font-size": small ? 13 : 16 },
          name),
        node("svg:text", { class: "small", x: at, y: middle + (small ? 14 : 16) },
          parameters.toLocaleString("en")));
      if (step?.held.has(name)) {
        made.append(node("svg:rect", { class: "held", x: at - w / 2 + 3, y: middle + h / 2 - 5,
          width: w - 6, height: 4 }));
      }
      boxes.push(made);
    }
    function arrow(x1, y1, x2, y2, kind, w = 1.6, on = false, bend = 0) {
      const head = kind === "gradient" ? 5 + 1.2 * w : 7;
      const length = Math.hypot(x2 - x1, y2 - y1) || 1;
      const [u, v] = bend ? [0, -1] : [(x2 - x1) / length, (y2 - y1) / length];
      const [ex, ey] = [x2 - u * head, y2 - v * head];
      const d = bend ? `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${ey + bend} ${ex} ${ey}`
        : `M${x1} ${y1}L${ex} ${ey}`;
      const side = head * 0.55;
      return [
        node("svg:path", { class: `${kind}${on ? " lit" : ""}`, d, "stroke-width":
          kind === "gradient" ? w.toFixed(1) : null }),
        node("svg:polygon", { class: kind === "gradient" ? "tip" : "head", points:
          `${x2},${y2} ${ex - v * side},${ey + u * side} ${ex + v * side},${ey - u * side}` })];
    }
    function gradient(loss, part, ...path) {
      const backward = step?.kind === "backward";
      const on = backward && step.losses.includes(loss.name) && step.lit.includes(part);
      const strong = state.path ? false : step ? on : chosen ? chosen === loss : true;
      if (chosen && chosen !== loss || state.path || step && !on) {
        if (state.path || chosen) return;
      }
      const made = node("svg:g", { class: strong ? "" : "gone", "data-from": loss.name,
        "data-into": part }, ...arrow(...path.slice(0, 4), "gradient",
        width(loss.norms.get(part) || loss.norms.get(view.layers[loss.layer - 1][0]) || null), on,
        path[4]));
      arrows.push(made);
    }
    function mark(at, middle, across) {
      const [a, b] = across ? [9, 3] : [3, 9];
      return [-1, 1].map((s) => node("svg:line", { class: "mark", x1: at + (across ? -a : s * 4),
        x2: at + (across ? a : s * 4), y1: middle + (across ? s * 4 : -b),
        y2: middle + (across ? s * 4 : b) }));
    }

    view.layers.forEach(([name, parameters], k) => {
      box(name, parameters, x(k + 1), y, false, false);
      const start = k ? x(k) + BOX / 2 + 3 : 2;
      const on = step && (step.kind === "forward" && step.layer === k + 1
        || step.kind === "update" && step.detach === k);
      low.push(...arrow(start, y, x(k + 1) - BOX / 2 - 3, y, "forward", 1.6, on));
    });
    for (const l of view.layers.keys()) {
      const here = view.losses.filter((loss) => loss.layer === l + 1);
      const all = sum(here.map(columns));
      let column = 0;
      for (const loss of here) {
        const left = x(l + 1) + (column - all / 2) * (SMALL + 8);
        const middle = left + columns(loss) * (SMALL + 8) / 2;
        column += columns(loss);
        const layer = view.layers[l][0];
        const reading = loss.modules.filter((m) => m.reads);
        const others = loss.modules.filter((m) => !m.reads);
        const toLoss = step?.kind === "loss" && step.loss === loss.name;
        const faint = state.path ? "gone" : "";
        reading.forEach((m, k) => {
          const at = middle + (k - (reading.length - 1) / 2) * (SMALL + 8);
          box(m.name, m.parameters, at, moduleY, true, !m.used);
          const foot = x(l + 1) + (at - x(l + 1)) * 0.35;
          low.push(node("svg:g", { class: m.used ? "" : faint },
            ...arrow(foot - 12, y - HIGH / 2, at - 12, moduleY + LOW / 2 + 2, "forward", 1.6, toLoss),
            ...arrow(at - 12, moduleY - LOW / 2, at - 12, lossY + 17, "forward", 1.6, toLoss),
            ...(m.reads === "values" ? mark((foot + at) / 2 - 12, (y + moduleY) / 2, true) : [])));
          gradient(loss, m.name, at + 8, lossY + 16, at + 8, moduleY - LOW / 2 - 1);
          if (m.reads === "gradient") {
            gradient(loss, layer, at + 8, moduleY + LOW / 2, foot + 8, y - HIGH / 2 - 1);
          }
        });
        if (!reading.length) {
          low.push(node("svg:g", { class: faint }, ...arrow(middle - 12, y - HIGH / 2, middle - 12,
            lossY + 17, "forward", 1.6, toLoss)));
          gradient(loss, layer, middle + 8, lossY + 16, middle + 8, y - HIGH / 2 - 1);
        }
        others.forEach((m, k) => {
          const at = middle + (k - (others.length - 1) / 2) * (SMALL + 8);
          box(m.name, m.parameters, at, lossY - 62, true, !m.used);
          gradient(loss, m.name, at === middle ? at : middle + (at - middle) * 0.4, lossY - 14, at,
            lossY - 62 + LOW / 2 + 1);
        });
        const w = Math.max(48, loss.name.length * 8.4 + 16);
        boxes.push(control(`loss-${loss.name}`, `loss ${loss.name}`, state.loss === loss.name,
          `loss${lit(loss.name) ? " lit" : ""}${state.path ? " gone" : ""}`, () => change("", {
            loss: state.loss === loss.name ? null : loss.name, step: 0, path: false }),
          node("svg:rect", { class: "plate", rx: 14, x: middle - w / 2, y: lossY - 14, width: w,
            height: 28 }),
          node("svg:text", { x: middle, y: lossY + 5, "font-size": 14 }, loss.name)));
      }
    }
    for (let l = view.layers.length - 1; l > 0; l--) { // into layer l from the one above
      const name = view.layers[l - 1][0];
      const found = view.losses.filter((loss) => loss.layer > l && loss.norms.has(name));
      const shown = chosen ? found.filter((loss) => loss === chosen) : found;
      const strongest = shown.sort((a, b) => b.norms.get(name) - a.norms.get(name))[0];
      if (strongest) gradient(strongest, name, x(l + 1) - 14, y + HIGH / 2 + 2, x(l) + 14,
        y + HIGH / 2 + 2, 44);
    }
    const ends = view.components.map((own) => own.at(-1));
    view.layers.slice(1).forEach((_, k) => {
      const at = (x(k + 1) + x(k + 2)) / 2, cut = ends.includes(k + 1);
      const names = [view.layers[k][0], view.layers[k + 1][0]];
      if (!view.cuts) return cut && low.push(...mark(at - 4, y, false));
      boxes.push(control(`gap-${k}`, `cut between ${words(names)}`, cut,
        `gap ${cut ? "" : "open"}`, () => {
          const code = [...state.cuts[state.way]];
          code[k] = cut ? "0" : "1";
          change(`${cut ? "Joined" : "Cut between"} ${words(names)}:`, { loss: null, step: 0,
            path: false, cuts: { ...state.cuts, [state.way]: code.join("") } });
        },
        node("svg:circle", { class: "plate", cx: at - 2, cy: y, r: 15 }),
        ...(cut ? mark(at - 2, y, false) : [])));
    });
    if (state.path) {
      const route = [[4, y], ...view.prediction.map((name) => placed.get(name)).filter(Boolean)];
      low.unshift(node("svg:path", { class: "path", d: `M${route.map((p) => p.join(" ")).join("L")}` }));
    }
    const full = total - 48, share = (bytes) => full * bytes / most;
    const held = step ? step.bytes : 0, top = step ? step.most : stepsOf(view).at(-1).most;
    const whole = seen(data.ways[state.way], "0".repeat(view.layers.length - 1));
    const uncut = view.cuts ? stepsOf(whole).at(-1).most : top;
    const line = (bytes) => node("svg:line", { class: "mark", x1: 24 + share(bytes),
      x2: 24 + share(bytes), y1: barY - 4, y2: barY + 20 });
    const memory = [node("svg:text", { class: "small", x: 24, y: barY - 8, style:
      "text-anchor: start" }, step
      ? `Kept for the backward pass: ${megabytes(held)} (at most ${megabytes(top)} so far)`
      : `Kept for backward passes at any time: at most ${megabytes(top)}` +
        (uncut === top ? "" : ` (uncut: ${megabytes(uncut)})`)),
      node("svg:rect", { class: "plate", x: 24, y: barY, width: full, height: 16, rx: 3 }),
      node("svg:rect", { class: "held", x: 24, y: barY, width: share(step ? held : top),
        height: 16, rx: 3 }), line(step ? top : uncut)];
    canvas.append(...low, ...arrows, ...boxes, ...memory);
    return canvas;
  }

  function control(key, label, pressed, kind, act, ...children) {
    return node("svg:g", { class: kind, role: "button", tabindex: 0, "data-key": key,
      "aria-label": label, "aria-pressed": String(pressed), click: act, keydown: (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation(); // in JupyterLab, keys are commands too
        act();
      } }, ...children);
  }
  function move(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by || !event.target.dataset.key) return;
    event.preventDefault();
    event.stopPropagation();
    const places = [...scroll.querySelectorAll("[tabindex]")].sort((a, b) =>
      a.getBoundingClientRect().x - b.getBoundingClientRect().x);
    const next = places.indexOf(event.target) + by;
    places[Math.max(0, Math.min(places.length - 1, next))].focus();
  }
  draw();
}

export default { render };
