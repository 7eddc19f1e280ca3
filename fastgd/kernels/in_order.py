"""One SGD epoch's part over a run of rows, in order: w is the state that is handed along.

w ← w − α 2 x (x·w − y), a row at a time, with the compiler free to fuse multiply-adds and to
regroup the sum x·w. A step waits for the step before; where rows are short that wait is most of the
time. So steps of several rows are taken together: with w before the first of them and φ_j the
factor of row j's step,

    φ_i = 2α (x_i·w − y_i − Σ_{j<i} (x_i·x_j) φ_j),    w ← w − Σ φ_i x_i,

which is the same sequence of steps, and its long sums wait for nothing (J. Benesty and P. Duhamel, "A
fast exact least mean square adaptive algorithm", IEEE Trans. Signal Processing 40(12), 1992). With one
column steps are composed as affine maps (S. Maleki, M. Musuvathi, T. Mytkowicz, "Parallel stochastic
gradient descent with sound combiners", arXiv 1705.08030).
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import CONTRACT, FAST, kernel

LEAF = 256
"""Rows whose maps are made at once: they stay in the first-level cache."""

BY_FOUR, BY_TWO = 24, 48
"""Up to so many columns four rows, or two, are stepped together; longer rows hide the wait themselves."""


@kernel
def run_1d(x, y, w, rate):
    """One column: a step is the map u ← a u + b of u = w − w_ref, and maps compose before w is known.

    w_ref is w at the leaf's start, so a weight that fits exactly stays where it is at any rate, as in
    the plain loop.
    """
    a, b = np.empty(LEAF), np.empty(LEAF)
    for start in range(0, len(x), LEAF):
        xs, ys = x[start : start + LEAF], y[start : start + LEAF]
        maps_of_steps(xs, ys, w[0], 2.0 * rate, a, b)
        moved = apply_maps(a[: len(xs)], b[: len(xs)])
        if math.isfinite(moved):
            w[0] += moved
        else:  # the product of maps overflowed, which says nothing of the steps
            plain_steps(xs, ys, w, 2.0 * rate)


@kernel(fastmath=CONTRACT)
def maps_of_steps(x, y, reference, twice_rate, a, b):
    """a_i = 1 − 2α x_i², b_i = 2α x_i (y_i − x_i w_ref)."""
    for i in range(len(x)):
        x_i = np.float64(x[i])
        scaled = twice_rate * x_i
        a[i] = 1.0 - scaled * x_i
        b[i] = scaled * (y[i] - x_i * reference)


@kernel(fastmath=CONTRACT)
def apply_maps(a, b):
    """u after all maps in order, from u = 0; four are composed while the four before them are applied."""
    u = 0.0
    whole = len(a) - len(a) % 4
    for i in range(0, whole, 4):
        first, first_b = a[i] * a[i + 1], a[i + 1] * b[i] + b[i + 1]
        second, second_b = a[i + 2] * a[i + 3], a[i + 3] * b[i + 2] + b[i + 3]
        u = (first * second) * u + (second * first_b + second_b)
    for i in range(whole, len(a)):
        u = a[i] * u + b[i]
    return u


@kernel
def plain_steps(x, y, w, twice_rate):
    for i in range(len(x)):
        x_i = np.float64(x[i])
        w[0] -= twice_rate * x_i * (x_i * w[0] - y[i])


@kernel(fastmath=FAST)
def run_nd(X, y, w, rate):
    d = len(w)
    if d <= BY_FOUR:
        done = steps_by_four(X, y, w, 2.0 * rate)
    elif d <= BY_TWO:
        done = steps_by_two(X, y, w, 2.0 * rate)
    else:
        done = 0
    for i in range(done, len(y)):
        x = X[i]
        factor = -np.float64(y[i])
        for j in range(d):
            factor += x[j] * w[j]
        factor *= 2.0 * rate
        for j in range(d):
            w[j] -= factor * x[j]


@kernel(fastmath=FAST)
def steps_by_four(X, y, w, twice_rate):
    """Four steps at a time; returns how many rows were used."""
    n, d = X.shape
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, e = X[i], X[i + 1], X[i + 2], X[i + 3]
        fa, fb, fc, fe = (
            -np.float64(y[i]),
            -np.float64(y[i + 1]),
            -np.float64(y[i + 2]),
            -np.float64(y[i + 3]),
        )
        ab = ac = ae = bc = be = ce = 0.0
        for j in range(d):
            w_j, a_j, b_j, c_j, e_j = (
                w[j],
                np.float64(a[j]),
                np.float64(b[j]),
                np.float64(c[j]),
                np.float64(e[j]),
            )
            fa += a_j * w_j
            fb += b_j * w_j
            fc += c_j * w_j
            fe += e_j * w_j
            ab += a_j * b_j
            ac += a_j * c_j
            ae += a_j * e_j
            bc += b_j * c_j
            be += b_j * e_j
            ce += c_j * e_j
        fa *= twice_rate
        fb = twice_rate * (fb - ab * fa)
        fc = twice_rate * (fc - ac * fa - bc * fb)
        fe = twice_rate * (fe - ae * fa - be * fb - ce * fc)
        for j in range(d):
            w[j] -= fa * a[j] + fb * b[j] + fc * c[j] + fe * e[j]
    return whole


@kernel(fastmath=FAST)
def steps_by_two(X, y, w, twice_rate):
    """Two steps at a time; returns how many rows were used."""
    n, d = X.shape
    whole = n - n % 2
    for i in range(0, whole, 2):
        a, b = X[i], X[i + 1]
        fa, fb, ab = -np.float64(y[i]), -np.float64(y[i + 1]), 0.0
        for j in range(d):
            w_j, a_j, b_j = w[j], np.float64(a[j]), np.float64(b[j])
            fa += a_j * w_j
            fb += b_j * w_j
            ab += a_j * b_j
        fa *= twice_rate
        fb = twice_rate * (fb - ab * fa)
        for j in range(d):
            w[j] -= fa * a[j] + fb * b[j]
    return whole
