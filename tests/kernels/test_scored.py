"""The reduction of any loss of a linear score: exact sums of the Python methods, and the bits of cut runs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastgd import losses
from fastgd.engine import reduce
from fastgd.kernels import scored

LEAF = 16
NONE = np.empty(0)
LOSSES = [losses.SquaredError(), losses.Huber(0.7), losses.LogLoss(), losses.Quantile(0.3)]
FEW, MORE = [1, 2, 3, 7], [8, 10, 64, 257]
CASES = [
    (loss, dtype, d)
    for loss in LOSSES
    for dtype in (np.float32, np.float64)
    # Every number of few columns is machine code of its own: not all of them for every loss.
    for d in (FEW if dtype is np.float64 or isinstance(loss, losses.LogLoss) else [1]) + MORE
]


def problem(rng, n, d, dtype):
    X = rng.normal(size=(n, d)).astype(dtype)
    y = (rng.random(n) < 0.5).astype(dtype)
    w, at = rng.normal(size=(2, d)) / math.sqrt(d)
    X.setflags(write=False)
    return X, y, rng.random(n), w, at


def exact(X, y, weights, w, b, at, at_b, loss):
    """Every sum by math.fsum of the Python methods, and beside it the sum of sizes, which bounds rounding."""
    rows, targets = X.astype(float).tolist(), y.astype(float).tolist()
    s = weights.tolist() if len(weights) else [1.0] * len(rows)

    def score(row, w, b):
        return math.fsum([x * one for x, one in zip(row, w, strict=True)] + [b])

    values = [loss.value(score(row, w, b), target) for row, target in zip(rows, targets, strict=True)]
    slopes = [loss.slope(score(row, at, at_b), target) for row, target in zip(rows, targets, strict=True)]
    terms = [[one * v for one, v in zip(s, values, strict=True)]]
    weighted = [one * r for one, r in zip(s, slopes, strict=True)]
    terms.append(weighted)
    terms += [[r * row[j] for r, row in zip(weighted, rows, strict=True)] for j in range(len(w))]
    return np.array([math.fsum(column) for column in terms]), np.array(
        [math.fsum(map(abs, column)) for column in terms]
    )


@pytest.mark.parametrize(("loss", "dtype", "d"), CASES)
def test_sums_are_those_of_the_formula(rng, loss, dtype, d):
    for n in (1, 2, 5, 100, 2 * LEAF + 1):
        X, y, weights, w, _ = problem(rng, n, d, dtype)
        for s in (weights,) if d in (2, 7) else (NONE, weights):
            found = scored.run(X, y, s, w, 0.3, NONE, 0.0, loss, LEAF)
            sums, sizes = exact(X, y, s, w, 0.3, w, 0.3, loss)
            assert found.shape == (d + 2,)
            assert (np.abs(found - sums) <= 1e-13 * (sizes + n)).all(), (n, len(s))


@pytest.mark.parametrize("d", [3, 8, 10, 64])
@pytest.mark.parametrize("loss", LOSSES[1:3], ids=lambda one: type(one).__name__)
def test_slopes_at_another_point(rng, loss, d):
    for n in (5, 100):
        X, y, weights, w, at = problem(rng, n, d, np.float64)
        for s in (NONE, weights):
            found = scored.run(X, y, s, w, 0.3, at, -0.2, loss, LEAF)
            sums, sizes = exact(X, y, s, w, 0.3, at, -0.2, loss)
            assert (np.abs(found - sums) <= 1e-13 * (sizes + n)).all(), (n, len(s))


@pytest.mark.parametrize("d", [1, 3, 7, 8, 10, 16, 64, 257, 9000])
def test_the_bits_do_not_depend_on_the_runs(rng, d):
    """Blocks of two leaves: one run, runs of one block and of two, the last of them short."""
    leaf = 4 if d > 1000 else LEAF
    block = 2 * leaf
    for n in (4 * block, 4 * block + leaf + 3, 6 * block - 1):
        X, y, weights, w, at = problem(rng, n, d, np.float64)
        whole = scored.run(X, y, weights, w, 0.3, at, 0.1, losses.LogLoss(), leaf)
        for rows in (block, 2 * block):
            counter = reduce.Counter()
            for start in range(0, n, rows):
                part = slice(start, start + rows)
                counter.push(
                    scored.run(X[part], y[part], weights[part], w, 0.3, at, 0.1, losses.LogLoss(), leaf)
                )
            np.testing.assert_array_equal(counter.total(), whole)


@pytest.mark.parametrize("d", [3, 10, 64])
def test_weights_are_repeated_rows(rng, d):
    X, y, _, w, _ = problem(rng, 50, d, np.float64)
    times = rng.integers(0, 4, 50)
    found = scored.run(X, y, times.astype(float), w, 0.3, NONE, 0.0, losses.LogLoss(), LEAF)
    repeated = np.repeat(X, times, axis=0), np.repeat(y, times)
    sums = scored.run(*repeated, NONE, w, 0.3, NONE, 0.0, losses.LogLoss(), LEAF)
    np.testing.assert_allclose(found, sums, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("d", [3, 10, 64])
def test_what_is_not_finite_is_seen_and_stays_in_its_leaf(rng, d):
    """An infinite number shows in the sums; rows beside it, read twice, do not make NaN of what is finite."""
    X, y, _, w, _ = problem(rng, 2 * LEAF, d, np.float64)
    X.setflags(write=True)
    X[0, 0] = np.inf
    found = scored.run(X, y, NONE, np.abs(w), 0.3, NONE, 0.0, losses.Huber(0.7), LEAF)
    assert found[0] == np.inf
    assert found[2] == np.inf
    assert np.isfinite(found[[1, *range(3, d + 2)]]).all()


def test_own_loss_is_taken(rng):
    class Cubic:
        power = 3.0

        def value(self, score, y):
            return abs(score - y) ** self.power

        def slope(self, score, y):
            r = score - y
            return self.power * abs(r) * r

    for d in (3, 20):
        X, y, _, w, _ = problem(rng, 40, d, np.float64)
        loss = losses.as_loss(Cubic())
        found = scored.run(X, y, NONE, w, 0.0, NONE, 0.0, loss, LEAF)
        sums, sizes = exact(X, y, NONE, w, 0.0, w, 0.0, Cubic())
        assert (np.abs(found - sums) <= 1e-13 * (sizes + 40)).all()
