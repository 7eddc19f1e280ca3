"""Steps of SGD of any loss against the steps in lists and floats, straight from the formulas."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from fastgd import losses
from fastgd.kernels import steps
from tests.conftest import JIT_IS_OFF

NO_WEIGHTS = np.empty(0)


class Cauchy:
    """A loss of one's own: c² ln(1 + r²/c²)."""

    c = 1.5

    def value(self, score, y):
        r = (score - y) / self.c
        return self.c * self.c * math.log1p(r * r)

    def slope(self, score, y):
        r = score - y
        return 2.0 * r / (1.0 + r * r / (self.c * self.c))


def sigmoid(s):
    return 1 / (1 + math.exp(-s)) if s > -700 else 0.0


LOSSES = {
    "squared_error": (losses.SquaredError(), lambda s, y: 2 * (s - y)),
    "huber": (losses.Huber(0.7), lambda s, y: 2 * math.copysign(min(abs(s - y), 0.7), s - y)),
    "log_loss": (losses.LogLoss(), lambda s, y: sigmoid(s) - y),
    "quantile": (losses.Quantile(0.8), lambda s, y: 0.0 if s == y else -0.8 if s < y else 0.2),
    "own": (losses.as_loss(Cauchy()), lambda s, y: 2 * (s - y) / (1 + (s - y) ** 2 / 2.25)),
}

EACH_LOSS = pytest.mark.parametrize(
    ("loss", "dtype"), [(loss, "f8") for loss in LOSSES] + [("squared_error", "f4"), ("log_loss", "f4")]
)


class Twin:
    """The formulas: w, b, the iterate before, the mean of those that count, and the number of steps."""

    def __init__(self, w, b):
        self.w, self.b = list(map(float, w)), float(b)
        self.before_w, self.before_b = self.w, self.b
        self.steps, self.average_w, self.average_b = 0, [0.0] * len(self.w), 0.0

    def run(self, X, y, s, slope, options):
        """One epoch from its first row to its last; returns itself."""
        X, y = [list(map(float, x)) for x in X], list(map(float, y))
        s = list(map(float, s)) if len(s) else [1.0] * len(y)
        for first in range(0, len(y), options["batch_size"]):
            batch = slice(first, first + options["batch_size"])
            self.step(X[batch], y[batch], s[batch], slope, **options)
        return self

    def step(
        self, X, y, s, slope, rate, l1, l2, momentum, nesterov, batch_size, with_intercept, averaged_from
    ):
        d = len(self.w)
        moved_w = [momentum * (new - old) for new, old in zip(self.w, self.before_w, strict=True)]
        moved_b = momentum * (self.b - self.before_b)
        ahead_w = [w + m for w, m in zip(self.w, moved_w, strict=True)]
        p = ahead_w if nesterov else self.w
        p_b = self.b + moved_b if nesterov else self.b
        G, g_b = [0.0] * d, 0.0
        for x, target, weight in zip(X, y, s, strict=True):
            phi = weight * slope(sum(a * c for a, c in zip(x, p, strict=True)) + p_b, target)
            G = [g + phi * a for g, a in zip(G, x, strict=True)]
            g_b += phi
        if batch_size > 1:
            total = sum(s)
            G = [g / total if total else 0.0 for g in G]
            g_b = g_b / total if total else 0.0
        z = [ahead_w[j] - rate * (G[j] + l2[j] * p[j]) for j in range(d)]
        self.before_w, self.before_b = self.w, self.b
        self.w = [z[j] - min(max(z[j], -rate * l1[j]), rate * l1[j]) for j in range(d)]
        if with_intercept:
            self.b = self.b + moved_b - rate * g_b
        if 0 <= averaged_from <= self.steps:
            m = self.steps - averaged_from + 1
            self.average_w = [a + (w - a) / m for a, w in zip(self.average_w, self.w, strict=True)]
            self.average_b += (self.b - self.average_b) / m
        self.steps += 1


PLAIN = {
    "l1": 0.0,
    "l2": 0.0,
    "momentum": 0.0,
    "nesterov": False,
    "batch_size": 1,
    "with_intercept": True,
    "averaged_from": -1,
}


def options_of(d, rate, **given):
    """All options, l1 and l2 as one number a column, not all the same."""
    chosen = {"rate": rate} | PLAIN | given
    for name in ("l1", "l2"):
        chosen[name] = [chosen[name] * (1 + j % 3) for j in range(d)]
    return chosen


def frozen(array):
    """Read-only, as the library's are."""
    view = array.view()
    view.flags.writeable = False
    return view


class Run:
    """What `run_plain` moves, over any number of calls."""

    def __init__(self, w, b, options):
        self.w, self.b = np.array(w, dtype=float), np.array([float(b)])
        self.before_w, self.before_b = self.w.copy(), self.b.copy()
        self.pending = np.zeros(len(w) + 3)
        self.counts = np.array([0, options["averaged_from"]])
        self.average_w = np.zeros(len(w) if options["averaged_from"] >= 0 else 0)
        self.average_b = np.zeros(1)
        self.options = options

    def run(self, X, y, s, loss, finish=True):
        o = self.options
        steps.run_plain(
            frozen(X),
            frozen(y),
            s,
            self.w,
            self.b,
            self.before_w,
            self.before_b,
            loss,
            o["rate"],
            np.array(o["l1"]),
            np.array(o["l2"]),
            o["momentum"],
            o["nesterov"],
            o["batch_size"],
            self.pending,
            self.average_w,
            self.average_b,
            self.counts,
            o["with_intercept"],
            finish,
        )
        return self

    def run_cut(self, X, y, s, loss, cuts, finish_apart=True):
        """In runs that end at `cuts`; the last short batch by a call of its own without rows, or not."""
        ends = [0, *cuts, len(y)]
        for start, end in itertools.pairwise(ends):
            rows = slice(start, end)
            self.run(X[rows], y[rows], s[rows], loss, end == len(y) and start != end and not finish_apart)
        if finish_apart or ends[-2] == len(y):
            self.run(X[:0], y[:0], s[:0], loss, True)
        return self


def data(rng, n, d, dtype="f8", y_of="squared_error"):
    """X, y and weights of which some are 0; w and b to start from."""
    X, w = rng.standard_normal((n, d)).astype(dtype), rng.standard_normal(d) / math.sqrt(d)
    noisy = X @ w + rng.standard_normal(n)
    y = (noisy > 0 if y_of == "log_loss" else noisy).astype(dtype)
    s = rng.uniform(0.5, 2.0, n)
    s[4:6] = 0.0
    return X, y, s, w[::-1] + 0.1, 0.3


def close(ours, reference, tolerance=1e-12):
    reference = np.asarray(reference, dtype=float)
    scale = max(1.0, float(np.abs(reference).max(initial=0.0)))
    np.testing.assert_allclose(ours, reference, rtol=0, atol=tolerance * scale)


def blocked(X, y, s, w, b, loss, options):
    w, b = np.array(w, dtype=float), np.array([float(b)])
    rate, l2, intercept = options["rate"], options["l2"][0], options["with_intercept"]
    steps.run_blocked(frozen(X), frozen(y), s, w, b, loss, rate, l2, intercept)
    return w, b


def alike(d, rate, l2, with_intercept):
    """The same l2 for all columns, as `run_blocked` has it."""
    return options_of(d, rate, with_intercept=with_intercept) | {"l2": [l2] * d}


@EACH_LOSS
@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 10, 32, 33, 64, 257])
def test_blocked_steps_are_the_steps_one_after_the_other(rng, loss, dtype, d):
    compiled, slope = LOSSES[loss]
    for n, weighted, l2, intercept in itertools.product(
        [0, 1, 2, 3, 5, 13 if JIT_IS_OFF else 50], [False, True], [0.0, 0.7], [False, True]
    ):
        X, y, s, w, b = data(rng, n, d, dtype, loss)
        s = s if weighted else NO_WEIGHTS
        options = alike(d, 0.3 / d, l2, intercept)
        twin = Twin(w, b).run(X, y, s, slope, options)
        ours_w, ours_b = blocked(X, y, s, w, b, compiled, options)
        close(ours_w, twin.w)
        close(ours_b, twin.b)
        plain = Run(w, b, options).run(X, y, s, compiled)
        close(ours_w, plain.w)
        close(ours_b, plain.b)


@EACH_LOSS
@pytest.mark.parametrize("batch_size", [1, 2, 7, 13, 20])
def test_each_option_with_each(rng, loss, dtype, batch_size):
    compiled, slope = LOSSES[loss]
    n, d = 13, 3
    for weighted, l1, l2, (momentum, nesterov), averaged_from, intercept in itertools.product(
        [False, True],
        [0.0, 0.4],
        [0.0, 0.7],
        [(0.0, False), (0.8, False), (0.8, True)],
        [-1, 0, 3],
        [False, True],
    ):
        X, y, s, w, b = data(rng, n, d, dtype, loss)
        s = s if weighted else NO_WEIGHTS
        options = options_of(
            d,
            0.1,
            l1=l1,
            l2=l2,
            momentum=momentum,
            nesterov=nesterov,
            batch_size=batch_size,
            averaged_from=averaged_from,
            with_intercept=intercept,
        )
        twin = Twin(w, b).run(X, y, s, slope, options)
        run = Run(w, b, options).run_cut(X, y, s, compiled, [1, 4, 11], finish_apart=intercept)
        close(run.w, twin.w)
        close(run.b, twin.b)
        assert run.counts.tolist() == [twin.steps, averaged_from]
        assert not run.pending.any()
        if averaged_from >= 0:
            close(run.average_w, twin.average_w)
            close(run.average_b, twin.average_b)
        if momentum:
            close(run.before_w, twin.before_w)
            close(run.before_b, twin.before_b if intercept else b)


@EACH_LOSS
@pytest.mark.parametrize("d", [1, 2, 7, 8, 10, 64, 257])
def test_any_shape(rng, loss, dtype, d):
    compiled, slope = LOSSES[loss]
    for n, (batch_size, momentum, l1) in itertools.product(
        [0, 1, 2, 3, 5, 13 if JIT_IS_OFF else 50], [(1, 0.9, 0.0), (2, 0.0, 0.1), (7, 0.5, 0.1)]
    ):
        X, y, s, w, b = data(rng, n, d, dtype, loss)
        options = options_of(
            d, 0.2 / d, l1=l1, l2=0.1, momentum=momentum, batch_size=batch_size, averaged_from=1
        )
        twin = Twin(w, b).run(X, y, s, slope, options)
        run = Run(w, b, options).run(X, y, s, compiled)
        close(run.w, twin.w)
        close(run.b, twin.b)
        close(run.average_w, twin.average_w)
        assert run.counts[0] == twin.steps == -(-n // batch_size)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_runs_cut_anywhere_are_one_run(rng, batch_size):
    X, y, s, w, b = data(rng, 23, 9)
    options = options_of(9, 0.02, l1=0.1, momentum=0.9, nesterov=True, batch_size=batch_size, averaged_from=2)
    whole = Run(w, b, options).run(X, y, s, losses.SquaredError())
    for cuts in ([], [0], [22], [23], [1, 2, 3, 4, 5], [7, 14, 21], [8, 8, 13]):
        for apart in (False, True):
            run = Run(w, b, options).run_cut(X, y, s, losses.SquaredError(), cuts, apart)
            for name in ("w", "b", "before_w", "before_b", "average_w", "average_b", "counts"):
                np.testing.assert_array_equal(getattr(run, name), getattr(whole, name))


def test_momentum_goes_on_and_the_mean_too_in_the_next_epoch(rng):
    X, y, s, w, b = data(rng, 11, 3)
    options = options_of(3, 0.05, momentum=0.9, batch_size=4, averaged_from=4)
    twin, run = Twin(w, b), Run(w, b, options)
    for _ in range(3):
        twin.run(X, y, s, LOSSES["squared_error"][1], options)
        run.run(X, y, s, losses.SquaredError())
    close(run.w, twin.w)
    close(run.average_w, twin.average_w)
    assert run.counts[0] == 9


def test_a_batch_without_end_waits(rng):
    X, y, s, w, b = data(rng, 5, 2)
    run = Run(w, b, options_of(2, 0.1, batch_size=3)).run(X, y, s, losses.SquaredError(), finish=False)
    assert run.counts[0] == 1
    assert run.pending[-1] == 2
    assert run.pending[-2] == pytest.approx(s[3:].sum())


@pytest.mark.parametrize("value", [1.0, math.nan])
def test_a_batch_that_weighs_nothing_takes_the_penalty_s_step(value):
    X = np.full((2, 1), value)
    run = Run([8.0], 2.0, options_of(1, 0.25, l1=2.0, l2=1.0, batch_size=2))
    run.run(X, np.zeros(2), np.zeros(2), losses.SquaredError())
    assert run.w.tolist() == [8.0 - 0.25 * 8.0 - 0.25 * 2.0]
    assert run.b.tolist() == [2.0]


def test_l1_ends_at_zero_exactly():
    X, y = np.zeros((3, 2)), np.zeros(3)
    run = Run([0.5, -0.75], 0.0, options_of(2, 0.25, l1=1.0)).run(X, y, NO_WEIGHTS, losses.SquaredError())
    assert run.w.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize(("d", "column"), [(1, 0), (3, 2), (10, 9), (40, 0), (40, 39)])
def test_a_number_that_is_none_is_not_lost(rng, loss, bad, d, column):
    _, y, _, w, b = data(rng, 9, d, y_of=loss)
    for row in (0, 5, 8):
        X = rng.standard_normal((9, d))
        X[row, column] = bad
        ours, _ = blocked(X, y, NO_WEIGHTS, w, b, LOSSES[loss][0], alike(d, 0.1 / d, 0.1, True))
        if not (bad == math.inf and loss == "log_loss"):  # its slope may be 0 and then is, or not
            assert not math.isfinite(ours[column])
        if math.isnan(bad):
            for batch_size, momentum, l1 in ((1, 0.0, 0.0), (1, 0.9, 0.1), (2, 0.0, 0.1)):
                options = options_of(d, 0.1 / d, l1=l1, momentum=momentum, batch_size=batch_size)
                assert math.isnan(Run(w, b, options).run(X, y, NO_WEIGHTS, LOSSES[loss][0]).w[column])


@pytest.mark.parametrize("size", [30.0, 1e3, 1e6])
@pytest.mark.parametrize("d", [3, 40])
def test_scores_of_any_size(rng, size, d):
    """The table of the sigmoid ends at 32."""
    X, y, s, w, b = data(rng, 9, d, y_of="log_loss")
    X = X * size
    options = alike(d, 0.1 / d / size**2, 0.01, True)
    twin = Twin(w, b).run(X, y, s, LOSSES["log_loss"][1], options)
    ours_w, ours_b = blocked(X, y, s, w, b, losses.LogLoss(), options)
    close(ours_w, twin.w)
    close(ours_b, twin.b)
