"""The laws that every loss with a name keeps: a new loss is tested by its line in `losses.NAMED`."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import fastgd
from fastgd import domains, losses
from fastgd.kernels import pointwise
from tests.conftest import JIT_IS_OFF
from tests.helpers import ROOT
from tests.problems import BACKENDS, assert_alike

every = pytest.mark.parametrize("name", losses.NAMED)
smooth = pytest.mark.parametrize("name", [name for name, loss in losses.NAMED.items() if loss.is_smooth])
FITS = [fastgd.gradient_descent, fastgd.sgd]
D = 3
"""Columns of nearly all data here, as kernels of few columns are compiled once for each number of them."""


def targets(domain, rng, n):
    """Random y of this domain."""
    if domain is domains.CLASSES:
        return (rng.random(n) < 0.4).astype(float)
    return rng.poisson(2.0, n).astype(float) if domain is domains.NOT_NEGATIVE else 2.0 * rng.normal(size=n)


def outside(domain):
    """A y that the domain has not."""
    return 0.5 if domain is domains.CLASSES else -1.0


def of(name, rng, n, d):
    """Rows and targets of the loss's domain."""
    X = rng.normal(size=(n, d)) * 0.7 + 0.2
    return X, targets(losses.NAMED[name].domain, rng, n)


def away_from_kinks(loss, score, y):
    """Where the slopes at both sides of a score agree."""
    low, high = (
        np.array([loss.slope(s, t) for s, t in zip(score + h, y, strict=True)]) for h in (-1e-3, 1e-3)
    )
    return np.abs(high - low) < 0.1


@every
def test_slopes_are_the_differences_of_values(name, rng):
    loss = losses.NAMED[name]
    score = 3.0 * rng.normal(size=400)
    y = targets(loss.domain, rng, 400)
    is_even = away_from_kinks(loss, score, y)
    assert is_even.sum() > 300
    h = 1e-5
    for s, t in zip(score[is_even].tolist(), y[is_even].tolist(), strict=True):
        difference = (loss.value(s + h, t) - loss.value(s - h, t)) / (2 * h)
        assert loss.slope(s, t) == pytest.approx(difference, rel=1e-4, abs=1e-4)


@every
def test_slopes_grow_and_no_faster_than_the_curvature(name, rng):
    """Losses are convex; `curvature` bounds the second derivative, and `is_smooth` says that none jumps."""
    loss = losses.NAMED[name]
    score = np.linspace(-6.0, 6.0, 2401)
    for y in np.unique(targets(loss.domain, rng, 20)):
        steps = np.diff([loss.slope(s, y) for s in score.tolist()])
        assert steps.min() >= -1e-12
        if loss.curvature is not None:
            assert steps.max() <= loss.curvature * (score[1] - score[0]) * (1 + 1e-9)
        if not loss.is_smooth:
            assert steps.max() > 0.1


@every
def test_kernels_are_the_methods(name, rng):
    loss = losses.NAMED[name]
    score = np.concatenate([4.0 * rng.normal(size=300), [0.0, 1.0, -1.0, 1.35, 30.0, -30.0]])
    y = targets(loss.domain, rng, len(score))
    for kernel, method in ((pointwise.values, loss.value), (pointwise.slopes, loss.slope)):
        out = np.empty(len(score))
        kernel(loss, score, y, out)
        plain = [method(s, t) for s, t in zip(score.tolist(), y.tolist(), strict=True)]
        np.testing.assert_allclose(out, plain, rtol=1e-13, atol=1e-15)


@every
@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_is_seen(name, backend):
    y = targets(losses.NAMED[name].domain, np.random.default_rng(0), 3)
    with pytest.raises(fastgd.InvalidDataError, match="NaN"):
        fastgd.loss([1.0, np.nan, 2.0], y, 0.5, loss=name, backend=backend)
    assert math.isnan(losses.NAMED[name].value(math.nan, y[0]))


def compare_backends(name, dtype, rng, descents, steps, weights=None):
    """A pair of backends has the same fits by these rules."""
    X, y = of(name, rng, 23, D)
    X, y = X.astype(dtype), y.astype(dtype)
    base = dict(loss=name, n_epochs=3, fit_intercept=True, learning_rate=0.02, sample_weight=weights)
    for fit_by, rules in ((fastgd.gradient_descent, descents), (fastgd.sgd, steps)):
        for rule in rules:
            fit, twin = (fit_by(X, y, backend=backend, **base | rule) for backend in BACKENDS)
            assert_alike(fit, twin, f"{name} {rule}")


@pytest.mark.slow  # compiles kernels for every loss
@every
def test_compiled_fits_are_the_plain_ones(name, rng):
    """Kernels get a loss as a type. Two losses by all rules, below, show that rules do not depend on it."""
    descents = [{}, dict(nesterov=True, l1=0.02, l2=0.1)]
    compare_backends(name, np.float64, rng, descents, [dict(track_cost=True), dict(l1=0.01)])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squared_hinge", "epsilon_insensitive"])  # a smooth one, and one with kinks
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_compiled_fits_are_the_plain_ones_by_every_rule(name, dtype, rng):
    s = rng.random(23) + 0.1
    descents = [{}, dict(nesterov=True, l1=0.02, l2=0.1), dict(standardize=True)]
    steps = [dict(track_cost=True), dict(batch_size=4, momentum=0.5), dict(l1=0.01)]
    compare_backends(name, dtype, rng, descents, steps, weights=s)


@every
def test_a_sweep_has_the_bits_of_the_fit(name, rng):
    X, y = of(name, rng, 23, D)
    base = dict(loss=name, n_epochs=3, fit_intercept=True)
    fit = fastgd.gradient_descent(X, y, learning_rate=0.02, **base)
    assert fastgd.sweep(X, y, learning_rates=[0.01, 0.02], **base).fits[1].w.tobytes() == fit.w.tobytes()


@every
@pytest.mark.parametrize("backend", BACKENDS)
def test_cost_and_gradient_are_those_of_the_formula(name, backend, rng):
    X, y = of(name, rng, 40, D)
    w, loss = [0.3, -0.2, 0.1], losses.NAMED[name]
    score = (X @ w + 0.1).tolist()
    each = [loss.value(s, t) for s, t in zip(score, y.tolist(), strict=True)]
    slopes = np.array([loss.slope(s, t) for s, t in zip(score, y.tolist(), strict=True)])
    how = dict(loss=name, intercept=0.1, backend=backend)
    np.testing.assert_allclose(fastgd.loss(X, y, w, **how), each, rtol=1e-12, atol=1e-14)
    assert fastgd.cost(X, y, w, **how) == pytest.approx(np.mean(each), rel=1e-12)
    np.testing.assert_allclose(fastgd.gradient(X, y, w, **how), X.T @ slopes / 40, rtol=1e-11, atol=1e-13)


@smooth
@pytest.mark.parametrize("backend", BACKENDS)
def test_an_automatic_rate_leads_to_a_zero_gradient(name, backend, rng):
    """By backtracking where the curvature has no bound."""
    X, y = of(name, rng, 30, D)
    how = dict(loss=name, l2=0.1, fit_intercept=True, n_epochs=3000, tol=1e-7, backend=backend)
    for rule in ({}, dict(nesterov=True), dict(momentum=0.3)):
        fit = fastgd.gradient_descent(X, y, **how, **rule)
        assert fit.converged
        at_end = dict(intercept=fit.intercept, loss=name, l2=0.1)
        assert np.abs(fastgd.gradient(X, y, fit.w, **at_end)).max() < 1e-6


@every
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_y_outside_the_domain_is_named(name, backend, rng):
    loss = losses.NAMED[name]
    if loss.domain is domains.NUMBERS:
        pytest.skip("it takes any y")
    X, y = of(name, rng, 50, D)
    bad = outside(loss.domain)
    y[41] = bad
    place = r"^(y\[41\]|row 41 of chunks\(\): y)"
    sentence = rf"{place} is {bad:g}; {re.escape(loss.domain.demand(name) + loss.domain.aside)}$"
    chunks = fastgd.chunks(lambda: iter([(X[:20], y[:20]), (X[20:], y[20:])]))
    for fit_by in FITS:
        for given in ((X, y), (chunks,)):
            with pytest.raises(fastgd.InvalidDataError, match=sentence):
                fit_by(*given, loss=name, learning_rate=0.01, backend=backend)
    with pytest.raises(fastgd.InvalidDataError, match=sentence):
        fastgd.loss(X, y, np.zeros(D), loss=name, backend=backend)


@every
def test_targets_without_minimum_are_warned_of(name):
    loss = losses.NAMED[name]
    for only in loss.without_minimum:
        with pytest.warns(fastgd.ConvergenceWarning, match=rf"^every y is {only:g}: {name} of .* no minimum"):
            fastgd.gradient_descent([1.0, 2.0], [only, only], loss=name, n_epochs=1, backend="python")


def test_estimators_and_the_command_line_take_every_name(capsys):
    pytest.importorskip("sklearn")
    from fastgd.cli.main import main
    from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

    for of_classes, kinds in ((True, (GDClassifier, SGDClassifier)), (False, (GDRegressor, SGDRegressor))):
        names = losses.names(of_classes=of_classes)
        assert names
        for kind in kinds:
            assert kind._parameter_constraints["loss"][0].options == set(names)
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for name, loss in losses.NAMED.items():
        assert name in text
        assert loss.domain is domains.NUMBERS or f"{name} takes {loss.domain.takes}" in text


def model_of(kind, name, **more):
    smooth_in_sgd = losses.NAMED[name].is_smooth and losses.NAMED[name].curvature is None
    rate = dict(eta0=0.01) if kind.__name__.startswith("SGD") and smooth_in_sgd else {}
    return kind(loss=name, **rate, **more)


@every
@pytest.mark.filterwarnings("ignore::fastgd.ConvergenceWarning")
def test_estimators_fit_and_predict(name, rng):
    pytest.importorskip("sklearn")
    from fastgd.estimators import GDClassifier, GDRegressor, SGDClassifier, SGDRegressor

    loss = losses.NAMED[name]
    is_of_classes = loss.domain is domains.CLASSES
    X = rng.normal(size=(90, 3))
    score = X @ [1.0, -0.5, 0.3] + 0.2
    for kind in (GDClassifier, SGDClassifier) if is_of_classes else (GDRegressor, SGDRegressor):
        model = model_of(kind, name, max_iter=60)
        if not is_of_classes:
            y = rng.poisson(np.exp(score)) if loss.domain is domains.NOT_NEGATIVE else score
            model.fit(X, y)
            assert model.score(X, y) > 0.3
            np.testing.assert_allclose(
                model.predict(X),
                loss.predictions(X @ model.coef_ + np.ravel(model.intercept_)[0]),
                rtol=1e-12,
            )
            continue
        for labels in (np.where(score > 0.0, "yes", "no"), np.digitize(score, [-0.5, 0.7])):
            model.fit(X, labels)
            assert model.score(X, labels) > 0.6
            assert model.decision_function(X).shape == ((90,) if len(model.classes_) == 2 else (90, 3))
            assert hasattr(model, "predict_proba") is loss.gives_probabilities
            if not loss.gives_probabilities:
                with pytest.raises(AttributeError, match="has no attribute 'predict_proba'") as caught:
                    model.predict_proba(X)
                assert (
                    str(caught.value.__cause__)
                    == f"probability estimates are not available for loss={name!r}"
                )
                continue
            share = model.predict_proba(X)
            np.testing.assert_allclose(share.sum(axis=1), 1.0, rtol=1e-12)
            with np.errstate(divide="ignore"):
                np.testing.assert_allclose(model.predict_log_proba(X), np.log(share), rtol=1e-9, atol=1e-12)
            assert (model.classes_[share.argmax(axis=1)] == model.predict(X)).mean() > 0.95


FIT_ALL = """
import sys
import numpy as np
import fastgd
from fastgd import domains, losses
from fastgd.kernels import _jit

X = np.arange(24.0).reshape(8, 3) % 5
y = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0])
compiled = []
save = _jit.KernelCache.save_overload
_jit.KernelCache.save_overload = lambda self, sig, data: (compiled.append(self._name), save(self, sig, data))
for name in losses.NAMED:
    found = fastgd.loss(X, y, [0.1, 0.2, -0.3], loss=name, intercept=0.1)
    print(name, found.tobytes().hex(), file=sys.stderr)
found = fastgd.gradient_descent(X, y, loss=name, learning_rate=0.01, n_epochs=2, l2=0.1, fit_intercept=True)
print(found.w.tobytes().hex(), file=sys.stderr)
print(len(compiled))
"""


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled")
def test_the_next_process_finds_every_loss_in_the_cache(tmp_path):
    environment = os.environ | {
        "FASTGD_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    runs = [
        subprocess.run(
            [sys.executable, "-c", FIT_ALL], env=environment, capture_output=True, text=True, timeout=300
        )
        for _ in range(2)
    ]
    cold, warm = (int(run.stdout) for run in runs)
    assert cold >= len(losses.NAMED)
    assert warm == 0
    assert runs[0].stderr == runs[1].stderr  # the same bits


class Unbounded(losses.Loss):
    """exp(score) − y·score: smooth, and of any curvature."""

    is_smooth = True

    def value(self, score, y):
        return losses.exp(score) - y * score

    def slope(self, score, y):
        return losses.exp(score) - y


COUNTS = np.array([700.0, 800.0, 1000.0, 900.0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_backtracking_finds_rates_far_below_the_first(backend):
    """The curvature at the start is 1, and 850 at the optimum."""
    how = dict(loss=Unbounded(), n_epochs=200, tol=1e-9, backend=backend)
    fit = fastgd.gradient_descent(np.ones(4), COUNTS, **how)
    assert fit.converged
    assert fit.w == pytest.approx(math.log(850.0), rel=1e-9)
    assert fit.learning_rates[0] > 5 * fit.learning_rates[-1] > 0.0


def test_backtracking_goes_on_where_it_stood(rng):
    X = rng.normal(size=(40, 2))
    y = rng.poisson(3.0, 40).astype(float)
    how = dict(loss=Unbounded(), fit_intercept=True, nesterov=True)
    whole = fastgd.gradient_descent(X, y, n_epochs=20, **how)
    half = fastgd.gradient_descent(X, y, n_epochs=8, **how)
    rest = fastgd.gradient_descent(X, y, n_epochs=12, w0=half, **how)
    assert rest.w.tobytes() == whole.w.tobytes()
    assert rest.learning_rates.tobytes() == whole.learning_rates[8:].tobytes()


def test_backtracking_resumes_from_a_checkpoint(rng, tmp_path):
    X = rng.normal(size=(40, 2))
    y = rng.poisson(3.0, 40).astype(float)
    how = dict(loss=Unbounded(), fit_intercept=True, n_epochs=20)
    whole = fastgd.gradient_descent(X, y, **how)

    def stop(state):
        if state.epoch == 9:
            raise KeyboardInterrupt

    file = tmp_path / "run.npz"
    with pytest.raises(KeyboardInterrupt):
        fastgd.gradient_descent(X, y, checkpoint=file, checkpoint_every=0.0, callback=stop, **how)
    resumed = fastgd.gradient_descent(X, y, resume=file, callback=lambda state: None, **how)
    assert resumed.w.tobytes() == whole.w.tobytes()
    assert resumed.learning_rates.tobytes() == whole.learning_rates.tobytes()


def test_sgd_without_a_bound_of_the_curvature_asks_for_a_rate():
    sentence = (
        r'^learning_rate="auto" of SGD needs a bound of the curvature .* pass a number, learning_rate=0\.01'
    )
    with pytest.raises(ValueError, match=sentence):
        fastgd.sgd([1.0, 2.0], [1.0, 2.0], loss=Unbounded())
    assert fastgd.sgd([1.0, 2.0], [1.0, 2.0], loss=Unbounded(), learning_rate=0.1, n_epochs=2).n_epochs == 2
