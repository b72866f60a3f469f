// A figure with frames: a slider, and Play where motion is wanted, below it.
const STILL = { mode: "immediate", transition: { duration: 0 }, frame: { duration: 0, redraw: true } };
const INTERVAL = 250; // milliseconds between frames

export function playFrames(drawing, frames, slider) {
  drawing.nextElementSibling?.remove();
  if (!frames.length) return;
  const bar = document.createElement("div");
  const label = document.createElement("label");
  const name = document.createElement("span");
  const input = document.createElement("input");
  const value = document.createElement("b");
  name.textContent = (slider?.currentvalue?.prefix ?? "Frame").replace(/: $/, "");
  Object.assign(input, { type: "range", min: 0, max: frames.length - 1, step: 1 });
  input.value = slider?.active ?? 0;
  const show = () => {
    const frame = frames[input.value];
    value.textContent = frame.name;
    input.setAttribute("aria-valuetext", frame.name);
    return Plotly.animate(drawing, [{ data: frame.data }], STILL);
  };
  value.setAttribute("aria-hidden", "true"); // the slider says it itself
  value.textContent = frames[input.value].name;
  input.setAttribute("aria-valuetext", value.textContent);
  input.addEventListener("input", show);
  label.append(name, input, value);
  bar.className = "choices";
  bar.append(label);
  if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) bar.append(player(input, show));
  drawing.after(bar);
}

function player(input, show) {
  const button = document.createElement("button");
  let timer;
  const stop = () => {
    clearInterval(timer);
    timer = undefined;
    button.textContent = "Play";
  };
  button.type = "button";
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (input.value === input.max) input.value = 0;
    button.textContent = "Pause";
    timer = setInterval(() => {
      if (input.value === input.max || !button.isConnected) return stop();
      input.value = Number(input.value) + 1;
      show();
    }, INTERVAL);
  });
  stop();
  return button;
}
