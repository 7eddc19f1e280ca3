"use strict";
/* The lesson's loops and its text. They know nothing of the page.

   θ is an array of parameters: [w], [w, intercept] or [w₀, w₁]. A row x has as many numbers, the last one 1
   if there is an intercept. The bowl is cost(θ) = cost + gradient·Δ + ½ Δᵀ hessian Δ with Δ = θ − centre. */

/** So many single steps are kept. */
const MOST_STEPS = 1500;

/** x·θ, summed from the first column to the last. */
function forward(x, theta) {
  return x.reduce((score, x_j, j) => score + x_j * theta[j], 0);
}

/** (1/n) Σ (x·θ − y)² of all rows. */
function cost(bowl, theta) {
  const delta = theta.map((t, j) => t - bowl.centre[j]);
  const curved = bowl.hessian.map((row) => forward(row, delta));
  return bowl.cost + forward(bowl.gradient, delta) + forward(delta, curved) / 2;
}

/** ∂cost/∂θ = (2/n) Σ x (x·θ − y) of all rows. */
function gradient(bowl, theta) {
  const delta = theta.map((t, j) => t - bowl.centre[j]);
  return bowl.hessian.map((row, j) => bowl.gradient[j] + forward(row, delta));
}

/** Full batch: θ ← θ − α ∂cost/∂θ + μ (θ − θ_before). */
function descend(bowl, start, rate, momentum, epochs) {
  let before = start;
  return run(bowl, start, epochs, (theta) => {
    const slope = gradient(bowl, theta);
    const next = theta.map((t, j) => t - rate * slope[j] + momentum * (t - before[j]));
    before = theta;
    return next;
  });
}

/** SGD, row by row in order: θ ← θ − α s 2x (x·θ − y), with the weight s of the row.

    `losses` has the loss of the last row after each epoch, `steps` θ after each of the first steps. */
function sgd(bowl, rows, start, rate, epochs) {
  const weight = (i) => (rows.weights === null ? 1 : rows.weights[i]);
  const residual = (i, theta) => forward(rows.x[i], theta) - rows.y[i];
  const last = rows.y.length - 1;
  const steps = [start];
  const result = run(bowl, start, epochs, (theta) => {
    rows.x.forEach((x, i) => {
      const r = residual(i, theta);
      theta = theta.map((t, j) => t - rate * (2 * x[j] * r * weight(i)));
      if (steps.length <= MOST_STEPS) steps.push(theta);
    });
    return theta;
  });
  const losses = result.thetas.slice(1).map((theta) => weight(last) * residual(last, theta) ** 2);
  return { ...result, losses, steps };
}

/** θ and the cost before each epoch and after the last. The run ends where the cost is no longer a number. */
function run(bowl, start, epochs, epoch) {
  const thetas = [start];
  const costs = [cost(bowl, start)];
  while (costs.length <= epochs) {
    const theta = epoch(thetas[thetas.length - 1]);
    const here = cost(bowl, theta);
    if (!Number.isFinite(here)) break;
    thetas.push(theta);
    costs.push(here);
  }
  return { thetas, costs, losses: null, steps: null, epochs: costs.length - 1 };
}

/** Full batch with momentum μ converges below the rate (1 + μ)/λmax, with λ the eigenvalues of XᵀX/n. */
function limitOfDescent(eigenvalues, momentum) {
  return (1 + momentum) / eigenvalues[1];
}

/** Every single step of SGD lowers the loss of its row below the rate 1/max s‖x‖². */
function limitOfSgd(rows) {
  const squares = rows.x.map((x, i) => forward(x, x) * (rows.weights === null ? 1 : rows.weights[i]));
  return 1 / Math.max(...squares);
}

/** The epochs that leave this part of the slowest error. In the direction of λ an epoch of full batch leaves
    the root z of z² − (1 + μ − 2αλ) z + μ = 0 with the largest |z|. */
function epochsTo(part, eigenvalues, rate, momentum) {
  const left = eigenvalues.map((value) => {
    const b = 1 + momentum - 2 * rate * value;
    const discriminant = b * b - 4 * momentum;
    return discriminant < 0 ? Math.sqrt(momentum) : (Math.abs(b) + Math.sqrt(discriminant)) / 2;
  });
  const slowest = Math.max(...left);
  return slowest < 1 ? Math.max(1, Math.ceil(Math.log(part) / Math.log(slowest))) : Infinity;
}

/** A number as Python prints it. */
function repr(x) {
  const [digits, exponent] = x
    .toExponential()
    .split("e")
    .map((part, i) => (i ? Number(part) : part));
  if (exponent >= 16 || exponent < -4) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** A number with so many decimals, or with an exponent if it is long. */
function rounded(x, digits) {
  return Math.abs(x) < 1e15 ? x.toFixed(digits) : x.toExponential(digits);
}

/** The text of `FitResult.trace(digits=…)`: of more than 21 epochs the first 11 and the last 10. */
function trace(result, shape, digits) {
  const text = (theta) => {
    const parts = theta.slice(0, shape.nWeights).map((t) => rounded(t, digits));
    return shape.isScalar ? parts[0] : `[${parts.join(", ")}]`;
  };
  const line = (epoch) => {
    const number = String(epoch).padStart(3);
    const w = text(result.thetas[epoch + 1]);
    return result.losses === null
      ? `Epoch: ${number} w= ${w} cost= ${rounded(result.costs[epoch], digits)}`
      : `progress: ${number} w= ${w} loss= ${rounded(result.losses[epoch], digits)}`;
  };
  const lines = Array.from({ length: result.epochs }, (_, epoch) => line(epoch));
  if (lines.length > 21) lines.splice(11, lines.length - 21, "…………");
  if (shape.isScalar) {
    const predict = (theta) => forward([4, 1].slice(0, theta.length), theta);
    lines.unshift(`Predict (before training) 4 ${repr(predict(result.thetas[0]))}`);
    lines.push(`Predict (after training)   4  ${rounded(predict(result.thetas[result.epochs]), digits)}`);
  }
  return lines.join("\n");
}
