"""Any loss of a linear score, its slope and its gradient in one read: Σ s value, Σ s slope, Σ s slope x.

Called on a run of blocks, as `fused.py`, and its sums are of the same tree. The loss is a function of
(score, y) that may take long, so it is not called row by row: a group of rows that stays in the
processor's nearest cache is gone through three times, for the scores, for the losses and slopes (a vector
loop over rows), and for the sums.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config
from numba.extending import intrinsic

from fastgd.kernels import tree
from fastgd.kernels._jit import FAST, kernel
from fastgd.kernels.arithmetic import with_item
from fastgd.kernels.losses import slope, value
from fastgd.kernels.vectors import (
    LANES,
    load,
    line_of,
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
import os
GROUP_NUMBERS = int(os.environ.get("GN","2048"))
AH=int(os.environ.get("AH","0"))
MODE=int(os.environ.get("MODE","0"))
MINIMUM=int(os.environ.get("MI","8"))
LEAST_GROUP = 8


def run(X, y, weights, w, b, at, at_b, loss, leaf_rows):
    weights = weights if len(weights) else None
    b = float(b)
    if X.shape[1] <= FEW:
        at = (*at.tolist(), float(at_b)) if len(at) else None
        return run_few(X.reshape(-1), y, weights, (*w.tolist(), b), at, loss, leaf_rows)
    at = at if len(at) else None
    d = X.shape[1]
    line = 64 // X.itemsize
    group = 8
    while 2 * group * d <= GROUP_NUMBERS:
        group *= 2
    group = max(group, MINIMUM)
    group = min(group, leaf_rows)
    by_four = MODE == 4
    ahead = (AH or 64) * line
    return run_many(X, y, weights, w, b, at, float(at_b), loss, leaf_rows, group, by_four, ahead)


@kernel(fastmath=FAST)
def leaf_few(x, y, weights, w, at, loss, out):
    d = len(w) - 1
    values = slopes = 0.0
    sums = w
    for j in range(d):
        sums = with_item(sums, j, 0.0)
    for i in range(len(y)):
        score = w[d]
        for j in range(d):
            score += x[i * d + j] * w[j]
        target = np.float64(y[i])
        one = value(loss, score, target)
        if at is not None:
            score = at[d]
            for j in range(d):
                score += x[i * d + j] * at[j]
        r = slope(loss, score, target)
        if weights is not None:
            one *= weights[i]
            r *= weights[i]
        values += one
        slopes += r
        for j in range(d):
            sums = with_item(sums, j, sums[j] + x[i * d + j] * r)
    out[0] = values
    out[1] = slopes
    for j in range(d):
        out[j + 2] = sums[j]


@kernel
def run_few(x, y, weights, w, at, loss, leaf_rows):
    d = len(w) - 1
    n_leaves = -(-len(y) // leaf_rows)
    stack = tree.new_stack(n_leaves, d + 2)
    top = 0
    for leaf in range(n_leaves):
        start, stop = leaf * leaf_rows, (leaf + 1) * leaf_rows
        part = None if weights is None else weights[start:stop]
        leaf_few(x[start * d : stop * d], y[start:stop], part, w, at, loss, stack[top])
        top = tree.push(stack, top, leaf)
    return tree.total(stack, top)


@intrinsic
def _totals(typing_context, sums):
    def code(context, builder, signature, arguments):
        address = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        numbers = ir.VectorType(ir.DoubleType(), LANES)
        rows = builder.bitcast(address, numbers.as_pointer())
        parts = [builder.load(builder.gep(rows, [ir.IntType(64)(i)]), align=8) for i in range(LANES)]
        # Each round adds neighbours in a pair of vectors: eight vectors, then four, two, one.
        while len(parts) > 1:
            half = len(parts) // 2
            width = LANES // len(parts)
            pairs = zip(parts[:half], parts[half:], strict=True)
            parts = [_folded(builder, first, second, half * 1, width) for first, second in pairs]
        return parts[0]

    return vector(sums), code


def _folded(builder, first, second, gap, _):
    """For lanes in chunks of 2·gap: first's chunk halves added, then second's."""
    low, high = [], []
    for chunk in range(0, LANES, 2 * gap):
        for base in (chunk, LANES + chunk):
            low += [base + k for k in range(gap)]
            high += [base + gap + k for k in range(gap)]
    places = ir.VectorType(ir.IntType(32), LANES)
    return builder.fadd(
        builder.shuffle_vector(first, second, ir.Constant(places, low)),
        builder.shuffle_vector(first, second, ir.Constant(places, high)),
    )


def _plain_totals(sums):
    return sums.reshape(LANES, LANES).sum(axis=1)


totals = _plain_totals if config.DISABLE_JIT else _totals
"""The sums of each eight of the 64 numbers."""


@kernel(fastmath=FAST)
def step_short(x, new, old, group, d, w, b, ahead, slopes, partial, scores, sums):
    rest = d - LANES
    w_0, w_1 = load(w, 0), load(w, len(w) - LANES)
    s_0 = load(sums, 0)
    s_1 = t_0 = t_1 = splat(0.0)
    for i in range(0, group, LANES):
        for k in range(0, LANES, 2):
            a, o = new + (i + k) * d, old + (i + k) * d
            c, e = a + d, o + d
            v_a, v_c = splat(slopes[i + k]), splat(slopes[i + k + 1])
            p_a, p_c = multiply_add(load(x, a), w_0, splat(0.0)), multiply_add(load(x, c), w_0, splat(0.0))
            s_0 = multiply_add(load(x, o), v_a, s_0)
            t_0 = multiply_add(load(x, e), v_c, t_0)
            if rest:
                p_a = multiply_add(load_part(x, a + LANES, rest), w_1, p_a)
                p_c = multiply_add(load_part(x, c + LANES, rest), w_1, p_c)
                s_1 = multiply_add(load_part(x, o + LANES, rest), v_a, s_1)
                t_1 = multiply_add(load_part(x, e + LANES, rest), v_c, t_1)
            store(partial, LANES * k, p_a)
            store(partial, LANES * k + LANES, p_c)
            prefetch(x, a + ahead)
            prefetch(x, c + ahead)
        store(scores, i, multiply_add(splat(1.0), totals(partial), splat(b)))
    store(sums, 0, multiply_add(splat(1.0), s_0, t_0))
    if rest:
        s_1 = multiply_add(splat(1.0), s_1, t_1)
        store(sums, LANES, multiply_add(splat(1.0), s_1, load(sums, LANES)))


@kernel(fastmath=FAST)
def step_by_four(x, new, old, group, d, w, b, ahead, line, slopes, scores, sums):
    """Scores of the `group` rows from x[new] on; slopes[i]·row i of those from x[old] on is added to sums."""
    whole = d - d % LANES
    rest = d - whole
    for i in range(0, group, 4):
        a = new + i * d
        p, c, e = a + d, a + 2 * d, a + 3 * d
        near = a + ahead
        oa = old + i * d
        op, oc, oe = oa + d, oa + 2 * d, oa + 3 * d
        va, vp, vc, ve = splat(slopes[i]), splat(slopes[i + 1]), splat(slopes[i + 2]), splat(slopes[i + 3])
        sa = sb = sc = se = splat(0.0)
        for j in range(0, whole, LANES):
            w_j = load(w, j)
            sa = multiply_add(load(x, a + j), w_j, sa)
            sb = multiply_add(load(x, p + j), w_j, sb)
            sc = multiply_add(load(x, c + j), w_j, sc)
            se = multiply_add(load(x, e + j), w_j, se)
            s = multiply_add(load(x, oa + j), va, load(sums, j))
            s = multiply_add(load(x, op + j), vp, s)
            s = multiply_add(load(x, oc + j), vc, s)
            s = multiply_add(load(x, oe + j), ve, s)
            store(sums, j, s)
            for k in range(0, 4 * LANES, line):
                prefetch(x, near + 4 * j + k)
        if rest:
            w_j = load(w, whole)
            sa = multiply_add(load_part(x, a + whole, rest), w_j, sa)
            sb = multiply_add(load_part(x, p + whole, rest), w_j, sb)
            sc = multiply_add(load_part(x, c + whole, rest), w_j, sc)
            se = multiply_add(load_part(x, e + whole, rest), w_j, se)
            s = multiply_add(load_part(x, oa + whole, rest), va, load(sums, whole))
            s = multiply_add(load_part(x, op + whole, rest), vp, s)
            s = multiply_add(load_part(x, oc + whole, rest), vc, s)
            s = multiply_add(load_part(x, oe + whole, rest), ve, s)
            store(sums, whole, s)
        scores[i] = total(sa) + b
        scores[i + 1] = total(sb) + b
        scores[i + 2] = total(sc) + b
        scores[i + 3] = total(se) + b


@kernel(fastmath=FAST)
def step_by_one(x, new, old, group, d, w, b, ahead, slopes, scores, sums):
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
def dot_rows(x, start, n, d, w, ahead, partial, first):
    whole = d - d % LANES
    rest = d - whole
    for i in range(n):
        a = start + i * d
        near = a + ahead
        s = splat(0.0)
        for j in range(0, whole, LANES):
            s = multiply_add(load(x, a + j), load(w, j), s)
            prefetch(x, near + j)
        if rest:
            s = multiply_add(load_part(x, a + whole, rest), load(w, whole), s)
        store(partial, (first + i) * LANES, s)


@kernel(fastmath=FAST)
def score_rows(x, start, n, d, w, b, partial, scores):
    for i in range(n):
        dot_rows(x, start + i * d, 1, d, w, 0, partial, 0)
        scores[i] = total(load(partial, 0)) + b


@kernel(fastmath=FAST)
def add_rows(x, start, n, d, slopes, first, sums):
    whole = d - d % LANES
    rest = d - whole
    for i in range(0, n - n % 4, 4):
        a = start + i * d
        p, c, e = a + d, a + 2 * d, a + 3 * d
        k = first + i
        va, vp, vc, ve = splat(slopes[k]), splat(slopes[k + 1]), splat(slopes[k + 2]), splat(slopes[k + 3])
        for j in range(0, whole, LANES):
            s = multiply_add(load(x, a + j), va, load(sums, j))
            s = multiply_add(load(x, p + j), vp, s)
            s = multiply_add(load(x, c + j), vc, s)
            s = multiply_add(load(x, e + j), ve, s)
            store(sums, j, s)
        if rest:
            s = multiply_add(load_part(x, a + whole, rest), va, load(sums, whole))
            s = multiply_add(load_part(x, p + whole, rest), vp, s)
            s = multiply_add(load_part(x, c + whole, rest), vc, s)
            s = multiply_add(load_part(x, e + whole, rest), ve, s)
            store(sums, whole, s)
    for i in range(n - n % 4, n):
        a = start + i * d
        v = splat(slopes[first + i])
        for j in range(0, whole, LANES):
            store(sums, j, multiply_add(load(x, a + j), v, load(sums, j)))
        if rest:
            store(sums, whole, multiply_add(load_part(x, a + whole, rest), v, load(sums, whole)))


@kernel(fastmath=FAST)
def slope_rows(y, weights, loss, scores, at_scores, slopes, out):
    values = all_slopes = 0.0
    for i in range(len(y)):
        target = np.float64(y[i])
        one = value(loss, scores[i], target)
        if at_scores is None:
            r = slope(loss, scores[i], target)
        else:
            r = slope(loss, at_scores[i], target)
        if weights is not None:
            one *= weights[i]
            r *= weights[i]
        values += one
        all_slopes += r
        slopes[i] = r
    out[0] += values
    out[1] += all_slopes


@kernel
def run_many(X, y, weights, w, b, at, at_b, loss, leaf_rows, group, by_four, ahead):
    n, d = X.shape
    x, line = X.reshape(-1), line_of(X)
    stack = tree.new_stack(-(-n // leaf_rows), d + 2)
    w, sums, out = padded(w), padded(w), np.zeros(2)
    scores, slopes, partial = np.empty(group), np.zeros(group), np.empty(LANES * LANES)
    if at is not None:
        at_point, at_scores = padded(at), np.empty(group)
    else:
        at_point, at_scores = w, None
    top = leaf = 0
    n_groups = -(-n // group)
    for g in range(n_groups + 1):
        start, stop = min(n, g * group), min(n, (g + 1) * group)
        old_start = max(0, start - 1) // group * group
        new, old = start * d, old_start * d
        is_new_whole = stop - start == group and group >= LANES
        is_old_whole = (g == 0 and is_new_whole) or (g > 0 and start - old_start == group and group >= LANES)
        if is_old_whole:
            if not is_new_whole:
                new = old
            if d <= 2 * LANES:
                step_short(x, new, old, group, d, w, b, ahead, slopes, partial, scores, sums)
            elif by_four:
                step_by_four(x, new, old, group, d, w, b, ahead, line, slopes, scores, sums)
            else:
                step_by_one(x, new, old, group, d, w, b, ahead, slopes, scores, sums)
        elif g:
            add_rows(x, old, start - old_start, d, slopes, 0, sums)
        if start % leaf_rows == 0 or g == n_groups:
            if g:
                stack[top, 0] = out[0]
                stack[top, 1] = out[1]
                for j in range(d):
                    stack[top, j + 2] = sums[j]
                top = tree.push(stack, top, leaf)
                leaf += 1
            out[:] = 0.0
            sums[:] = 0.0
        if g == n_groups:
            break
        if not is_new_whole:
            score_rows(x, start * d, stop - start, d, w, b, partial, scores)
        if at is not None:
            score_rows(x, start * d, stop - start, d, at_point, at_b, partial, at_scores)
        part = None if weights is None else weights[start:stop]
        slope_rows(y[start:stop], part, loss, scores, at_scores, slopes, out)
    return tree.total(stack, top)
