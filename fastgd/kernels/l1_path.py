"""The optima of squared errors with l1 and l2 penalties, one after the other, on the table of the rows.

With S = Σ x xᵀ and c = Σ x r of centred rows about the weights w_ref, v = w − w_ref, and h = c − S v, an
optimum has, for λ = n·l1/2 and κ = n·l2/2,

    h_j = λ sign(w_j) + κ w_j   where w_j ≠ 0,      |h_j| ≤ λ   elsewhere.

Each optimum starts at the last one. Coordinate descent (J. Friedman, T. Hastie and R. Tibshirani, Journal of
Statistical Software 33(1), 2010) finds the weights that are not 0, and a Cholesky solution on them all
digits. A weight that would change its sign on the way stops at 0. Both steps lower the cost, so the set of
weights never comes back.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.epochs import dot
from fastgd.kernels.proximal import BLUR, product

MOST = 500
"""Most rounds of descents and solutions for one optimum."""
DEPENDENT = 1e-13
"""A column is a linear combination of others if they explain all but this share of its square."""


@kernel(fastmath=FAST)
def move(h, row, step):
    for j in range(len(h)):
        h[j] -= step * row[j]


@kernel
def sweep(S, w_ref, lam, kappa, v, h):
    """Minimise along each weight in turn."""
    for j in range(len(v)):
        square, w = S[j, j], w_ref[j] + v[j]
        pull = h[j] + square * w
        if not abs(pull) > lam or not square > 0.0:
            step, new = -w, -w_ref[j]
        else:
            step = (h[j] - math.copysign(lam, pull) - kappa * w) / (square + kappa)
            new = v[j] + step
        if step != 0.0:
            v[j] = new
            move(h, S[j], step)


@kernel
def excess(w_ref, units, lam, kappa, v, h, c):
    """How far the conditions are from true, for weights of 0 and for others, in units of rounding errors."""
    length, off, on = 0.0, 0.0, 0.0
    for j in range(len(v)):
        length += units[j] * abs(v[j])
    for j in range(len(v)):
        w = w_ref[j] + v[j]
        least = BLUR * (units[j] * length + abs(c[j]) + lam + kappa * abs(w))
        if w == 0.0:
            off = max(off, (abs(h[j]) - lam) / least if least > 0.0 else 0.0)
        else:
            on = max(on, abs(h[j] - math.copysign(lam, w) - kappa * w) / least)
    return off, on


@kernel
def factorise(S, kappa, active, L):
    """L Lᵀ = S + κ on the active columns before the first dependent one, with 1/L_ii on the diagonal.

    Returns the number of these columns.
    """
    for i in range(len(active)):
        row = L[i]
        for j in range(i):
            row[j] = (S[active[i], active[j]] - dot(row[:j], L[j, :j])) * L[j, j]
        square = S[active[i], active[i]] + kappa
        rest = square - dot(row[:i], row[:i])
        if not rest > DEPENDENT * square:
            return i
        row[i] = 1.0 / math.sqrt(rest)
    return len(active)


@kernel
def solve(L, x):
    """x ← (L Lᵀ)⁻¹ x."""
    for i in range(len(x)):
        x[i] = (x[i] - dot(L[i, :i], x[:i])) * L[i, i]
    solve_back(L, x)


@kernel
def solve_back(L, x):
    """x ← (Lᵀ)⁻¹ x."""
    for i in range(len(x) - 1, -1, -1):
        x[i] *= L[i, i]
        move(x[:i], L[i, :i], x[i])


@kernel
def direction(w_ref, lam, kappa, v, h, active, L, rank, step):
    """The step of the active weights to their optimum, if their columns are independent.

    Otherwise column `rank` is a combination of those before it. A step along it changes no score, and lowers
    Σ|w| until a weight is 0. Returns the longest share of the step.
    """
    for i in range(len(active)):
        w = w_ref[active[i]] + v[active[i]]
        step[i] = h[active[i]] - math.copysign(lam, w) - kappa * w
    if rank == len(active):
        solve(L, step[:rank])
        return 1.0
    before = L[rank, :rank].copy()
    solve_back(L, before)
    sign = math.copysign(1.0, step[rank] - dot(before, step[:rank]))
    for i in range(len(active)):
        step[i] = -sign * before[i] if i < rank else 0.0
    step[rank] = sign
    return math.inf


@kernel
def walk(w_ref, v, active, step, share):
    """Take this share of the step, or end where the first weight is 0. Return whether none is."""
    first, sign = -1, 1.0
    for _ in range(2):
        for i in range(len(active)):
            w, move_i = w_ref[active[i]] + v[active[i]], sign * step[i]
            if w * move_i < 0.0 and -w / move_i < share:
                share, first = -w / move_i, i
        if math.isfinite(share):
            break
        sign = -sign  # no weight ends at 0: rounding errors chose the direction
    for i in range(len(active)):
        v[active[i]] += share * sign * step[i]
    if first >= 0:
        v[active[first]] = -w_ref[active[first]]
    return first < 0


@kernel
def new_active(w_ref, v, active):
    """Write the columns of weights that are not 0. Return their number, and whether `active` held others."""
    count, is_new = 0, False
    for j in range(len(v)):
        if w_ref[j] + v[j] != 0.0:
            is_new = is_new or active[count] != j
            active[count] = j
            count += 1
    if count < len(active) and active[count] >= 0:
        is_new = True
        for i in range(count, len(active)):
            active[i] = -1
    return count, is_new


@kernel
def optima(S, c, n, w_ref, l1, l2, out):
    """Write v of the optimum of each pair l1[k], l2[k] into out[k]. Return how many were not reached."""
    d, missed, last_kappa = len(c), 0, -1.0
    v, h, units, step, L = -w_ref, np.empty(d), np.empty(d), np.empty(d), np.empty((d, d))
    active = np.full(d, -1)
    is_factorised, rank, count = False, 0, 0
    for j in range(d):
        units[j] = math.sqrt(S[j, j])
    for k in range(len(l1)):
        lam, kappa = 0.5 * n * l1[k], 0.5 * n * l2[k]
        is_done, refined = False, 0
        is_factorised = is_factorised and kappa == last_kappa
        last_kappa = kappa
        # The weights of the last optimum are tried first, without a descent.
        descends = not is_factorised
        product(S, c, v, h)
        for _ in range(MOST):
            if descends:
                for _ in range(1 + count * count // (6 * d)):  # about the time of a factorisation
                    sweep(S, w_ref, lam, kappa, v, h)
                product(S, c, v, h)
                refined = 0
            else:
                if not is_factorised:
                    rank, is_factorised = factorise(S, kappa, active[:count], L), True
                longest = direction(w_ref, lam, kappa, v, h, active[:count], L, rank, step)
                is_solved = walk(w_ref, v, active[:count], step, longest)
                product(S, c, v, h)
                refined = refined + 1 if is_solved and rank == count else 0
            count, is_new = new_active(w_ref, v, active)
            is_factorised = is_factorised and not is_new
            off, on = excess(w_ref, units, lam, kappa, v, h, c)
            # A second solution corrects the rounding errors of the first.
            is_done = off <= 1.0 and (on <= 1.0 or refined > 1)
            if is_done:
                break
            descends = not descends and refined > 1
        missed += not is_done
        for j in range(d):
            out[k, j] = v[j]
    return missed
