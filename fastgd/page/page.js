"use strict";
/* The page: sliders, pictures and sentences. lesson.js takes the steps, Plotly draws them. */

const element = (id) => document.getElementById(id);
const page = JSON.parse(element("numbers-of-the-page").textContent);
const { bowl, rows } = page;
const nWeights = bowl.centre.length - Number(page.has_intercept);
const isFlat = bowl.centre.length === 1; // the bowl is a curve, not a surface

const state = { method: "batch", rate: page.rate, momentum: 0.9, epochs: page.epochs, start: [...page.start] };
let result = null; // of lesson.js, for this state

/** Distances from the minimum, the scale of the pictures and of the sliders of the start. */
const gaps = bowl.centre.map((c, j) => Math.abs(page.start[j] - c) || Math.abs(c) || 1);
/** Costs this many times as far above the least one as the first are outside of the pictures. */
const FAR = 10;
const MOST_EPOCHS = 10000;

const BLUE = "#0072b2"; // of the colour-blind-safe palette of Okabe and Ito
const SKY = "#56b4e9";
const ORANGE = "#d55e00";
const GREY = "#999999";

const short = (x, digits = 4) =>
  Math.abs(x) < 1e7 && (Math.abs(x) >= 1e-4 || x === 0) ? String(Number(x.toPrecision(digits))) : x.toExponential(digits - 1);
const counted = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
const powerOfTen = (x) => 10 ** Math.floor(Math.log10(x));
/** A name on an axis, not too long. Plotly takes some tags, so they are escaped. */
const plain = (name) =>
  (name.length > 40 ? `${name.slice(0, 39)}…` : name).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// Controls ------------------------------------------------------------------------------------------------

/** A slider and a number field of one value, with a label. `take(value)` stores it. */
function addSlider(id, label, value, range, limits, take) {
  const [text, number, slider] = ["label", "input", "input"].map((tag) => document.createElement(tag));
  text.textContent = label;
  text.htmlFor = id;
  Object.assign(number, { type: "number", id: `${id}-number`, step: "any", ...limits, value });
  number.setAttribute("aria-label", `${label}, as a number`);
  Object.assign(slider, { type: "range", id, ...range, value });
  for (const [here, other] of [[number, slider], [slider, number]]) {
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
  const box = addSlider("rate", "learning rate", state.rate, {}, { min: Number.MIN_VALUE }, (value) => (state.rate = value));
  const limit = document.createElement("div");
  limit.className = "limit";
  limit.append(document.createElement("span"));
  box.append(limit);
  addSlider("momentum", "momentum", state.momentum, { min: 0, max: 0.99, step: 0.01 }, { min: 0, max: 0.999999 },
    (value) => (state.momentum = value));
  page.parameters.forEach((name, j) => {
    const step = powerOfTen(gaps[j]) / 100;
    const at = (k) => Number((Math.round((bowl.centre[j] + k * gaps[j]) / step) * step).toPrecision(12));
    addSlider(`start-${j}`, `start: ${name}`, state.start[j], { min: at(-3), max: at(3), step }, { min: at(-1000), max: at(1000) },
      (value) => (state.start[j] = value));
  });
  const most = Math.min(MOST_EPOCHS, Math.max(200, 2 * state.epochs));
  addSlider("epochs", "epochs", state.epochs, { min: 0, max: most, step: 1 }, { min: 0, max: MOST_EPOCHS, step: 1 },
    (value) => (state.epochs = value));
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

/** Which epochs are inside the pictures, whose scale is that of the start and the minimum. */
function viewOf({ thetas, costs, steps }) {
  const scale = Math.max(costs[0] - bowl.cost, ...gaps.map((gap, j) => (bowl.hessian[j][j] * gap * gap) / 2));
  const excess = costs.map((c) => c - bowl.cost);
  const isInside = excess.map((e) => e <= FAR * scale);
  const last = isInside.lastIndexOf(true);
  // An epoch next to one inside shows where the run leaves.
  const isNear = (e) => e < 1e8 * scale;
  const isDrawn = excess.map((e, i) => isInside[i] || ((isInside[i - 1] || isInside[i + 1]) && isNear(e)));
  const far = steps === null ? 0 : steps.findIndex((theta) => !isNear(cost(bowl, theta) - bowl.cost));
  const half = bowl.centre.map((c, j) =>
    1.1 * Math.max(gaps[j], ...thetas.filter((_, i) => isInside[i]).map((theta) => Math.abs(theta[j] - c))));
  return {
    scale, isInside, isDrawn, last, half,
    outside: isInside.filter((inside) => !inside).length,
    steps: steps === null || far < 0 ? steps : steps.slice(0, far),
  };
}

// Pictures ------------------------------------------------------------------------------------------------

function draw(id, title, traces, xaxis, yaxis) {
  element(`${id}-title`).textContent = title;
  const layout = {
    margin: { l: 56, r: 12, t: element(id).clientWidth < 420 ? 66 : 44, b: 44 }, // two or three lines of legend
    dragmode: false, // so that a finger scrolls the page
    hovermode: "closest",
    legend: { orientation: "h", x: 0, xref: "container", y: 1, yref: "container", yanchor: "top", font: { size: 12 } },
    xaxis: { zeroline: false, ...xaxis },
    yaxis: { zeroline: false, ...yaxis },
  };
  Plotly.react(id, traces, layout, { displayModeBar: false, responsive: true });
}

const axis = (name, range) => ({ title: { text: plain(name) }, range });
const within = (centre, half) => [centre - half, centre + half];
const grid = (from, to, n) => Array.from({ length: n }, (_, i) => from + ((to - from) * i) / (n - 1));

/** The steps with start, minimum and end. place(thetas) is where {x, y} the picture has them. */
function steps(place, minimum, view) {
  const { x, y } = place(result.thetas);
  const shown = (values) => values.map((value, i) => (view.isDrawn[i] ? value : null));
  const mark = (name, symbol, size, place, color) => ({
    name, mode: "markers", x: [place[0]], y: [place[1]], hoverinfo: "name",
    marker: { symbol, size, color, line: { color: "black", width: 1.5 } },
  });
  const single = { name: "each row", mode: "lines", hoverinfo: "skip", line: { color: SKY, width: 1 } };
  const traces = [
    ...(view.steps === null ? [] : [{ ...single, ...place(view.steps) }]),
    {
      name: "each epoch", mode: "lines+markers", x: shown(x), y: shown(y), customdata: result.costs,
      text: result.costs.map((_, epoch) => String(epoch)),
      hovertemplate: "epoch %{text}<br>cost %{customdata:.4g}<extra></extra>",
      line: { color: BLUE, width: 1.5 }, marker: { color: BLUE, size: 5 },
    },
    mark("start", "circle", 10, [x[0], y[0]], "white"),
    mark("minimum", "cross-thin", 12, minimum, "black"),
  ];
  const end = x.length - 1;
  if (view.isInside[end]) traces.push(mark("end", "square", 9, [x[end], y[end]], ORANGE));
  return traces;
}

function drawBowl(view) {
  const of = (thetas, j) => thetas.map((theta) => theta[j]);
  const x = axis(page.parameters[0], within(bowl.centre[0], view.half[0]));
  if (isFlat) {
    const w = grid(...x.range, 201);
    const height = w.map((w_i) => cost(bowl, [w_i]));
    const top = height[0] - bowl.cost;
    const curve = { name: "cost", mode: "lines", x: w, y: height, hoverinfo: "skip", line: { color: GREY } };
    const place = (thetas) => ({ x: of(thetas, 0), y: thetas.map((theta) => cost(bowl, theta)) });
    const y = axis("cost", [bowl.cost - 0.06 * top, bowl.cost + 1.02 * top]);
    draw("bowl", "The bowl of the cost", [curve, ...steps(place, [bowl.centre[0], bowl.cost], view)], x, y);
    return;
  }
  const y = axis(page.parameters[1], within(bowl.centre[1], view.half[1]));
  const isEqual = Math.max(...view.half) < 5 * Math.min(...view.half);
  if (isEqual) Object.assign(y, { scaleanchor: "x" }); // steps are at right angles to the contours
  const wide = isEqual ? view.half.map(() => 3 * Math.max(...view.half)) : view.half;
  const [xs, ys] = wide.map((half, j) => grid(...within(bowl.centre[j], half), isEqual ? 121 : 61));
  const height = (w, v) => Math.sqrt(Math.max(0, cost(bowl, [w, v]) - bowl.cost)); // ellipses at even distances
  const ring = Math.sqrt(FAR * view.scale) / 16;
  const contours = {
    type: "contour", x: xs, y: ys, z: ys.map((v) => xs.map((w) => height(w, v))), hoverinfo: "skip",
    showscale: false, colorscale: [[0, "#bbbbbb"], [1, "#bbbbbb"]], line: { width: 1 },
    contours: { coloring: "lines", start: ring, end: 40 * ring, size: ring },
  };
  const place = (thetas) => ({ x: of(thetas, 0), y: of(thetas, 1) });
  draw("bowl", "The bowl of the cost, from above", [contours, ...steps(place, bowl.centre, view)], x, y);
}

/** The ends of an axis for these values. */
function span(values, includesZero) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const size = high - low || Math.abs(high) || 1;
  const isNear = includesZero && low - size <= 0 && high + size >= 0;
  return [(isNear ? Math.min(0, low) : low) - 0.06 * size, (isNear ? Math.max(0, high) : high) + 0.06 * size];
}

function drawData(view) {
  element("data-figure").hidden = rows === null && nWeights > 1;
  if (nWeights > 1) {
    if (rows !== null) drawPredictions(view);
    return;
  }
  const x = rows === null ? within(page.mean, 2.5 * page.deviation) : rows.x.map((row) => row[0]);
  const ends = span(x, !page.has_intercept);
  const at = (theta) => ends.map((end) => forward([end, 1].slice(0, theta.length), theta));
  const line = (name, theta, style, opacity = 1) => ({
    name, mode: "lines", x: ends, y: at(theta), line: style, opacity, hoverinfo: "name", showlegend: opacity === 1,
  });
  const { thetas } = result;
  const traces = [line("start", thetas[0], { color: GREY, dash: "dash" })];
  for (let i = 1; i < Math.min(6, view.last); i++) {
    if (view.isInside[i]) traces.push(line(`epoch ${i}`, thetas[i], { color: BLUE, width: 1 }, 0.45));
  }
  traces.push(line(`after ${counted(view.last, "epoch")}`, thetas[view.last], { color: ORANGE, width: 3 }));
  if (rows !== null) traces.push(points("rows", x, rows.y, "black"));
  const heights = [...(rows === null ? [] : rows.y), ...at(thetas[0]), ...at(bowl.centre)];
  draw("data", rows === null ? "The line" : "The data and the line", traces, axis(page.features[0], ends), axis(page.target, span(heights)));
}

const points = (name, x, y, color) => ({
  name, mode: "markers", x, y, hoverinfo: "x+y", marker: { color, size: x.length > 100 ? 4 : 7, opacity: x.length > 100 ? 0.6 : 1 },
});

/** For two weights: the targets against the predictions, which are equal on the diagonal. */
function drawPredictions(view) {
  const predicted = (theta) => rows.x.map((x) => forward(x, theta));
  const first = predicted(result.thetas[0]);
  const last = predicted(result.thetas[view.last]);
  const range = span([...rows.y, ...first, ...predicted(bowl.centre)]);
  const diagonal = { name: "prediction = target", mode: "lines", x: range, y: range, line: { color: ORANGE, width: 2 }, hoverinfo: "skip" };
  const traces = [diagonal, points("start", first, rows.y, GREY), points(`after ${counted(view.last, "epoch")}`, last, rows.y, BLUE)];
  draw("data", "The data against the predictions", traces, axis("prediction", range), axis(page.target, range));
}

function drawCosts(view) {
  const isLog = element("log").checked;
  const { costs, epochs } = result;
  const y = costs.map((c, i) => (view.isDrawn[i] && (c > 0 || !isLog) ? c : null));
  const until = Math.max(1, view.last === epochs ? epochs : view.last + 1);
  const curve = {
    name: "cost", mode: epochs <= 30 ? "lines+markers" : "lines", x: grid(0, epochs, epochs + 1), y, line: { color: BLUE },
    hovertemplate: "epoch %{x}<br>cost %{y:.6g}<extra></extra>",
  };
  const least = { name: "least cost", mode: "lines", x: [0, until], y: [bowl.cost, bowl.cost], line: { color: GREY, dash: "dash" }, hoverinfo: "name" };
  const top = Math.max(...costs.filter((_, i) => view.isInside[i])) - bowl.cost || view.scale;
  const range = isLog ? undefined : [bowl.cost - 0.06 * top, bowl.cost + 1.06 * top];
  const shown = isLog && !(bowl.cost > 0) ? [curve] : [curve, least];
  draw("costs", "The cost by epoch", shown, axis("epoch", [-0.02 * until, 1.02 * until]),
    { ...axis("cost", range), type: isLog ? "log" : "linear", exponentformat: "power" });
}

// Text ----------------------------------------------------------------------------------------------------

function showVerdict(limit, momentum, view) {
  const isBeyond = state.rate >= limit;
  const sentences = [
    `The learning rate ${short(state.rate)} is ${isBeyond ? "above" : "below"} the limit ${short(limit)}: ` +
      (state.method === "sgd" ? ofSgd(isBeyond) : isBeyond ? ofDivergence(momentum) : ofConvergence(momentum)),
  ];
  if (view.outside > 0) {
    sentences.push(`The pictures keep the scale of the start and the minimum: ${view.outside} of ${counted(result.epochs, "epoch")} ${view.outside === 1 ? "lies" : "lie"} outside.`);
  }
  if (result.epochs < state.epochs) {
    sentences.push(`After ${counted(result.epochs, "epoch")} the cost becomes too large for a number.`);
  }
  element("verdict").textContent = sentences.join(" ");
  element("verdict").className = isBeyond || view.outside > 0 ? "beyond" : "";
}

const ofSgd = (isBeyond) => (isBeyond ? "a step can raise the loss of its own row." : "every step lowers the loss of its own row.");

function ofDivergence(momentum) {
  const steep = isFlat ? "" : ", in the steepest direction,";
  return momentum > 0
    ? `the steps${steep} swing farther and farther from the minimum.`
    : `a step${steep} overshoots the minimum and ends farther from it than it began.`;
}

function ofConvergence(momentum) {
  const [least, most] = page.eigenvalues;
  const needed = epochsTo(0.001, page.eigenvalues, state.rate, momentum);
  const verb = needed === 1 ? "leaves" : "leave";
  const sentence = `the steps lead to the minimum, and ${counted(needed, "epoch")} ${verb} a thousandth of the way.`;
  if (most < 1000 * least) return sentence;
  return `${sentence} The bowl is a valley, ${short(most / least, 2)} times as curved across as along: standardized columns make a rounder one.`;
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
      cell.append(Object.assign(document.createElement("data"), { value: repr(value), textContent: short(value, 6) }));
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
    text = `${n}. The bowl, full batch and momentum use all of them. ${drawn} rows, evenly spaced${among}, are drawn, and SGD takes these in order.`;
  }
  element("about").textContent = text;
}

addControls();
showAbout();
update();
