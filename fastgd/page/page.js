"use strict";
/* The page: sliders and sentences. lesson.js takes the steps, pictures.js draws them. */

const element = (id) => document.getElementById(id);
const page = JSON.parse(element("numbers-of-the-page").textContent);
const { bowl, rows } = page;
const nWeights = bowl.centre.length - Number(page.has_intercept);
const isFlat = bowl.centre.length === 1; // the bowl is a curve, not a surface

const state = {
  method: "batch",
  rate: page.rate,
  momentum: 0.9,
  epochs: page.epochs,
  start: [...page.start],
};
let result = null; // of lesson.js, for this state

/** Distances from the minimum, the scale of the pictures and of the sliders of the start. */
const gaps = bowl.centre.map((c, j) => Math.abs(page.start[j] - c) || Math.abs(c) || 1);
const MOST_EPOCHS = 10000;

const short = (x, digits = 4) =>
  Math.abs(x) < 1e7 && (Math.abs(x) >= 1e-4 || x === 0)
    ? String(Number(x.toPrecision(digits)))
    : Number(x.toPrecision(digits)).toExponential();
const counted = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const powerOfTen = (x) => 10 ** Math.floor(Math.log10(x));

// Controls ------------------------------------------------------------------------------------------------

/** A slider and a number field of one value, with a label. `take(value)` stores it. */
function addSlider(id, label, value, range, limits, take) {
  const [text, number, slider] = ["label", "input", "input"].map((tag) => document.createElement(tag));
  text.textContent = label;
  text.htmlFor = id;
  Object.assign(number, { type: "number", id: `${id}-number`, step: "any", ...limits, value });
  number.setAttribute("aria-label", `${label}, as a number`);
  Object.assign(slider, { type: "range", id, ...range, value });
  for (const [here, other] of [
    [number, slider],
    [slider, number],
  ]) {
    here.autocomplete = "off";
    here.addEventListener("input", () => {
      if (here.value === "" || !here.validity.valid) return;
      other.value = here.value;
      take(Number(here.value));
      schedule();
    });
  }
  const box = document.createElement("div");
  box.className = "slider";
  box.append(text, number, slider);
  element("sliders").append(box);
  return box;
}

function addControls() {
  const box = addSlider(
    "rate",
    "learning rate",
    state.rate,
    {},
    { min: Number.MIN_VALUE },
    (value) => (state.rate = value),
  );
  const limit = document.createElement("div");
  limit.className = "limit";
  limit.append(document.createElement("span"));
  box.append(limit);
  addSlider(
    "momentum",
    "momentum",
    state.momentum,
    { min: 0, max: 0.99, step: 0.01 },
    { min: 0, max: 0.999999 },
    (value) => (state.momentum = value),
  );
  page.parameters.forEach((name, j) => {
    const step = powerOfTen(gaps[j]) / 100;
    const at = (k) => Number((Math.round((bowl.centre[j] + k * gaps[j]) / step) * step).toPrecision(12));
    addSlider(
      `start-${j}`,
      `start: ${name}`,
      state.start[j],
      { min: at(-3), max: at(3), step },
      { min: at(-1000), max: at(1000) },
      (value) => (state.start[j] = value),
    );
  });
  const most = Math.min(MOST_EPOCHS, Math.max(200, 2 * state.epochs));
  addSlider(
    "epochs",
    "epochs",
    state.epochs,
    { min: 0, max: most, step: 1 },
    { min: 0, max: MOST_EPOCHS, step: 1 },
    (value) => (state.epochs = value),
  );
  for (const radio of document.querySelectorAll("[name=method]")) {
    radio.checked = radio.value === state.method;
    radio.disabled = radio.value === "sgd" && rows === null;
    radio.addEventListener("change", () => {
      state.method = radio.value;
      schedule();
    });
  }
  element("log").checked = false;
  element("log").addEventListener("change", schedule);
}

/** The slider of the rate ends at one and a half limits. */
function showLimit(limit) {
  const slider = element("rate");
  const step = powerOfTen(limit) / 100;
  Object.assign(slider, { min: step, max: 1.5 * limit, step, value: state.rate });
  const mark = document.querySelector(".limit");
  mark.style.setProperty("--at", (limit - step) / (1.5 * limit - step));
  mark.firstChild.textContent = `limit ${short(limit)}`;
  slider.setAttribute("aria-description", `the limit is ${short(limit)}`);
  element("momentum").parentElement.hidden = state.method !== "momentum";
}

// The run -------------------------------------------------------------------------------------------------

let isScheduled = false;
function schedule() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(update);
}

function update() {
  isScheduled = false;
  const { method, rate, epochs, start } = state;
  const momentum = method === "momentum" ? state.momentum : 0;
  const limit = method === "sgd" ? limitOfSgd(rows) : limitOfDescent(page.eigenvalues, momentum);
  showLimit(limit);
  result =
    method === "sgd"
      ? sgd(bowl, rows, [...start], rate, epochs)
      : descend(bowl, [...start], rate, momentum, epochs);
  const view = viewOf(result);
  drawBowl(view);
  drawData(view);
  drawCosts(view);
  showVerdict(limit, momentum, view);
  showNumbers();
  element("trace").textContent = trace(result, { isScalar: page.is_scalar, nWeights }, page.digits);
}

// Text ----------------------------------------------------------------------------------------------------

function showVerdict(limit, momentum, view) {
  const isBeyond = state.rate >= limit;
  const sentences = [
    `The learning rate ${short(state.rate)} is ${isBeyond ? "above" : "below"} the limit ${short(limit)}: ` +
      (state.method === "sgd" ? ofSgd(isBeyond) : (isBeyond ? ofDivergence : ofConvergence)(momentum)),
  ];
  if (view.outside > 0) {
    sentences.push(
      "The pictures keep the scale of the start and the minimum: " +
        `${view.outside} of ${counted(result.epochs, "epoch")} ${view.outside === 1 ? "lies" : "lie"} outside.`,
    );
  }
  if (result.epochs < state.epochs) {
    sentences.push(`After ${counted(result.epochs, "epoch")} the cost becomes too large for a number.`);
  }
  element("verdict").textContent = sentences.join(" ");
  element("verdict").className = isBeyond || view.outside > 0 ? "beyond" : "";
}

const ofSgd = (isBeyond) =>
  isBeyond ? "a step can raise the loss of its own row." : "every step lowers the loss of its own row.";

function ofDivergence(momentum) {
  const steep = isFlat ? "" : ", in the steepest direction,";
  return momentum > 0
    ? `the steps${steep} swing farther and farther from the minimum.`
    : `a step${steep} overshoots the minimum and ends farther from it than it began.`;
}

function ofConvergence(momentum) {
  const [least, most] = page.eigenvalues;
  const needed = epochsTo(0.001, page.eigenvalues, state.rate, momentum);
  if (needed === Infinity) return "the steps lead to the minimum, but they are too small to arrive.";
  const epochs = needed < 1e6 ? counted(needed, "epoch") : `${short(needed)} epochs`;
  const verb = needed === 1 ? "covers" : "cover";
  const sentence = `the steps lead to the minimum: ${epochs} ${verb} all but a thousandth of the way.`;
  if (most < 1000 * least) return sentence;
  const times = short(most / least, 2);
  return (
    `${sentence} The bowl is a valley, ${times} times as curved across as along: ` +
    "standardized columns make a rounder one."
  );
}

/** The last θ and cost beside those of the minimum. Each <data> has all digits as its value. */
function showNumbers() {
  const done = element("epochs-done");
  done.value = result.epochs;
  done.textContent = counted(result.epochs, "epoch");
  const last = [...result.thetas[result.epochs], result.costs[result.epochs]];
  const best = [...bowl.centre, bowl.cost];
  const lines = [...page.parameters, "cost"].map((name, j) => {
    const line = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row", textContent: name });
    const cells = [last[j], best[j]].map((value) => {
      const cell = document.createElement("td");
      cell.append(
        Object.assign(document.createElement("data"), { value: repr(value), textContent: short(value, 6) }),
      );
      return cell;
    });
    line.append(head, ...cells);
    return line;
  });
  element("numbers").replaceChildren(...lines);
}

function showAbout() {
  const n = counted(page.n, "row");
  const drawn = rows === null ? 0 : rows.y.length;
  let text = `${n}, all drawn. SGD takes them in order.`;
  if (rows === null) {
    text = `A summary of ${n}: it has no rows to draw, and SGD needs rows.`;
  } else if (drawn < page.n) {
    const among = rows.among < page.n ? ` among the first ${rows.among.toLocaleString("en")}` : "";
    text =
      `${n}. The bowl, full batch and momentum use all of them. ` +
      `${drawn} rows, evenly spaced${among}, are drawn, and SGD takes these in order.`;
  }
  element("about").textContent = text;
}

addControls();
showAbout();
update();
