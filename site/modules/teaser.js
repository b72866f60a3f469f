// The opening figure: five blocks in a row, which the reader cuts into pieces.
const SVG = "http://www.w3.org/2000/svg";
const BLOCKS = 5, WIDE = 88, GAP = 28, LEFT = 24, TOP = 60, HIGH = 62, BELOW = 166;
const left = (k) => LEFT + k * (WIDE + GAP); // of block k, from 0

function draw(tag, attributes, text) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

// First and last block of each piece.
export function pieces(cuts) {
  const ends = [...cuts.flatMap((cut, k) => (cut ? [k] : [])), BLOCKS - 1];
  return ends.map((end, k) => [k ? ends[k - 1] + 1 : 0, end]);
}

export function told(cuts) {
  const found = pieces(cuts);
  const longest = Math.max(...found.map(([first, last]) => last - first + 1));
  if (found.length === 1) {
    return "One piece: this is backpropagation. One loss, whose gradient runs back through all " +
      "5 blocks, and every block waits for it. Cut the network between two blocks.";
  }
  const through = longest === 1 ? "1 block" : `${longest} blocks`;
  return `${found.length} pieces with a loss each. The longest gradient runs through ${through}, ` +
    "and nothing flows back across a cut.";
}

function gradients(svg, cuts) {
  svg.querySelectorAll(".flow").forEach((old) => old.remove());
  for (const [first, last] of pieces(cuts)) {
    const x = left(last) + WIDE / 2;
    const end = left(first) + 10;
    const own = draw("g", { class: "flow" });
    own.append(
      draw("path", { d: `M${x} ${TOP + HIGH} V${BELOW - 17}`, class: "thin" }),
      draw("path", { d: `M${x - 22} ${BELOW} H${end}`, class: "gradient", "marker-end": "url(#tip)" }),
      draw("circle", { cx: x, cy: BELOW, r: 17, class: "loss" }),
      draw("text", { x, y: BELOW + 6 }, "L"),
    );
    svg.append(own);
  }
}

function cutter(k, cuts, change) {
  const x = left(k) + WIDE + GAP / 2;
  const element = draw("g", {
    class: "cutter", role: "switch", tabindex: 0, "aria-label": `Cut between block ${k + 1} and ${k + 2}`,
  });
  element.append(
    draw("rect", { x: x - 13, y: TOP - 52, width: 26, height: HIGH + 78, rx: 6, class: "touch" }),
    draw("path", { d: `M${x} ${TOP - 20} V${TOP + HIGH + 22}`, class: "cut" }),
    draw("text", { x, y: TOP - 30, class: "scissors" }, "✂"),
  );
  const show = () => element.setAttribute("aria-checked", String(cuts[k]));
  const act = () => {
    cuts[k] = !cuts[k];
    show();
    change();
  };
  element.addEventListener("click", act);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  });
  show();
  return element;
}

// The same as a table, folded.
function listed(table, cuts) {
  const head = ["Piece", "Blocks", "Its gradient runs through"];
  const rows = pieces(cuts).map(([first, last], k) => [
    k + 1, first === last ? first + 1 : `${first + 1} to ${last + 1}`, last - first + 1,
  ]);
  table.replaceChildren(...[head, ...rows].map((texts, k) => {
    const row = document.createElement("tr");
    row.append(...texts.map((text) => {
      const cell = document.createElement(k ? "td" : "th");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
}

function render({ model, el }) {
  const cuts = model.get("cuts") ?? Array(BLOCKS - 1).fill(false);
  const svg = draw("svg", { viewBox: "0 0 600 194", class: "teaser" });
  const status = document.createElement("p");
  const folded = document.createElement("details");
  const summary = document.createElement("summary");
  const table = document.createElement("table");
  summary.textContent = "The pieces";
  folded.className = "shown";
  folded.append(summary, table);
  const tip = draw("marker", {
    id: "tip", viewBox: "0 0 8 8", refX: 6, refY: 4, markerWidth: 4.5, markerHeight: 4.5, orient: "auto",
  });
  tip.append(draw("path", { d: "M0 0 L8 4 L0 8 z", class: "tip" }));
  svg.append(tip);
  svg.append(draw("path", { d: `M0 ${TOP + HIGH / 2} H${left(BLOCKS - 1) + WIDE + 12}`, class: "thin" }));
  for (let k = 0; k < BLOCKS; k += 1) {
    const name = k < BLOCKS - 1 ? `f${"₁₂₃₄"[k]}` : "classes";
    svg.append(
      draw("rect", { x: left(k), y: TOP, width: WIDE, height: HIGH, rx: 8, class: "block" }),
      draw("text", { x: left(k) + WIDE / 2, y: TOP + HIGH / 2 + 7 }, name),
    );
  }
  const change = () => {
    gradients(svg, cuts);
    status.textContent = told(cuts);
    listed(table, cuts);
    model.set("cuts", cuts);
    model.save_changes();
  };
  for (let k = 0; k < BLOCKS - 1; k += 1) svg.append(cutter(k, cuts, change));
  status.setAttribute("role", "status");
  el.append(svg, status, folded);
  change();
}

export default { render };
