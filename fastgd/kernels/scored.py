"""Σ s value, Σ s slope and Σ s slope x for any loss of the score x·w + b, reading each row once.

Kernels are called on runs of blocks. Leaves and the tree of sums are those of `fused.py`. Computing a loss
may take longer than reading its row, so rows are taken in groups that fit in the first-level cache. Each
group is visited three times: for its scores, for its values and slopes (a vector loop over rows, see
`losses.py`), and for the sums. With many columns the sums of a group are made together with the scores of the
next group, so that the memory is never idle.

`weights` and `at` may be None, which is a separate type: the machine code then omits them. Value and slope at
the same score share their exp.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config
from numba.extending import intrinsic

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.arithmetic import with_item
from fastgd.kernels.arrays import empty, least, zeros
from fastgd.kernels.losses import slope, value
from fastgd.kernels.vectors import (
    LANES,
    line_of,
    load,
    load_part,
    multiply_add,
    padded,
    prefetch,
    splat,
    store,
    total,
    vector,
)

FEW = 7
"""With at most this many columns w is a tuple: loops over w unroll, and the loop over rows is a vector
loop."""
GROUP_NUMBERS, LEAST_GROUP = 2048, 8
"""A group is the largest power of two of rows with at most this many numbers, so that two groups fit in the
first-level cache. It has at least the number of rows that a loss computes at once."""
AHEAD_LINES = 64
"""Cache lines between a row in use and the row to prefetch: about a group."""


def run(X, y, weights, w, b, at, at_b, loss, leaf_rows):
    """[Σ s_i value(x_i·w + b, y_i), Σ s_i slope(x_i·at + at_b, y_i), Σ s_i slope(x_i·at + at_b, y_i) x_i].

    X is (n, d), y (n,), w (d,). The weights s are (n,), or of length 0 if all are 1. at is (d,), or of length
    0 for the point w, b.
    """
    n, d = X.shape
    weights = weights if len(weights) else None
    if d <= FEW:
        at = (*at.tolist(), float(at_b)) if len(at) else None
        return run_few(X.reshape(n * d), y, weights, (*w.tolist(), float(b)), at, loss, leaf_rows)
    at = at if len(at) else None
    return run_many(X, y, weights, w, float(b), at, float(at_b), loss, leaf_rows)


@kernel(fastmath=FAST)
def leaf_few(x, y, weights, w, at, loss, out):
    """Few columns: w and at are tuples (w_0, …, w_{d−1}, b). x (n·d,) holds the rows one after the other."""
    d = len(w) - 1
    values = slopes = 0.0
    sums = w
    for j in range(d):
        sums = with_item(sums, j, 0.0)
    for i in range(len(y)):
        target = np.float64(y[i])
        score = w[d]
        for j in range(d):
            score += np.float64(x[i * d + j]) * w[j]
        v = value(loss, score, target)
        if at is not None:
            score = at[d]
            for j in range(d):
                score += np.float64(x[i * d + j]) * at[j]
        r = slope(loss, score, target)
        if weights is not None:
            v *= weights[i]
            r *= weights[i]
        values += v
        slopes += r
        for j in range(d):
            sums = with_item(sums, j, sums[j] + np.float64(x[i * d + j]) * r)
    out[0] = values
    out[1] = slopes
    for j in range(d):
        out[j + 2] = sums[j]


@kernel
def run_few(x, y, weights, w, at, loss, leaf_rows):
    """`leaf_few` on a run of blocks."""
    d = len(w) - 1
    n_leaves = -(-len(y) // leaf_rows)
    stack = tree.new_stack(n_leaves, d + 2)
    top = tree.EMPTY
    for leaf in range(n_leaves):
        # Slices are indexed from 0. LLVM does not vectorise loops from start to stop.
        start, stop = leaf * leaf_rows, (leaf + 1) * leaf_rows
        part = None if weights is None else weights[start:stop]
        leaf_few(x[start * d : stop * d], y[start:stop], part, w, at, loss, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)


@intrinsic
def _totals(typing_context, numbers):
    def code(context, builder, signature, arguments):
        lanes = ir.VectorType(ir.DoubleType(), LANES)
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        rows = builder.bitcast(data, lanes.as_pointer())
        parts = [builder.load(builder.gep(rows, [ir.IntType(64)(i)]), align=8) for i in range(LANES)]
        # Each round folds every row in half and joins two vectors of folded rows.
        gap = LANES // 2
        while gap:
            low = [base + k for c in range(0, LANES, 2 * gap) for base in (c, LANES + c) for k in range(gap)]
            places = ir.VectorType(ir.IntType(32), LANES)
            lows = ir.Constant(places, low)
            highs = ir.Constant(places, [place + gap for place in low])
            parts = [
                builder.fadd(builder.shuffle_vector(a, b, lows), builder.shuffle_vector(a, b, highs))
                for a, b in zip(parts[:gap], parts[gap:], strict=True)
            ]
            gap //= 2
        return parts[0]

    return vector(numbers), code


totals = (lambda numbers: numbers.reshape(LANES, LANES).sum(axis=1)) if config.DISABLE_JIT else _totals
"""The sums of eight rows of eight numbers. Cheaper than eight calls of `total`."""


@kernel(fastmath=FAST)
def step_short(x, new, old, group, d, w, b, ahead, slopes, scores, partial, sums):
    """`step` for rows of one or two vectors, LANES <= d <= 2 LANES. The sums stay in registers."""
    rest = d - LANES
    one, zero, w_0, w_1 = splat(1.0), splat(0.0), load(w, 0), load(w, len(w) - LANES)
    even_0, even_1, odd_0, odd_1 = zero, zero, zero, zero
    for i in range(0, group, LANES):
        for k in range(0, LANES, 2):
            a, o = new + (i + k) * d, old + (i + k) * d
            c, e = a + d, o + d
            va, vc = splat(slopes[i + k]), splat(slopes[i + k + 1])
            sa, sc = multiply_add(load(x, a), w_0, zero), multiply_add(load(x, c), w_0, zero)
            even_0, odd_0 = multiply_add(load(x, o), va, even_0), multiply_add(load(x, e), vc, odd_0)
            if rest:
                sa = multiply_add(load_part(x, a + LANES, rest), w_1, sa)
                sc = multiply_add(load_part(x, c + LANES, rest), w_1, sc)
                even_1 = multiply_add(load_part(x, o + LANES, rest), va, even_1)
                odd_1 = multiply_add(load_part(x, e + LANES, rest), vc, odd_1)
            store(partial, LANES * k, sa)
            store(partial, LANES * (k + 1), sc)
            prefetch(x, a + ahead)
            prefetch(x, c + ahead)
        store(scores, i, multiply_add(one, totals(partial), splat(b)))
    store(sums, 0, multiply_add(one, load(sums, 0), multiply_add(one, even_0, odd_0)))
    if rest:
        store(sums, LANES, multiply_add(one, load(sums, LANES), multiply_add(one, even_1, odd_1)))


@kernel(fastmath=FAST)
def step(x, new, old, group, d, w, b, ahead, slopes, scores, sums):
    """Write the scores of the `group` rows from x[new]; sums += Σ slopes[i] x_i of the `group` rows from
    x[old]."""
    whole = d - d % LANES
    rest = d - whole
    for i in range(group):
        a, o = new + i * d, old + i * d
        near = a + ahead
        s, v = splat(0.0), splat(slopes[i])
        for j in range(0, whole, LANES):
            s = multiply_add(load(x, a + j), load(w, j), s)
            store(sums, j, multiply_add(load(x, o + j), v, load(sums, j)))
            prefetch(x, near + j)
        if rest:
            s = multiply_add(load_part(x, a + whole, rest), load(w, whole), s)
            store(sums, whole, multiply_add(load_part(x, o + whole, rest), v, load(sums, whole)))
        scores[i] = total(s) + b


@kernel(fastmath=FAST)
def score_rows(x, start, n, d, w, b, scores):
    """scores[i] = x_i·w + b of the n rows from x[start]."""
    whole = d - d % LANES
    rest = d - whole
    for i in range(n):
        a = start + i * d
        s = splat(0.0)
        for j in range(0, whole, LANES):
            s = multiply_add(load(x, a + j), load(w, j), s)
        if rest:
            s = multiply_add(load_part(x, a + whole, rest), load(w, whole), s)
        scores[i] = total(s) + b


@kernel(fastmath=FAST)
def add_rows(x, start, n, d, slopes, sums):
    """sums += Σ slopes[i] x_i of the n rows from x[start]."""
    whole = d - d % LANES
    rest = d - whole
    for i in range(n):
        a, v = start + i * d, splat(slopes[i])
        for j in range(0, whole, LANES):
            store(sums, j, multiply_add(load(x, a + j), v, load(sums, j)))
        if rest:
            store(sums, whole, multiply_add(load_part(x, a + whole, rest), v, load(sums, whole)))


@kernel(fastmath=FAST)
def slope_rows(y, weights, loss, scores, at_scores, slopes, out):
    """slopes[i] = s_i slope_i; out += [Σ s_i value_i, Σ s_i slope_i]. Slopes are those at `scores` if
    at_scores is None."""
    values = all_slopes = 0.0
    for i in range(len(y)):
        target = np.float64(y[i])
        v = value(loss, scores[i], target)
        if at_scores is None:
            r = slope(loss, scores[i], target)
        else:
            r = slope(loss, at_scores[i], target)
        if weights is not None:
            v *= weights[i]
            r *= weights[i]
        values += v
        all_slopes += r
        slopes[i] = r
    out[0] += values
    out[1] += all_slopes


@kernel
def run_many(X, y, weights, w, b, at, at_b, loss, leaf_rows):
    """Many columns, on a run of blocks: X (n, d), w and at (d,).

    Group g is scored while group g − 1 is added. `step` scores and adds all whole groups, and never the
    shorter last one. So the bits of a row do not depend on where a run ends. The first group replaces the
    missing group before it, with slopes 0. The last whole group replaces the missing group after it.
    """
    n, d = X.shape
    x = X.reshape(n * d)
    group = LEAST_GROUP
    while 2 * group * d <= GROUP_NUMBERS:
        group *= 2
    group = least(group, leaf_rows)
    is_short = d <= 2 * LANES and group % LANES == 0
    ahead = AHEAD_LINES * line_of(X)
    w, sums, out = padded(w), padded(w), zeros(2)
    scores, slopes, partial = empty(group), zeros(group), empty(LANES * LANES)
    if at is None:
        at_w, at_scores = w, None
    else:
        at_w, at_scores = padded(at), empty(group)
    stack = tree.new_stack(-(-n // leaf_rows), d + 2)
    top = leaf = count = start = 0
    while True:
        before, stop = count, least(n, start + group)
        count = stop - start
        new, old = start * d, (start - before) * d
        if group in (before, count):
            if count < group:
                new = old
            if is_short:
                step_short(x, new, old, group, d, w, b, ahead, slopes, scores, partial, sums)
            else:
                step(x, new, old, group, d, w, b, ahead, slopes, scores, sums)
        elif before:
            add_rows(x, old, before, d, slopes, sums)
        if start and (start % leaf_rows == 0 or count == 0):
            stack[top, :2] = out
            stack[top, 2:] = sums[:d]
            top = tree.push(stack, top, leaf)
            leaf += 1
        if count == 0:
            return tree.total(stack, top)
        if start % leaf_rows == 0:
            out[:] = 0.0
            sums[:] = 0.0
        if count < group:
            score_rows(x, start * d, count, d, w, b, scores)
        if at_scores is not None:
            score_rows(x, start * d, count, d, at_w, at_b, at_scores)
        part = None if weights is None else weights[start:stop]
        slope_rows(y[start:stop], part, loss, scores, at_scores, slopes, out)
        start = stop
