"""Affine maps of blocks of SGD steps on several columns, and the statistics of the same rows.

A column of A is the result of the steps for a unit vector and r = 0; b is their result for 0. All columns of
[A | b] take the same steps, four rows at once as in `in_order.py` (J. Benesty and P. Duhamel, "A fast exact
least mean square adaptive algorithm", IEEE Trans. Signal Processing 40(12), 1992). Let V_i be x_i [A | b]
with r_i subtracted in the last column, and let each φ_i be a row vector. Then

    φ_i = −2α (V_i + Σ_{j<i} (x_i·x_j) φ_j),    [A | b] ← [A | b] + Σ x_iᵀ φ_i.

A block is divided into eight stretches of rows. A lane of a vector belongs to a stretch, so no sum crosses
the lanes. The rows of the stretches are copied side by side to a panel, a few of each at a time. From a panel
come the steps for all rates, and the statistics. At the end the maps of the stretches are composed in order.
M holds [A | b] by columns. Below b stands a 1 and below the columns of A stands a 0: they multiply −r.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels import tree
from fastgd.kernels._jit import kernel
from fastgd.kernels.arrays import least, zeros, zeros_as
from fastgd.kernels.maps import drop_tiny
from fastgd.kernels.vectors import (
    LANES,
    interleave,
    item,
    load,
    multiply_add,
    splat,
    store,
    total,
)

FOUR, PAIRS = 4, 6
"""Rows that are stepped together, and pairs of them."""
HEIGHT = 16
"""Rows of each stretch in a panel. With few columns M and the panel fit in the first-level cache."""
TINY_ROWS = 256
"""Rows of a stretch after which tiny numbers are set to 0."""


@kernel
def run(x, y, w_ref, rates, block_rows, a, b, growth):
    """x (n·d,) holds the rows one after the other. y is (n,), w_ref (d,), rates (K,).

    a is (K, n_blocks, d, d), b (K, n_blocks, d), growth (K, n_blocks). Returns Σ z zᵀ of all rows with
    z = [x, r], the lower triangle row by row.
    """
    d = len(w_ref)
    size = (d + 1) * (d + 1) * LANES
    M, panel_sums = zeros(len(rates) * size), zeros((d + 2) * (d + FOUR) * LANES)
    panel, squares = zeros(HEIGHT * (d + 1) * LANES), zeros(HEIGHT * LANES)
    products = zeros(HEIGHT // FOUR * PAIRS * LANES)
    work = zeros(3 * (d + FOUR) * (d // LANES + 1) * LANES)
    errors, bound = HEIGHT * d * LANES, np.inf
    for k in range(len(rates)):
        bound = least(bound, 1.0 / rates[k] if rates[k] > 0.0 else -1.0)
    stack, top = tree.new_stack(a.shape[1], (d + 1) * (d + 2) // 2), tree.EMPTY
    for block in range(a.shape[1]):
        start, stop = block * block_rows, least((block + 1) * block_rows, len(y))
        xs, ys = x[start * d : stop * d], y[start:stop]
        stretch = -(-len(ys) // (HEIGHT * LANES)) * HEIGHT
        n_stretches = -(-len(ys) // stretch)
        if len(ys) < stretch * LANES:  # rows of zeros move nothing
            xs, ys = lengthened(xs, stretch * LANES * d), lengthened(ys, stretch * LANES)
        begin(d, M, panel_sums)
        for k in range(len(rates)):
            growth[k, block] = 1.0
        for first in range(0, stretch, HEIGHT):
            put_side_by_side(xs, first * d, stretch * d, panel[:errors])
            put_side_by_side(ys, first, stretch, panel[errors:])
            multiply_rows(panel, w_ref, squares, products)
            add_products(d, panel, panel_sums)
            for k in range(len(rates)):
                maps = M[k * size : (k + 1) * size]
                for four in range(HEIGHT // FOUR):
                    take_steps(d, 2.0 * rates[k], four, panel, products, maps)
                if (first + HEIGHT) % TINY_ROWS == 0:
                    drop_tiny(maps[: d * (d + 1) * LANES])  # of A, not of b
            amplify(squares, bound, rates, growth[:, block])
        add_lanes(d, panel_sums, stack[top])
        top = tree.push(stack, top, block)
        for k in range(len(rates)):
            maps = M[k * size : (k + 1) * size]
            compose_stretches(n_stretches, maps, work, a[k, block], b[k, block])
    return tree.total(stack, top)


@kernel
def lengthened(values, size):
    """A copy with zeros at its end."""
    copy = zeros_as(size, values)
    for i in range(len(values)):
        copy[i] = values[i]
    return copy


@kernel
def begin(d, M, sums):
    """Set A to the identity, b to 0 and the sums to 0."""
    for at in range(0, len(sums), LANES):
        store(sums, at, splat(0.0))
    for at in range(0, len(M), LANES):
        store(M, at, splat(0.0))
    for start in range(0, len(M), (d + 1) * (d + 1) * LANES):
        for j in range(d + 1):
            store(M, start + j * (d + 2) * LANES, splat(1.0))


@kernel
def put_side_by_side(values, first, distance, out):
    """Write number i of eight stretches to out[LANES i], … They begin at values[first], `distance` apart."""
    for at in range(0, len(out), LANES * LANES):
        interleave(values, first + at // LANES, distance, out, at)


@kernel
def multiply_rows(panel, w_ref, squares, products):
    """Replace the targets by the errors x·w_ref − y. Write ‖x‖², and the six products of each four rows."""
    d, row, zero = len(w_ref), len(w_ref) * LANES, splat(0.0)
    for four in range(HEIGHT // FOUR):
        at, out = four * FOUR * row, four * FOUR * LANES
        e = f = g = h = pp = qq = ss = tt = zero
        for j in range(d):
            w_j = splat(item(w_ref, j))
            p, q = load(panel, at), load(panel, at + row)
            s, t = load(panel, at + 2 * row), load(panel, at + 3 * row)
            e, f, g, h = (
                multiply_add(p, w_j, e),
                multiply_add(q, w_j, f),
                multiply_add(s, w_j, g),
                multiply_add(t, w_j, h),
            )
            pp, qq, ss, tt = (
                multiply_add(p, p, pp),
                multiply_add(q, q, qq),
                multiply_add(s, s, ss),
                multiply_add(t, t, tt),
            )
            at += LANES
        store_four(squares, out, pp, qq, ss, tt)
        minus, out = splat(-1.0), HEIGHT * row + out
        e, f = multiply_add(minus, load(panel, out), e), multiply_add(minus, load(panel, out + LANES), f)
        g = multiply_add(minus, load(panel, out + 2 * LANES), g)
        h = multiply_add(minus, load(panel, out + 3 * LANES), h)
        store_four(panel, out, e, f, g, h)
        at, out = four * FOUR * row, four * PAIRS * LANES
        pq = ps = pt = qs = qt = st = zero
        for _ in range(d):
            p, q = load(panel, at), load(panel, at + row)
            s, t = load(panel, at + 2 * row), load(panel, at + 3 * row)
            pq, ps, pt = multiply_add(p, q, pq), multiply_add(p, s, ps), multiply_add(p, t, pt)
            qs, qt, st = multiply_add(q, s, qs), multiply_add(q, t, qt), multiply_add(s, t, st)
            at += LANES
        store_four(products, out, pq, ps, pt, qs)
        store(products, out + 4 * LANES, qt)
        store(products, out + 5 * LANES, st)


@kernel
def store_four(out, at, p, q, s, t):
    store(out, at, p)
    store(out, at + LANES, q)
    store(out, at + 2 * LANES, s)
    store(out, at + 3 * LANES, t)


@kernel
def add_products(d, panel, sums):
    """Add z_i z_j of the rows z = [x, error] of each stretch, for j ≤ i and, unused, up to three more."""
    row, errors, one = d * LANES, HEIGHT * d * LANES, splat(1.0)
    for i in range(d + 1):
        own, step = (i * LANES, row) if i < d else (errors, LANES)
        for j in range(0, least(i + 1, d), FOUR):
            at, other = own, j * LANES
            p = q = s = t = splat(0.0)
            for _ in range(HEIGHT):
                z = load(panel, at)
                p = multiply_add(z, load(panel, other), p)
                q = multiply_add(z, load(panel, other + LANES), q)
                s = multiply_add(z, load(panel, other + 2 * LANES), s)
                t = multiply_add(z, load(panel, other + 3 * LANES), t)
                at, other = at + step, other + row
            out = (i * (d + FOUR) + j) * LANES
            p, q = multiply_add(one, load(sums, out), p), multiply_add(one, load(sums, out + LANES), q)
            s = multiply_add(one, load(sums, out + 2 * LANES), s)
            t = multiply_add(one, load(sums, out + 3 * LANES), t)
            store_four(sums, out, p, q, s, t)
    last = load(sums, len(sums) - LANES)
    for at in range(errors, errors + HEIGHT * LANES, LANES):
        last = multiply_add(load(panel, at), load(panel, at), last)
    store(sums, len(sums) - LANES, last)


@kernel
def add_lanes(d, sums, node):
    """Add the sums of the stretches. The residual of `node` is minus the error."""
    at = 0
    for i in range(d + 1):
        for j in range(i + 1):
            out = (i * (d + FOUR) + j) * LANES if j < d else len(sums) - LANES
            node[at] = total(load(sums, out)) if i < d or j == d else -total(load(sums, out))
            at += 1


@kernel
def take_steps(d, twice_rate, four, panel, products, M):
    """Step four rows of each stretch on all columns of [A | b]."""
    row, zero, minus = d * LANES, splat(0.0), splat(-twice_rate)
    start, at = four * FOUR * row, HEIGHT * row + four * FOUR * LANES
    p, q = load(panel, at), load(panel, at + LANES)
    s, t = load(panel, at + 2 * LANES), load(panel, at + 3 * LANES)
    at = four * PAIRS * LANES
    pq = multiply_add(minus, load(products, at), zero)
    ps = multiply_add(minus, load(products, at + LANES), zero)
    pt = multiply_add(minus, load(products, at + 2 * LANES), zero)
    qs = multiply_add(minus, load(products, at + 3 * LANES), zero)
    qt = multiply_add(minus, load(products, at + 4 * LANES), zero)
    st = multiply_add(minus, load(products, at + 5 * LANES), zero)
    for first in range(0, len(M), row + LANES):
        last = load(M, first + row)
        f, g = multiply_add(p, last, zero), multiply_add(q, last, zero)
        h, e = multiply_add(s, last, zero), multiply_add(t, last, zero)
        at = start
        for to in range(first, first + row, LANES):
            m = load(M, to)
            f = multiply_add(load(panel, at), m, f)
            g = multiply_add(load(panel, at + row), m, g)
            h = multiply_add(load(panel, at + 2 * row), m, h)
            e = multiply_add(load(panel, at + 3 * row), m, e)
            at += LANES
        f = multiply_add(minus, f, zero)
        g = multiply_add(pq, f, multiply_add(minus, g, zero))
        h = multiply_add(qs, g, multiply_add(ps, f, multiply_add(minus, h, zero)))
        e = multiply_add(st, h, multiply_add(qt, g, multiply_add(pt, f, multiply_add(minus, e, zero))))
        at = start
        for to in range(first, first + row, LANES):
            m = multiply_add(load(panel, at), f, load(M, to))
            m = multiply_add(load(panel, at + row), g, m)
            m = multiply_add(load(panel, at + 2 * row), h, m)
            store(M, to, multiply_add(load(panel, at + 3 * row), e, m))
            at += LANES


@kernel
def amplify(squares, bound, rates, growth):
    """Multiply growth[k] by Π max(1, |1 − 2α‖x‖²|) for each rate. It is 1 if no ‖x‖² exceeds `bound`."""
    large = 0
    for i in range(len(squares)):
        large += not squares[i] <= bound
    if large:
        for k in range(len(rates)):
            for i in range(len(squares)):
                factor = abs(1.0 - 2.0 * rates[k] * squares[i])
                growth[k] *= 1.0 if factor <= 1.0 else factor  # keeps NaN


@kernel
def compose_stretches(n_stretches, M, work, a, b):
    """Compose the maps of the stretches in order. `work` holds three maps by columns of whole vectors."""
    d = len(b)
    width, size = (d // LANES + 1) * LANES, len(work) // 3
    so_far, then = 0, size
    for lane in range(n_stretches):
        to = 2 * size if lane else 0
        for j in range(d + 1):
            for i in range(d + 1):
                work[to + j * width + i] = M[(j * (d + 1) + i) * LANES + lane]
        if lane:
            for first in range(0, (d + 1) * width, FOUR * width):
                for i in range(0, width, LANES):
                    p = q = s = t = splat(0.0)
                    for k in range(d + 1):
                        z, at = load(work, to + k * width + i), so_far + first + k
                        p = multiply_add(splat(item(work, at)), z, p)
                        q = multiply_add(splat(item(work, at + width)), z, q)
                        s = multiply_add(splat(item(work, at + 2 * width)), z, s)
                        t = multiply_add(splat(item(work, at + 3 * width)), z, t)
                    out = then + first + i
                    store(work, out, p)
                    store(work, out + width, q)
                    store(work, out + 2 * width, s)
                    store(work, out + 3 * width, t)
            so_far, then = then, so_far
        drop_tiny(work[so_far : so_far + d * width])
    for i in range(d):
        b[i] = work[so_far + d * width + i]
        for j in range(d):
            a[i, j] = work[so_far + j * width + i]
