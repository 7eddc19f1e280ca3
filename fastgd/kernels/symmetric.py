"""Small dense symmetric problems, d from 1 to 1000: G x = c.

Our own and not LAPACK's, whose bits change with the number of BLAS threads. Everything walks along
rows, which lie contiguously, and nothing but the loops that must be vector loops is FAST. Scales are
powers of two: they keep numbers away from overflow and change no digit.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import FAST, kernel

NOISE = 2.0**-44
"""So small a part of the numbers that it is a difference of is rounding."""
LARGE = 4.0
"""A column that is more than so many times a chosen one takes its place."""


@kernel(fastmath=FAST)
def dot(row, v):
    """Σ_j row_j v_j over the length of v; the row may be longer."""
    total = 0.0
    for j in range(len(v)):
        total += row[j] * v[j]
    return total


@kernel(fastmath=FAST)
def times(M, v, out):
    """out_i = M_i·v, M (n, at least the length of v): four rows share each load of v."""
    n = len(M)
    whole = n - n % 4
    for i in range(0, whole, 4):
        a, b, c, e = M[i], M[i + 1], M[i + 2], M[i + 3]
        sa = sb = sc = se = 0.0
        for j in range(len(v)):
            sa += a[j] * v[j]
            sb += b[j] * v[j]
            sc += c[j] * v[j]
            se += e[j] * v[j]
        out[i], out[i + 1], out[i + 2], out[i + 3] = sa, sb, sc, se
    for i in range(whole, n):
        out[i] = dot(M[i], v)


@kernel
def size_of(v):
    """max |v_j|, 0 of nothing; inf where one is not finite."""
    size = 0.0
    for j in range(len(v)):
        if not math.isfinite(v[j]):
            return math.inf
        size = max(size, abs(v[j]))
    return size


@kernel
def subtract(v, factor, row):
    """v ← v − factor·row over the length of v; the row may be longer."""
    for j in range(len(v)):
        v[j] -= factor * row[j]


@kernel
def solve_transposed(L, v):
    """v ← L⁻ᵀ v, L unit lower triangular, at least the length of v."""
    for k in range(len(v) - 1, -1, -1):
        subtract(v[:k], v[k], L[k])


@kernel
def solve_basic(G, c, tolerance, x):
    """As `solve`, but x is 0 for the columns order[rank:], which others explain.

    Returns (rank, L, order, scale, pivots), the last D of `solve`.
    """
    d = len(c)
    # A column of L is written down its rows: the odd length keeps them out of one another's cache lines.
    L, room, order = np.empty((d, d + 1)), np.empty((6, d)), np.empty(d, np.int64)
    scale, square, left, pivots, v, z = room[0], room[1], room[2], room[3], room[4], room[5]
    for i in range(d):
        x[i], order[i] = 0.0, i
        scale[i] = math.ldexp(1.0, -(math.frexp(G[i, i])[1] >> 1)) if G[i, i] > 0 else 0.0
        left[i] = G[i, i] * scale[i] * scale[i]
        square[i] = max(left[i], 0.5)  # left[i] itself, in [1/2, 2), but for a zero column
    rank = 0
    for k in range(d):
        best, best_share = -1, max(tolerance, 0.0)
        for i in range(k, d):
            share = left[order[i]] / square[order[i]]
            if share > best_share:
                best, best_share = i, share
        if best < 0:
            break
        p, row, other = order[best], L[k], L[best]
        order[best], order[k] = order[k], p
        g, pivot = G[p], left[p]
        pivots[k] = pivot
        for j in range(k):
            v[j] = other[j] * pivots[j]
            other[j], row[j] = row[j], other[j]
        times(L[k + 1 :], v[:k], z)
        for i in range(k + 1, d):
            o = order[i]
            entry = g[o] * scale[o] * scale[p] - z[i - k - 1]
            L[i, k] = entry / pivot
            left[o] -= entry * L[i, k]
        rank += 1
    for k in range(rank):
        z[k] = c[order[k]] * scale[order[k]] - dot(L[k], z[:k])
        v[k] = z[k] / pivots[k]
    solve_transposed(L, v[:rank])
    for k in range(rank):
        x[order[k]] = v[k] * scale[order[k]]
    return rank, L, order, scale, pivots


@kernel
def exchange(K, order):
    """Columns of the rest take chosen ones' places, by steps of Gauss and Jordan, until no entry is LARGE.

    K as in `shorten`. This keeps I + K Kᵀ far from singular, whatever the columns' units. (Gu and
    Eisenstat, SIAM Journal on Scientific Computing 17, 1996.)
    """
    rest, rank = len(K) - 1, K.shape[1]
    while True:
        a, b, largest = 0, 0, LARGE
        for j in range(rest):
            for i in range(rank):
                if abs(K[j, i]) > largest:
                    a, b, largest = i, j, abs(K[j, i])
        if largest == LARGE:
            return
        order[a], order[rank + b] = order[rank + b], order[a]
        pivot, K[b, a] = K[b, a], -1.0
        for i in range(rank):
            K[b, i] /= -pivot
        for j in range(rest + 1):
            if j != b:
                part, K[j, a] = K[j, a], 0.0
                for i in range(rank):
                    entry = K[j, i] + part * K[b, i]
                    K[j, i] = entry if abs(entry) > NOISE * abs(K[j, i]) else 0.0


@kernel
def explained(rank, L, order, scale, K):
    """Into K (at least rest, rank) the Kᵀ of `solve`, with what `solve_basic` returned; uses up L[rank:]."""
    for j in range(len(order) - rank):
        o, row = order[rank + j], L[rank + j][:rank]
        solve_transposed(L, row)
        for i in range(rank):  # a zero column, of scale 0, has a row of zeros
            K[j, i] = row[i] * (scale[order[i]] / scale[o]) if abs(row[i]) > NOISE else 0.0


@kernel
def shorten(x, rank, L, order, scale):
    """From a basic solution x to the shortest, with what `solve_basic` returned; L is used up."""
    rest = len(x) - rank
    K, A, t = np.empty((rest + 1, rank)), np.zeros((rank, rank)), np.empty(rank)  # Kᵀ, below it z
    explained(rank, L, order, scale, K)
    for i in range(rank):
        K[rest, i] = x[order[i]]
    if size_of(K.reshape(-1)) == math.inf:
        return  # units 10³⁰⁰ apart
    exchange(K, order)
    for i in range(rank):
        A[i, i] = 1.0
        for j in range(rest):
            subtract(A[i], -K[j, i], K[j])
    solve_basic(A, K[rest], 0.0, t)
    for k in range(len(x)):
        x[order[k]] = t[k] if k < rank else dot(K[k - rank], t)


@kernel
def solve(G, c, tolerance, x):
    """Into x (d,) the shortest solution of G x = c, G symmetric positive semidefinite; returns the rank.

    G (d, d), not modified; x is another array than c (d,).

    P S G S Pᵀ = L D Lᵀ, row by row: Cholesky without the roots, so that for d = 1 x is c/G, rounded once.
    S scales by powers of two, P chooses. The next pivot is the column with the greatest left/square, the
    share of its square that the columns before do not explain: 1 at first, whatever the columns' units.
    Once none is above `tolerance`, those that remain are the chosen ones times K = L₁⁻ᵀ L₂ᵀ. With z, the
    basic solution on the chosen ones, x = [I K]ᵀ (I + K Kᵀ)⁻¹ z is the shortest with [I K] x = z. It solves
    any c in the range of G and lies in that range; it is 0 for columns of zeros. With an entry that is
    not finite: −1, and x = 0. (Golub and Van Loan, Matrix Computations, 4th ed., 4.1.2, 4.2.8, 5.6.2.)
    """
    for i in range(len(x)):
        x[i] = 0.0
    if size_of(c) == math.inf or size_of(G.reshape(-1)) == math.inf:
        return -1
    rank, L, order, scale, _ = solve_basic(G, c, tolerance, x)
    if rank < len(x):
        shorten(x, rank, L, order, scale)
    return rank
