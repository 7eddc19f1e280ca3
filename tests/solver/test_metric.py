"""Descent on smooth losses in the metric of a sample: the optimum in a handful of reads."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import optimize

import fastgd
from fastgd import losses
from fastgd.data.arrays import ArrayRows
from fastgd.solver import metric
from fastgd.solver.metric import corrected
from fastgd.solver.sample import spacing
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, Absolute, LogCosh, Smooth, resumed

LOSSES = {
    "log_loss": losses.LogLoss(),
    "huber": losses.Huber(0.7),
    "poisson": losses.Poisson(),
    "squared_hinge": losses.SquaredHinge(),
    "modified_huber": losses.ModifiedHuber(),
    "own": Smooth(),
}


def drawn(rng, loss, n, d=3):
    """Rows, and targets that suit the loss."""
    X = rng.normal(size=(n, d)) * np.logspace(0, 1, d) + 1.0
    scores = (X - 1.0) @ (rng.normal(size=d) / np.logspace(0, 1, d))
    if loss in ("huber", "own"):
        return X, scores + rng.standard_t(2, n)
    if loss == "poisson":
        return X, rng.poisson(np.exp(0.5 * scores + 1.0)).astype(float)
    return X, (rng.random(n) < 1.0 / (1.0 + np.exp(-scores))).astype(float)


class Direct:
    """The cost and its gradient at [w, b], from the formulas."""

    def __init__(self, loss, X, y, s=None, l2=0.0, has_intercept=True):
        self.loss = losses.as_loss(loss)
        self.A = np.column_stack([X, np.ones(len(X))]) if has_intercept else X
        self.y, self.s = y, np.ones(len(y)) if s is None else s
        self.l2 = np.array([l2] * X.shape[1] + [0.0] * has_intercept)

    def _mean(self, function, at):
        scores = (self.A @ at).tolist()
        return self.s * [function(a, b) for a, b in zip(scores, self.y.tolist(), strict=True)]

    def cost(self, at):
        return np.sum(self._mean(self.loss.value, at)) / self.s.sum() + 0.5 * np.sum(self.l2 * at * at)

    def gradient(self, at):
        return self.A.T @ self._mean(self.loss.slope, at) / self.s.sum() + self.l2 * at

    def least(self, start):
        """The least cost near `start`, by SciPy."""
        found = optimize.minimize(
            self.cost, start, jac=self.gradient, method="BFGS", options=dict(gtol=1e-10)
        )
        return min(found.fun, self.cost(start))


def at(fit, has_intercept=True):
    return np.append(fit.w, fit.intercept) if has_intercept else np.asarray(fit.w)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_the_optimum_of_few_rows(rng, name, l2, is_weighted, has_intercept, backend):
    X, y = drawn(rng, name, 120)
    s = rng.random(120) if is_weighted else None
    fit = fastgd.gradient_descent(
        X, y, loss=LOSSES[name], l2=l2, sample_weight=s, fit_intercept=has_intercept, precondition=True,
        tol="auto", n_epochs=12, backend=backend,
    )  # fmt: skip
    direct = Direct(LOSSES[name], X, y, s, l2, has_intercept)
    found = at(fit, has_intercept)
    assert fit.converged
    assert fit.n_epochs <= 3
    assert fit.n_passes <= 8
    assert fit.cost_history[-1] == pytest.approx(direct.cost(found), rel=1e-12)
    assert direct.cost(found) - direct.least(found) <= 1e-11 * abs(direct.cost(found))
    assert (np.abs(direct.gradient(found)) <= 1e-5 * np.abs(direct.gradient(0.0 * found)).max()).all()


@pytest.mark.parametrize("name", LOSSES)
def test_both_backends_take_the_same_steps(rng, name):
    X, y = drawn(rng, name, 150)
    how = dict(loss=LOSSES[name], l2=0.01, fit_intercept=True, precondition=True, n_epochs=3)
    how |= dict(learning_rate=lambda epoch: 1.0 / (epoch + 2.0))
    fast, plain = (fastgd.gradient_descent(X, y, backend=backend, **how) for backend in BACKENDS)
    np.testing.assert_allclose(fast.w_history, plain.w_history, rtol=1e-7)
    np.testing.assert_allclose(fast.cost_history, plain.cost_history, rtol=1e-12)
    assert fast.n_passes == plain.n_passes


def test_a_loss_without_bends_has_the_weights_of_least_squares(rng):
    X = rng.normal(size=(80, 2)) * [1.0, 1e3]
    y = X @ [2.0, 1e-3] + rng.normal(size=80)
    how = dict(loss=Smooth(1e3), fit_intercept=True, precondition=True)
    fit = fastgd.gradient_descent(X, y, tol="auto", n_epochs=9, **how)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(80)]), y)[0]
    np.testing.assert_allclose(at(fit), expected, rtol=1e-4)
    assert fit.w_history[0] == pytest.approx(expected[:2], rel=1e-4)  # at the optimum of the sample


@pytest.mark.skipif(JIT_IS_OFF, reason="too many rows for plain Python")
@pytest.mark.parametrize("name", ["log_loss", "huber", "poisson", "modified_huber"])
def test_a_small_sample_leads_to_the_optimum_of_all_rows(rng, name):
    X, y = drawn(rng, name, 200_000)
    assert spacing(*X.shape) > 1
    how = dict(loss=LOSSES[name], l2=1e-3, fit_intercept=True, tol="auto")
    fit = fastgd.gradient_descent(X, y, precondition=True, **how)
    slow = fastgd.gradient_descent(
        X, y, standardize=True, nesterov=True, **how | dict(n_epochs=2000, tol=1e-9)
    )
    assert fit.converged
    assert fit.n_passes <= 8
    assert fit.cost_history[0] > fit.cost_history[-1]
    assert fit.cost_history[-1] - slow.cost_history[-1] <= 1e-10 * abs(slow.cost_history[-1])


@pytest.mark.skipif(JIT_IS_OFF, reason="too many rows for plain Python")
def test_threads_and_sources_have_the_same_bits(rng):
    X, y = drawn(rng, "log_loss", 70_000)
    how = dict(loss="log_loss", fit_intercept=True, precondition=True, tol="auto")
    parts = fastgd.chunks(lambda: ((X[k : k + 9_999], y[k : k + 9_999]) for k in range(0, len(X), 9_999)))
    fits = [fastgd.gradient_descent(X, y, n_threads=k, **how) for k in (1, 2, 3)]
    fits += [fastgd.gradient_descent(np.asfortranarray(X), y, **how), fastgd.gradient_descent(parts, **how)]
    for fit in fits[1:]:
        assert fit.w.tolist() == fits[0].w.tolist()
        assert fit.intercept == fits[0].intercept
        assert fit.cost_history.tolist() == fits[0].cost_history.tolist()


def test_runs_in_parts_are_one_run(rng, tmp_path):
    X, y = drawn(rng, "log_loss", 200)
    how = dict(loss="log_loss", fit_intercept=True, precondition=True, learning_rate=0.4)
    whole = fastgd.gradient_descent(X, y, n_epochs=7, **how)
    part = fastgd.gradient_descent(X, y, n_epochs=3, **how)
    for before in (part, _saved(part, tmp_path / "part")):
        after = fastgd.gradient_descent(X, y, n_epochs=4, w0=before, **how)
        assert at(after).tolist() == at(whole).tolist()
        assert after.cost_history.tolist() == whole.cost_history[3:].tolist()
    again = resumed(X, y, tmp_path / "checkpoint", **how)
    assert at(again).tolist() == at(whole).tolist()
    assert again.cost_history.tolist() == whole.cost_history.tolist()
    assert again.n_passes == whole.n_passes


def _saved(fit, path):
    fit.save(path)
    return fastgd.load(path)


def test_no_epochs_return_the_start(rng):
    X, y = drawn(rng, "log_loss", 50)
    w0 = np.array([0.1, 0.2, 0.3])
    fit = fastgd.gradient_descent(X, y, loss="log_loss", precondition=True, n_epochs=0, w0=w0)
    assert fit.w.tolist() == w0.tolist()
    assert fit.cost_history[0] == pytest.approx(Direct("log_loss", X, y, has_intercept=False).cost(w0))


SEPARABLE = np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["squared_hinge", "modified_huber"])
def test_separable_classes_have_a_minimum_of_zero(name, backend):
    how = dict(loss=name, precondition=True, tol="auto", n_epochs=60, backend=backend)
    fit = fastgd.gradient_descent(*SEPARABLE, **how)
    assert fit.converged
    assert fit.w >= 1.0 - 1e-15
    assert fit.cost_history[-1] <= 1e-30


@pytest.mark.parametrize("backend", BACKENDS)
def test_separable_classes_end_with_a_sentence(backend):
    how = dict(loss="log_loss", precondition=True, tol="auto", n_epochs=1000, backend=backend)
    with pytest.warns(
        fastgd.ConvergenceWarning, match=r"separates the classes.*no minimum.*l2=0.0001"
    ) as found:
        fit = fastgd.gradient_descent(*SEPARABLE, **how)
    assert found[0].message.kind == "separable"
    assert not fit.converged
    assert fit.n_epochs < 20
    assert "separates the classes" in fit.status
    x, y = SEPARABLE
    assert ((fit.w * x > 0.0) == (y == 1.0)).all()
    held = fastgd.gradient_descent(x, y, l2=1e-3, **how)  # no warning
    assert held.converged
    slope = Direct("log_loss", x[:, None], y, l2=1e-3, has_intercept=False).gradient(np.array([held.w]))
    assert abs(slope[0]) < 1e-8


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", LOSSES)
def test_columns_without_a_part_of_their_own(rng, name, backend):
    """A column of zeros keeps its weight. Equal columns share theirs."""
    X, y = drawn(rng, name, 90, 2)
    wide = np.column_stack([X, np.zeros(90), X[:, 1]])
    how = dict(loss=LOSSES[name], fit_intercept=True, precondition=True, tol="auto", n_epochs=20)
    fit = fastgd.gradient_descent(wide, y, backend=backend, **how)
    narrow = fastgd.gradient_descent(X, y, backend=backend, **how)
    assert fit.converged
    assert fit.w[2] == 0.0
    assert fit.w[1] == pytest.approx(fit.w[3], rel=1e-4)
    np.testing.assert_allclose([fit.w[0], fit.w[1] + fit.w[3]], narrow.w, rtol=1e-4)


def test_columns_that_the_sample_lacks(rng):
    """Blocks of the sample hold zeros of the last column. Its weight is found in all rows."""
    n = 2_000 if JIT_IS_OFF else 140_000
    X, y = drawn(rng, "log_loss", n, 2)
    rare = np.zeros(n)
    rare[5_000 : 5_000 + 300 if n > 5_000 else None] = 1.0
    rare[-300:] = 1.0
    fit = fastgd.gradient_descent(
        np.column_stack([X, rare]), y, loss="log_loss", fit_intercept=True, precondition=True, tol="auto"
    )
    assert fit.converged
    gradient = Direct("log_loss", np.column_stack([X, rare]), y).gradient(at(fit))
    assert np.abs(gradient).max() < 1e-6


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("name", ["huber", "log_loss", "poisson"])
def test_one_or_two_rows(name, n):
    X, y = np.array([[1.0, 2.0], [0.5, -1.0]])[:n], np.array([1.0, 0.0])[:n]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fastgd.ConvergenceWarning)
        fit = fastgd.gradient_descent(X, y, loss=name, l2=0.1, precondition=True, tol="auto", n_epochs=40)
    direct = Direct(LOSSES[name], X, y, l2=0.1, has_intercept=False)
    assert np.abs(direct.gradient(fit.w)).max() < 1e-6


@pytest.mark.parametrize(
    ("option", "named"),
    [
        (dict(loss=Absolute()), "Absolute has kinks, and nothing says where"),
        (dict(loss="log_loss", l1=0.1), "l1"),
        (dict(loss="log_loss", momentum=0.5), "momentum"),
    ],
)
def test_options_that_it_cannot_serve_are_named(rng, option, named):
    X, y = drawn(rng, "log_loss", 30)
    with pytest.raises(ValueError, match=f"precondition=True is not possible: .*{named}"):
        fastgd.gradient_descent(X, y, precondition=True, **option)
    as_plain = fastgd.gradient_descent(X, y, n_epochs=5, **option)
    left_off = fastgd.gradient_descent(X, y, n_epochs=5, precondition="auto", **option)
    assert left_off.w.tolist() == as_plain.w.tolist()


@pytest.mark.parametrize("option", [dict(learning_rate=0.1), dict(validation_fraction=0.2, n_epochs=3)])
def test_auto_leaves_a_given_rate_and_validation_as_they_are(rng, option):
    X, y = drawn(rng, "log_loss", 60)
    fits = [
        fastgd.gradient_descent(X, y, loss="log_loss", precondition=choice, **option)
        for choice in (False, "auto")
    ]
    assert fits[0].w.tolist() == fits[1].w.tolist()


def test_a_correction_keeps_the_metric_symmetric_and_maps_the_change_to_the_step(rng):
    root = rng.normal(size=(4, 4))
    metric, step = root @ root.T, rng.normal(size=4)
    change = np.diag([1.0, 2.0, 3.0, 4.0]) @ step
    new = corrected(metric, step, change)
    np.testing.assert_allclose(new @ change, step)
    np.testing.assert_allclose(new, new.T, rtol=1e-14)
    assert np.linalg.eigvalsh(new).min() > 0.0
    assert corrected(metric, step, -change) is metric  # no curvature along the step
    assert corrected(metric, step, 0.0 * change) is metric


def trend(n):
    """Powers of time: no stretch of rows is like the others."""
    t = np.arange(n) / n
    return t, np.column_stack([t, t**2, t**3])


@pytest.mark.skipif(JIT_IS_OFF, reason="too many rows for plain Python")
@pytest.mark.parametrize("l2", [0.0, 1e-6])
def test_rows_in_the_order_of_time(rng, l2):
    t, X = trend(100_000)
    counts = rng.poisson(np.exp(1.0 + t - 0.5 * t**2)).astype(float)
    classes = (rng.random(len(t)) < 1.0 / (1.0 + np.exp(-t))).astype(float)
    for loss, y in (("poisson", counts), ("log_loss", classes), ("modified_huber", classes)):
        fit = fastgd.gradient_descent(
            X, y, loss=loss, l2=l2, fit_intercept=True, precondition=True, tol="auto"
        )
        assert fit.converged
        assert fit.n_passes <= 10
        assert (np.diff(fit.cost_history) <= 1e-12).all()
        gradient = Direct(loss, X, y, l2=l2).gradient(at(fit))
        assert np.abs(gradient).max() < 1e-6


def test_a_sample_that_does_not_represent_the_rows_counts_for_nothing(rng, monkeypatch):
    """A sample of the first rows alone, which are of another scale."""
    n = 300 if JIT_IS_OFF else 3000
    X, y = drawn(rng, "poisson", n, 2)
    X[: n // 4] *= 1e-3
    part = ArrayRows(X[: n // 4], y[: n // 4])
    monkeypatch.setattr(metric, "read_sample", lambda rows, n_threads: part)
    fit = fastgd.gradient_descent(X, y, loss="poisson", fit_intercept=True, precondition=True, tol="auto")
    assert fit.converged
    direct = Direct("poisson", X, y)
    assert direct.cost(at(fit)) - direct.least(at(fit)) <= 1e-10 * abs(direct.cost(at(fit)))
    assert (np.diff(fit.cost_history) <= 1e-12).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("scale", "offset"), [(30.0, 0.0), (1e3, 0.0), (1.0, 1e6)])
def test_huber_far_from_its_delta_has_the_optimum(rng, scale, offset, backend):
    X = rng.normal(size=(200, 3))
    y = offset + scale * (5.0 + X @ [1.0, -0.5, 0.3] + rng.standard_t(3, 200))
    fit = fastgd.gradient_descent(
        X, y, loss="huber", fit_intercept=True, precondition=True, tol="auto", backend=backend
    )
    assert fit.converged
    direct = Direct("huber", X, y)
    gradient = direct.gradient(at(fit))
    assert np.abs(gradient).max() < 1e-5
    assert fit.cost_history[-1] == pytest.approx(direct.cost(at(fit)), rel=1e-9)


def test_a_loss_without_a_bound_of_its_curvature(rng):
    X, y = drawn(rng, "huber", 150)
    loss = LogCosh()
    fit = fastgd.gradient_descent(X, y, loss=loss, fit_intercept=True, precondition=True, tol="auto")
    assert fit.converged
    assert fit.n_passes <= 12
    assert np.abs(Direct(loss, X, y).gradient(at(fit))).max() < 1e-6


def test_a_start_at_which_the_cost_overflows_is_told(rng):
    X, y = drawn(rng, "poisson", 60)
    how = dict(loss="poisson", w0=[300.0] * 3, fit_intercept=True, precondition=True)
    with pytest.raises(fastgd.DivergenceError, match="the cost at w0 overflows"):
        fastgd.gradient_descent(X, y, **how)


def test_separable_classes_with_weights_end_with_a_sentence():
    x, y = SEPARABLE
    s = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 3.0])
    how = dict(loss="log_loss", precondition=True, tol="auto", n_epochs=1000, sample_weight=s)
    with pytest.warns(fastgd.ConvergenceWarning, match="separates the classes"):
        fit = fastgd.gradient_descent(x, y, **how)
    assert fit.n_epochs < 20


def test_a_run_out_of_epochs_does_not_advise_what_is_not_used(rng):
    X, y = drawn(rng, "huber", 100)
    how = dict(loss="huber", precondition=True, tol=0.0, n_epochs=1, learning_rate=1e-9)
    with pytest.warns(fastgd.ConvergenceWarning, match="ran out") as found:
        fastgd.gradient_descent(X, 1e4 * y, **how)
    assert "nesterov" not in str(found[0].message)
