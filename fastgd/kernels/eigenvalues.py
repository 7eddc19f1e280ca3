"""The extreme eigenvalues of small dense symmetric matrices, d from 1 to 1000.

By bisection of the tridiagonal form; the smallest, where it would be a rounding error of the largest, by an
inverse that keeps its digits. Our own and not LAPACK's, as in `symmetric.py`.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import CONTRACT, FAST, kernel
from fastgd.kernels.symmetric import (
    NOISE,
    dot,
    exchange,
    explained,
    size_of,
    solve_basic,
    solve_transposed,
    subtract,
)

NOTHING = 2.0**-900
"""A square of this size, in a matrix whose largest entry is about 1, is zero."""


@kernel(fastmath=FAST)
def times_lower(A, v, out):
    """out = A v of the symmetric A (at least k, k), k the length of v; reads the lower triangle, once."""
    for i in range(len(v)):
        row, vi, total = A[i], v[i], 0.0
        for j in range(i):
            total += row[j] * v[j]
            out[j] += row[j] * vi
        out[i] = total + row[i] * vi


@kernel(fastmath=CONTRACT)
def subtract_lower(A, v, w):
    """A ← A − v wᵀ − w vᵀ in the lower triangle of the first k rows, k the length of v."""
    for i in range(len(v)):
        row, vi, wi = A[i], v[i], w[i]
        for j in range(i + 1):
            row[j] -= vi * w[j] + wi * v[j]


@kernel
def scale_for(size):
    """The power of two that brings `size` into [1/2, 1), or near it."""
    return math.ldexp(1.0, min(-math.frexp(size)[1], 1000))


@kernel
def tridiagonalise(A, diagonal, off):
    """H A H of the symmetric A (d, d): into diagonal (d,) and off (d − 1,); A's lower triangle is used up.

    From the last row up, H = I − β v vᵀ takes row k to (0, …, 0, off), and A ← A − v wᵀ − w vᵀ with
    u = β A v, w = u − (β/2)(u·v) v. A's entries are about 1 at most. (Golub and Van Loan,
    8.3.1; from the last row, as Martin, Reinsch and Wilkinson, Numerische Mathematik 11, 1968: v is a row.)
    """
    w = np.empty(len(A))
    for k in range(len(A) - 1, 0, -1):
        v, last = A[k][:k], A[k, k - 1]
        diagonal[k], off[k - 1] = A[k, k], last
        rest = dot(v, v[: k - 1])
        if rest > NOTHING:
            norm = math.copysign(math.sqrt(rest + last * last), last)
            v[k - 1] += norm
            beta = 1.0 / (norm * v[k - 1])
            off[k - 1] = -norm
            times_lower(A, v, w)
            half = 0.5 * beta * (beta * dot(w, v))  # beta² could overflow; v·Av is at most about 1/beta
            for j in range(k):
                w[j] = beta * w[j] - half * v[j]
            subtract_lower(A, v, w[:k])
    diagonal[0] = A[0, 0]


@kernel
def count_up_to(diagonal, squares, x):
    """How many eigenvalues of the tridiagonal matrix are at most x: Sylvester's law on T − x I = L D Lᵀ.

    `squares` holds the squared off-diagonal; entries are about 1 at most. (Golub and Van Loan, 8.4.1.)
    """
    count, q = 0, 1.0
    for i in range(len(diagonal)):
        q = diagonal[i] - x - (squares[i - 1] / q if i else 0.0)
        if q <= NOTHING:  # an eigenvalue at x is counted, and nothing is divided by zero
            count += 1
            q = min(q, -NOTHING)
    return count


@kernel
def eigenvalue(diagonal, squares, index, low, high):
    """Eigenvalue number `index` (from 0, ascending), in (low, high], halved down to neighbouring numbers."""
    middle = 0.5 * (low + high)
    while low < middle < high:
        if count_up_to(diagonal, squares, middle) > index:
            high = middle
        else:
            low = middle
        middle = 0.5 * (low + high)
    return high


@kernel
def extreme_of_tridiagonal(diagonal, off, floor):
    """(smallest, largest) eigenvalue of the symmetric tridiagonal matrix; diagonal (d,), off (d − 1,).

    The smallest is the smallest above floor·largest: null directions do not count. Both are right to
    a few eps·largest. Where no eigenvalue is positive, both are the largest; where an entry is
    not finite, nan. (Barth, Martin and Wilkinson, Numerische Mathematik 9, 1967.)
    """
    d, size = len(diagonal), max(size_of(diagonal), size_of(off))
    if size == 0 or size == math.inf:
        return 0.0 * size, 0.0 * size  # of inf it is nan
    scale = scale_for(size)
    main, squares = np.empty(d), np.empty(d)
    for i in range(d):
        main[i] = diagonal[i] * scale
        squares[i] = (off[i] * scale) ** 2 if i < d - 1 else 0.0
    # No entry is above 1, so no eigenvalue is beyond 3 (Gershgorin).
    largest = eigenvalue(main, squares, d - 1, -4.0, 4.0)
    bottom = max(-4.0, floor * largest)  # where that is not below the largest, nothing is halved
    smallest = eigenvalue(main, squares, count_up_to(main, squares, bottom), bottom, largest)
    return smallest / scale, largest / scale


@kernel
def extreme_eigenvalues(G, floor):
    """(smallest, largest) eigenvalue of the symmetric G (d, d), the smallest above floor·largest.

    As `extreme_of_tridiagonal`; right to about √d eps·largest.
    """
    d, size = len(G), size_of(G.reshape(-1))
    if size == 0 or size == math.inf:
        return 0.0 * size, 0.0 * size  # of inf it is nan
    A, diagonal, off, scale = np.empty((d, d + 1)), np.empty(d), np.empty(d - 1), scale_for(size)
    for i in range(d):
        for j in range(i + 1):
            A[i, j] = G[i, j] * scale
    tridiagonalise(A, diagonal, off)
    smallest, largest = extreme_of_tridiagonal(diagonal, off, floor)
    return smallest / scale, largest / scale


@kernel
def cholesky(A):
    """The lower triangle of A, symmetric, positive definite, becomes C, A = C Cᵀ."""
    for i in range(len(A)):
        for k in range(i):
            A[i, k] = (A[i, k] - dot(A[i][:k], A[k][:k])) / A[k, k]
        A[i, i] = math.sqrt(A[i, i] - dot(A[i][:i], A[i][:i]))


@kernel
def solve_lower(C, v):
    """v ← C⁻¹ v of the lower triangle of C."""
    for i in range(len(v)):
        v[i] = (v[i] - dot(C[i][:i], v[:i])) / C[i, i]


@kernel
def add_intercept(W, Y, C, K, order, means, last):
    """W ← W + v vᵀ/(1 + p·p) in the lower triangle; v ends with `last`. See `least_eigenvalue`."""
    rank, r = Y.shape
    t, b, v, beyond = np.empty(r), np.empty(r), np.empty(rank + 1), 1.0
    for i in range(r):
        t[i] = means[order[i]]
        for j in range(len(order) - r):
            t[i] += K[j, i] * means[order[r + j]]
    solve_lower(C, t)
    b[:] = t  # becomes A⁻¹ a
    for i in range(r - 1, -1, -1):
        b[i] /= C[i, i]
        subtract(b[:i], b[i], C[i])
    for k in range(len(order)):
        m = means[order[k]]
        left = m - (b[k] if k < r else dot(K[k - r], b))
        beyond += left * left if abs(left) > NOISE * abs(m) else 0.0
    for i in range(rank):
        v[i] = dot(Y[i], t)
    v[rank] = last
    for i in range(rank + 1):
        for k in range(i + 1):
            W[i, k] += v[i] * v[k] / beyond


@kernel
def least_eigenvalue(S, means, corner, tolerance):
    """The smallest eigenvalue that is not 0 of S, or, with `corner` above 0, of that of an intercept too:

    H = [[S + c m mᵀ, c m], [c mᵀ, c]], m = `means`, c = `corner`; S symmetric, positive semidefinite.

    It is 1 over the largest eigenvalue of an inverse, which keeps its digits where the smallest would be a
    rounding error of the largest: where columns are in unlike units, or far from zero. With K of `solve`, A =
    I + K Kᵀ, and S₁₁⁻¹ = RᵀR of the chosen columns, the eigenvalues of S but 0 are those of
    (R A⁻¹ Rᵀ)⁻¹. With an intercept, a = [I K] m, and p what [I K]ᵀ does not reach of m, those of H are of the
    inverse of [[R A⁻¹ Rᵀ, 0], [0, 0]] + v vᵀ/(1 + p·p), v = (R A⁻¹ a, −1/√c).
    """
    d = len(S)
    rank, L, own, scale, pivots = solve_basic(S, np.zeros(d), tolerance, np.empty(d))
    r, rest, order = rank, d - rank, own.copy()
    K, C, chosen = np.zeros((rest + 1, r)), np.zeros((r, r)), np.empty((r, r))
    if rest:  # by shares the rank is right; of the large columns K has no large entries
        explained(rank, L, order, scale, K)
        exchange(K, order)
        for i in range(r):
            for k in range(r):
                chosen[i, k] = S[order[i], order[k]]
        rank, L, own, scale, pivots = solve_basic(chosen, np.zeros(r), 0.0, np.empty(r))
    else:
        order = np.arange(d)
    for i in range(r):
        C[i, i] = 1.0
        for j in range(rest):
            subtract(C[i], -K[j, i], K[j])
    cholesky(C)  # A = C Cᵀ
    unit = 0.0
    for k in range(rank):
        unit = max(unit, scale[own[k]])
    unit = 1.0 / unit if rank else 1.0  # of all that is inverted, against overflow
    Y, row = np.zeros((rank, r)), np.zeros(rank)
    for k in range(rank):  # Y = R C⁻ᵀ, from a row of L⁻¹
        row[:k], row[k] = 0.0, 1.0
        solve_transposed(L, row[: k + 1])
        for i in range(k + 1):
            Y[k, own[i]] = row[i] * (scale[own[i]] * unit / math.sqrt(pivots[k]))
        solve_lower(C, Y[k])
    size = rank + (1 if corner > 0.0 else 0)
    if size == 0:
        return 0.0
    W = np.zeros((size, size))
    for i in range(rank):
        for k in range(i + 1):
            W[i, k] = dot(Y[i], Y[k])
    if corner > 0.0:
        add_intercept(W, Y, C, K, order, means, -unit / math.sqrt(corner))
    largest = extreme_eigenvalues(W, 0.0)[1]
    return unit / largest * unit if largest > 0.0 else 0.0


@kernel
def extremes(H, S, means, corner, floor, alike, tolerance):
    """(the smallest that is not 0, the largest) eigenvalue of H, which is S or as of `least_eigenvalue`.

    By H itself where the smallest is above floor·d·largest, and columns are alike: no square is less than
    this part of another, nor, with an intercept, of what its column's mean makes of it.
    """
    smallest, largest = extreme_eigenvalues(H, -1.0)
    if not 0.0 < largest < math.inf:
        return smallest, largest
    least, most, are_alike = math.inf, 0.0, True
    for i in range(len(H)):
        if H[i, i] > 0.0:
            least, most = min(least, H[i, i]), max(most, H[i, i])
        if corner > 0.0 and i < len(S) and S[i, i] <= alike * H[i, i]:
            are_alike = False
    if least <= alike * most or not are_alike or smallest <= floor * len(H) * largest:
        smallest = least_eigenvalue(S, means, corner, tolerance)
    return smallest, largest
