"""SGD steps over a run of rows in order, for any loss of the score s = x·w + b. w and b are updated in place.

`run_blocked` takes plain steps, with or without an l2 penalty and sample weights s_i. Each step waits for the
previous one, and for short rows this wait takes most of the time. So a few steps are taken together
(`steps_few.py`). `run_plain` takes one step after the other and supports momentum, l1, batches of rows and
the mean of the iterates (B. T. Polyak and A. B. Juditsky, SIAM J. Control Optim. 30(4), 1992).
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.steps_few import short_slope, steps_by_four, steps_by_two
from fastgd.kernels.vectors import padded

BY_FOUR = 32
"""With at most this many columns, four rows are stepped together; with more, two."""


@kernel(fastmath=FAST)
def run_blocked(X, y, weights, w, b, loss, rate, l2, with_intercept):
    """One step for each row, equal to one step after the other up to rounding:

        φ = s_i slope(x_i·w + b, y_i),    w ← (1 − α l2) w − α φ x_i,    b ← b − α φ.

    X (n, d) is C-contiguous, y (n,). The weights s are (n,), or (0,) if all are 1. w (d,) and b (1,) are
    float64. Without `with_intercept` b is part of the score but does not change.
    """
    d = len(w)
    if d <= BY_FOUR:
        done = steps_by_four(X, y, weights, w, b, loss, rate, l2, with_intercept)
    else:
        padded_w = padded(w)
        done = steps_by_two(X.reshape(-1), y, weights, d, padded_w, b, loss, rate, l2, with_intercept)
        for j in range(d):
            w[j] = padded_w[j]
    for i in range(done, len(y)):
        x = X[i]
        score = b[0]
        for j in range(d):
            score += x[j] * w[j]
        factor = -rate * short_slope(loss, score, np.float64(y[i]))
        if len(weights) > 0:
            factor *= weights[i]
        for j in range(d):
            w[j] = (1.0 - rate * l2) * w[j] + factor * x[j]
        if with_intercept:
            b[0] += factor


@kernel(fastmath=FAST)
def run_plain(
    X,
    y,
    weights,
    w,
    b,
    before_w,
    before_b,
    loss,
    rate,
    l1,
    l2,
    momentum,
    nesterov,
    batch_size,
    pending,
    average_w,
    average_b,
    counts,
    with_intercept,
    finish,
):
    """One step after the other, each on a batch of rows. With nesterov p = w + μ (w − before), else p = w:

        G = Σ s_i slope(x_i·p + b_p, y_i) x_i, for several rows divided by Σ s_i (0 if Σ s_i is 0),
        z = w + μ (w − before) − α (G + l2∘p),    before ← w,    w ← z − clip(z, −α l1, α l1).

    b is updated in the same way, without penalties. A batch has `batch_size` rows. l1 and l2 are (d,).

    A batch may continue in the next call. `pending` (d + 3,) holds Σ s_i slope x_i, Σ s_i slope, Σ s_i and
    the number of rows; it is zero at the start of an epoch. With `finish` a shorter last batch takes its
    step.

    counts (2,) holds the number of steps done and the first step (from 0) whose result is averaged, or −1.
    average_w and average_b are the mean of the iterates from that step on. average_w is (0,) without
    averaging. Without momentum `before` is neither read nor written.
    """
    d = len(w)
    n = len(y)
    weighted = len(weights) > 0
    heavy = momentum != 0.0
    look = momentum if nesterov else 0.0
    sparse = False
    for j in range(d):
        sparse = sparse or l1[j] != 0.0
    direct = batch_size == 1 and not heavy and not sparse
    for i in range(n + 1 if finish else n):
        if i < n:
            score = b[0]
            if look == 0.0:
                for j in range(d):
                    score += X[i, j] * w[j]
            else:
                score += look * (b[0] - before_b[0])
                for j in range(d):
                    score += X[i, j] * (w[j] + look * (w[j] - before_w[j]))
            weight = weights[i] if weighted else 1.0
            factor = weight * short_slope(loss, score, np.float64(y[i]))
            if direct:  # the same without `pending`
                for j in range(d):
                    w[j] -= rate * (factor * X[i, j] + l2[j] * w[j])
                if with_intercept:
                    b[0] -= rate * factor
            else:
                for j in range(d):
                    pending[j] += factor * X[i, j]
                pending[d] += factor
                pending[d + 1] += weight
                pending[d + 2] += 1.0
                if pending[d + 2] < batch_size:
                    continue
        elif pending[d + 2] == 0.0:
            break
        if not direct:
            scale = 1.0
            if batch_size > 1:
                if pending[d + 1] == 0.0:
                    pending[: d + 1] = 0.0  # also if it is NaN
                else:
                    scale = 1.0 / pending[d + 1]
            for j in range(d):
                old = w[j]
                change = old - before_w[j] if heavy else 0.0
                z = (old + momentum * change) - rate * (scale * pending[j] + l2[j] * (old + look * change))
                most = rate * l1[j]
                cut = most if z > most else z  # keeps NaN
                cut = -most if z < -most else cut
                w[j] = z - cut
                if heavy:
                    before_w[j] = old
            if with_intercept:
                old = b[0]
                change = old - before_b[0] if heavy else 0.0
                b[0] = (old + momentum * change) - rate * scale * pending[d]
                if heavy:
                    before_b[0] = old
            pending[:] = 0.0
        m = counts[0] - counts[1] + 1
        counts[0] += 1
        if counts[1] >= 0 and m > 0:
            share = 1.0 / m
            for j in range(d):
                average_w[j] += share * (w[j] - average_w[j])
            average_b[0] += share * (b[0] - average_b[0])
