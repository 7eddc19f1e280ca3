"use strict";
/* The pictures, drawn by Plotly. `page`, `bowl`, `rows` and `result` are those of page.js. */

const BLUE = "#0072b2"; // of the colour-blind-safe palette of Okabe and Ito
const SKY = "#56b4e9";
const ORANGE = "#d55e00";
const GREY = "#999999";

/** Costs this many times as far above the least one as the first are outside of the pictures. */
const FAR = 10;

/** A name on an axis, not too long. Plotly takes some tags, so they are escaped. */
const plain = (name) =>
  (name.length > 40 ? `${name.slice(0, 39)}…` : name)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;");

/** What of a run is inside the pictures, whose scale is that of the start and the minimum: which epochs are
    inside, the last of them, and how many are not; which are drawn; the single steps that are drawn; and
    how far the pictures reach from the minimum, in each direction. */
function viewOf({ thetas, costs, steps }) {
  const scale = Math.max(costs[0] - bowl.cost, ...gaps.map((gap, j) => (bowl.hessian[j][j] * gap * gap) / 2));
  const excess = costs.map((c) => c - bowl.cost);
  const isInside = excess.map((e) => e <= FAR * scale);
  const last = isInside.lastIndexOf(true);
  // An epoch next to one inside shows where the run leaves.
  const isNear = (e) => e < 1e8 * scale;
  const isDrawn = excess.map((e, i) => isInside[i] || ((isInside[i - 1] || isInside[i + 1]) && isNear(e)));
  const far = steps === null ? 0 : steps.findIndex((theta) => !isNear(cost(bowl, theta) - bowl.cost));
  const half = bowl.centre.map(
    (c, j) =>
      1.1 * Math.max(gaps[j], ...thetas.filter((_, i) => isInside[i]).map((theta) => Math.abs(theta[j] - c))),
  );
  return {
    scale,
    isInside,
    isDrawn,
    last,
    half,
    outside: isInside.filter((inside) => !inside).length,
    steps: steps === null || far < 0 ? steps : steps.slice(0, far),
  };
}

function draw(id, title, traces, xaxis, yaxis) {
  element(`${id}-title`).textContent = title;
  const layout = {
    margin: { l: 56, r: 12, t: element(id).clientWidth < 420 ? 66 : 44, b: 44 }, // for lines of the legend
    dragmode: false, // so that a finger scrolls the page
    hovermode: "closest",
    legend: {
      orientation: "h",
      x: 0,
      xref: "container",
      y: 1,
      yref: "container",
      yanchor: "top",
      font: { size: 12 },
    },
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
    name,
    mode: "markers",
    x: [place[0]],
    y: [place[1]],
    hoverinfo: "name",
    marker: { symbol, size, color, line: { color: "black", width: 1.5 } },
  });
  const single = { name: "each row", mode: "lines", hoverinfo: "skip", line: { color: SKY, width: 1 } };
  const traces = [
    ...(view.steps === null ? [] : [{ ...single, ...place(view.steps) }]),
    {
      name: "each epoch",
      mode: "lines+markers",
      x: shown(x),
      y: shown(y),
      customdata: result.costs,
      text: result.costs.map((_, epoch) => String(epoch)),
      hovertemplate: "epoch %{text}<br>cost %{customdata:.4g}<extra></extra>",
      line: { color: BLUE, width: 1.5 },
      marker: { color: BLUE, size: 5 },
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
  const place = (thetas) => ({ x: of(thetas, 0), y: of(thetas, 1) });
  draw(
    "bowl",
    "The bowl of the cost, from above",
    [ellipses(view), ...steps(place, bowl.centre, view)],
    x,
    y,
  );
}

/** Ellipses of equal cost, at even distances: cost − least = |LᵀΔ|² with hessian/2 = L Lᵀ. */
function ellipses(view) {
  const [[a, b], [, c]] = bowl.hessian.map((row) => row.map((h) => h / 2));
  const tiny = 1e-12 * (a + c); // a valley without an end has a long ellipse
  const l00 = Math.sqrt(Math.max(a, tiny));
  const l10 = b / l00;
  const l11 = Math.sqrt(Math.max(c - l10 * l10, tiny));
  const [u, v] = view.half;
  const farthest = Math.max(...[v, -v].map((w) => Math.hypot(l00 * u + l10 * w, l11 * w))); // of the corners
  const curve = { name: "equal cost", mode: "lines", x: [], y: [], hoverinfo: "skip", showlegend: false };
  for (let ring = 1; ring <= 30; ring++) {
    for (const angle of grid(0, 2 * Math.PI, 121)) {
      const [p, q] = [Math.cos(angle), Math.sin(angle)].map((part) => (part * ring * farthest) / 9);
      const up = q / l11;
      curve.x.push(bowl.centre[0] + (p - l10 * up) / l00);
      curve.y.push(bowl.centre[1] + up);
    }
    curve.x.push(null); // a gap
    curve.y.push(null);
  }
  return { ...curve, line: { color: "#bbbbbb", width: 1 } };
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
    name,
    mode: "lines",
    x: ends,
    y: at(theta),
    line: style,
    opacity,
    hoverinfo: "name",
    showlegend: opacity === 1,
  });
  const { thetas } = result;
  const traces = [line("start", thetas[0], { color: GREY, dash: "dash" })];
  for (let i = 1; i < Math.min(6, view.last); i++) {
    if (view.isInside[i]) traces.push(line(`epoch ${i}`, thetas[i], { color: BLUE, width: 1 }, 0.45));
  }
  traces.push(line(`after ${counted(view.last, "epoch")}`, thetas[view.last], { color: ORANGE, width: 3 }));
  if (rows !== null) traces.push(points("rows", x, rows.y, "black"));
  const heights = [...(rows === null ? [] : rows.y), ...at(thetas[0]), ...at(bowl.centre)];
  draw(
    "data",
    rows === null ? "The line" : "The data and the line",
    traces,
    axis(page.features[0], ends),
    axis(page.target, span(heights)),
  );
}

const points = (name, x, y, color) => ({
  name,
  mode: "markers",
  x,
  y,
  hoverinfo: "x+y",
  marker: { color, size: x.length > 100 ? 4 : 7, opacity: x.length > 100 ? 0.6 : 1 },
});

/** For two weights: the targets against the predictions, which are equal on the diagonal. */
function drawPredictions(view) {
  const predicted = (theta) => rows.x.map((x) => forward(x, theta));
  const first = predicted(result.thetas[0]);
  const last = predicted(result.thetas[view.last]);
  const range = span([...rows.y, ...first, ...predicted(bowl.centre)]);
  const diagonal = {
    name: "prediction = target",
    mode: "lines",
    x: range,
    y: range,
    line: { color: ORANGE, width: 2 },
    hoverinfo: "skip",
  };
  const traces = [
    diagonal,
    points("start", first, rows.y, GREY),
    points(`after ${counted(view.last, "epoch")}`, last, rows.y, BLUE),
  ];
  draw(
    "data",
    "The data against the predictions",
    traces,
    axis("prediction", range),
    axis(page.target, range),
  );
}

function drawCosts(view) {
  const isLog = element("log").checked;
  const { costs, epochs } = result;
  const y = costs.map((c, i) => (view.isDrawn[i] && (c > 0 || !isLog) ? c : null));
  const until = Math.max(1, view.last === epochs ? epochs : view.last + 1);
  const curve = {
    name: "cost",
    mode: epochs <= 30 ? "lines+markers" : "lines",
    x: grid(0, epochs, epochs + 1),
    y,
    line: { color: BLUE },
    hovertemplate: "epoch %{x}<br>cost %{y:.6g}<extra></extra>",
  };
  const least = {
    name: "least cost",
    mode: "lines",
    x: [0, until],
    y: [bowl.cost, bowl.cost],
    line: { color: GREY, dash: "dash" },
    hoverinfo: "name",
  };
  const top = Math.max(...costs.filter((_, i) => view.isInside[i])) - bowl.cost || view.scale;
  const range = isLog ? undefined : [bowl.cost - 0.06 * top, bowl.cost + 1.06 * top];
  const shown = isLog && !(bowl.cost > 0) ? [curve] : [curve, least];
  draw("costs", "The cost by epoch", shown, axis("epoch", [-0.02 * until, 1.02 * until]), {
    ...axis("cost", range),
    type: isLog ? "log" : "linear",
    exponentformat: "power",
  });
}
