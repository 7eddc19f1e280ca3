"""One SGD epoch's part over a run of rows, in order: w is the state that is handed along.

w ← w − α 2 x (x·w − y), a row at a time, with the compiler free to fuse multiply-adds and to
regroup the sum x·w. A step waits for the step before; where rows are short that wait is most of the
time. So steps of several rows are taken together: with w before the first of them and φ_j the
factor of row j's step,

    φ_i = 2α (x_i·w − y_i − Σ_{j<i} (x_i·x_j) φ_j),    w ← w − Σ φ_i x_i,

which is the same sequence of steps, and its long sums wait for nothing (J. Benesty and P. Duhamel, "A
fast exact least mean square adaptive algorithm", IEEE Trans. Signal Processing 40(12), 1992).
"""

from __future__ import annotations

from fastgd.kernels._jit import FAST, kernel

BY_FOUR, BY_TWO = 24, 48
"""Up to so many columns four rows, or two, are stepped together; longer rows hide the wait themselves."""


@kernel(fastmath=FAST)
def run_1d(x, y, w, rate):
    """The step written as w ← (1 − 2αx²) w + 2αxy: only one multiply-add then waits for the last."""
    weight = w[0]
    twice = 2.0 * rate
    for i in range(len(x)):
        scaled = twice * x[i]
        weight = (1.0 - scaled * x[i]) * weight + scaled * y[i]
    w[0] = weight


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
        factor = -y[i] * 1.0
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
        fa, fb, fc, fe = -y[i] * 1.0, -y[i + 1] * 1.0, -y[i + 2] * 1.0, -y[i + 3] * 1.0
        ab = ac = ae = bc = be = ce = 0.0
        for j in range(d):
            w_j, a_j, b_j, c_j, e_j = w[j], a[j] * 1.0, b[j] * 1.0, c[j] * 1.0, e[j] * 1.0
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
        fa, fb, ab = -y[i] * 1.0, -y[i + 1] * 1.0, 0.0
        for j in range(d):
            w_j, a_j, b_j = w[j], a[j] * 1.0, b[j] * 1.0
            fa += a_j * w_j
            fb += b_j * w_j
            ab += a_j * b_j
        fa *= twice_rate
        fb = twice_rate * (fb - ab * fa)
        for j in range(d):
            w[j] -= fa * a[j] + fb * b[j]
    return whole
