"""diagnose, "auto" rates and the limits that errors name: against eigenvalues, and against what runs do."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.problems import BACKENDS, spread_problem

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def test_the_lesson_diagnosed():
    """x = 1, 2, 3: mean(x²) = 14/3, so the limit is 3/14 and "auto" reaches the optimum in a step."""
    found = fastgd.diagnose(XS, YS)
    assert found.largest_eigenvalue == found.smallest_eigenvalue == pytest.approx(14 / 3, rel=1e-15)
    assert found.stability_limit == pytest.approx(3 / 14, rel=1e-15)
    assert found.learning_rate == pytest.approx(3 / 28, rel=1e-15)
    assert (found.condition_number, found.n_samples, found.n_features, found.n_passes) == (1.0, 3, 1, 1)
    assert type(found.optimum) is float
    assert found.optimum == 2.0
    assert found.optimum_cost == 0.0
    assert found.epochs_to(1e-3) == 1
    assert "stability limit of the learning rate: 0.214286" in str(found)
    slow = fastgd.diagnose(XS, YS, learning_rate=0.01)
    assert slow.spectral_radius == pytest.approx(1 - 0.02 * 14 / 3, rel=1e-14)
    assert slow.epochs_to(1e-3) == math.ceil(math.log(1e-3) / math.log(1 - 0.02 * 14 / 3))
    assert fastgd.diagnose(XS, YS, learning_rate=0.3).epochs_to(0.5) == math.inf


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("d", [1, 2, 7, 40])
@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_limits_are_those_of_the_eigenvalues(rng, d, backend, l2):
    X, y = spread_problem(rng, 600, d, 0.1)
    found = fastgd.diagnose(X, y, backend=backend, l2=l2)
    values = np.linalg.eigvalsh(X.T @ X / len(y))
    assert found.largest_eigenvalue == pytest.approx(values[-1], rel=1e-12)
    assert found.smallest_eigenvalue == pytest.approx(values[0], rel=1e-10)
    assert found.stability_limit == pytest.approx(2 / (2 * values[-1] + l2), rel=1e-12)
    assert found.condition_number == pytest.approx((2 * values[-1] + l2) / (2 * values[0] + l2), rel=1e-9)
    w = np.linalg.solve(2 * X.T @ X / len(y) + l2 * np.eye(d), 2 * X.T @ y / len(y))
    np.testing.assert_allclose(found.optimum, w, rtol=0, atol=1e-11 * np.abs(w).max())
    cost = np.mean((X @ w - y) ** 2) + l2 / 2 * w @ w
    assert found.optimum_cost == pytest.approx(cost, rel=1e-11)


COORDINATES = {
    "an intercept": dict(fit_intercept=True),
    "standardised": dict(standardize=True),
    "standardised, with an intercept": dict(fit_intercept=True, standardize=True),
    "weights": dict(sample_weight=True),
    "weights, standardised, with an intercept": dict(
        fit_intercept=True, standardize=True, sample_weight=True
    ),
}


def table_of(X, s, fit_intercept=False, standardize=False, l2=0.0, **_):
    """What the descent moves in: √s·[x̃, 1]; and the scales of the columns."""
    mean = np.average(X, axis=0, weights=s) * fit_intercept
    scale = np.ones(X.shape[1])
    if standardize:
        scale = 1 / np.sqrt(np.average((X - mean) ** 2, axis=0, weights=s) + l2 / 2)
        X = (X - mean) * scale
    return np.sqrt(s)[:, None] * np.column_stack([X, *np.ones((int(fit_intercept), len(X)))]), scale


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", COORDINATES)
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_table_that_the_descent_moves_in_is_diagnosed(rng, case, backend, l2):
    X, y = spread_problem(rng, 600, 3, 0.2)
    X += 2.0
    options = dict(COORDINATES[case], l2=l2)
    s = np.ones(600)
    if "sample_weight" in options:
        s = options["sample_weight"] = rng.uniform(0.0, 2.0, 600)
    Z, scale = table_of(X, s, **options)
    found = fastgd.diagnose(X, y, backend=backend, **options)
    values = np.linalg.eigvalsh(Z.T @ Z / s.sum())
    penalty = np.append(l2 * scale**2, np.zeros(Z.shape[1] - 3))
    curvatures = np.linalg.eigvalsh(2 * Z.T @ Z / s.sum() + np.diag(penalty))
    assert (found.smallest_eigenvalue, found.largest_eigenvalue) == pytest.approx(values[[0, -1]], rel=1e-10)
    assert found.stability_limit == pytest.approx(2 / curvatures[-1], rel=1e-11)
    assert found.condition_number == pytest.approx(curvatures[-1] / curvatures[0], rel=1e-9)
    fit = fastgd.gradient_descent(X, y, backend=backend, n_epochs=1, **options)
    assert fit.learning_rates[0] == found.learning_rate
    rate = found.learning_rate
    assert found.spectral_radius == pytest.approx(np.abs(1 - rate * curvatures).max(), rel=1e-9)
    # The optimum, in the caller's units: penalties are those of w.
    A = np.column_stack([X, *np.ones((Z.shape[1] - 3, 600))])
    penalty = np.append(np.full(3, l2), np.zeros(Z.shape[1] - 3))
    w = np.linalg.solve(2 * (A.T * s) @ A / s.sum() + np.diag(penalty), 2 * (A.T * s) @ y / s.sum())
    np.testing.assert_allclose(found.optimum, w[:3], rtol=0, atol=1e-10)
    assert found.optimum_intercept == pytest.approx(w[3] if len(w) > 3 else 0.0, abs=1e-10)
    cost = np.average((A @ w - y) ** 2, weights=s) + l2 / 2 * w[:3] @ w[:3]
    assert found.optimum_cost == pytest.approx(cost, rel=1e-9)
    settled = fastgd.gradient_descent(X, y, n_epochs=20_000, **options | dict(nesterov=True, tol="auto"))
    np.testing.assert_allclose(settled.w, found.optimum, rtol=0, atol=1e-9)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", COORDINATES)
def test_sgd_is_diagnosed_in_that_table_too(rng, case, backend):
    X, y = spread_problem(rng, 60 if backend == "python" or JIT_IS_OFF else 5000, 3)
    options = dict(COORDINATES[case], solver="sgd", backend=backend)
    s = np.ones(len(y))
    if "sample_weight" in options:
        s = options["sample_weight"] = rng.uniform(0.0, 2.0, len(y))
    Z, _ = table_of(X, s, **options)
    found = fastgd.diagnose(X, y, **options)
    assert found.stability_limit == pytest.approx(1 / np.max(np.sum(Z**2, axis=1)), rel=1e-12)
    A = np.eye(Z.shape[1])
    for z in Z:
        A -= 2 * found.learning_rate * np.outer(z, z @ A)
    assert found.spectral_radius == pytest.approx(np.abs(np.linalg.eigvals(A)).max(), rel=1e-8, abs=1e-140)
    del options["solver"]
    taken = fastgd.sgd(X, y, n_epochs=1, **options).learning_rates[0]
    assert taken == pytest.approx(found.learning_rate, rel=1e-12)


def test_columns_far_from_zero_keep_their_digits(rng):
    X = rng.normal([1950.0, 2e5], [15.0, 8e4], size=(3000, 2))
    y = 12.0 - 0.3 * X[:, 0] + 1e-4 * X[:, 1] + rng.normal(size=3000)
    found = fastgd.diagnose(X, y, fit_intercept=True, standardize=True)
    centred = X - X.mean(axis=0)
    ref = np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
    np.testing.assert_allclose(found.optimum, ref, rtol=1e-12)
    assert found.optimum_intercept == pytest.approx(y.mean() - X.mean(axis=0) @ ref, rel=1e-12)
    assert found.condition_number < 1.2


@pytest.mark.parametrize("scale", [1e6, 1e9, 1e12])
@pytest.mark.parametrize("backend", BACKENDS)
def test_columns_in_unlike_units_are_not_taken_for_directions_without_data(rng, scale, backend):
    """Of [x, 1] the product of the two eigenvalues is the variance of x."""
    x = rng.normal(1.0, 0.3, 500) * scale
    y = 5.0 + 2.0 * x / scale + 0.1 * rng.normal(size=500)
    largest = (x * x).mean() + 1.0
    for X, how in ((x, dict(fit_intercept=True)), (np.column_stack([x, np.ones(500)]), {})):
        found = fastgd.diagnose(X, y, backend=backend, **how)
        assert found.smallest_eigenvalue == pytest.approx(x.var() / largest, rel=1e-3)
        assert found.condition_number == pytest.approx(largest**2 / x.var(), rel=1e-3)
        assert found.epochs_to(1e-6) > 1e9
    standardised = fastgd.diagnose(x, y, fit_intercept=True, standardize=True, backend=backend)
    assert standardised.condition_number == pytest.approx(1.0)


def test_weights_of_a_source_are_diagnosed(rng):
    X, y = spread_problem(rng, 9000, 2)
    s = rng.uniform(0.0, 2.0, len(y))
    source = fastgd.chunks(lambda: iter([(X[:300], y[:300], s[:300]), (X[300:], y[300:], s[300:])]))
    for how in (dict(), dict(fit_intercept=True, standardize=True, l2=0.1), dict(solver="sgd")):
        streamed, ref = fastgd.diagnose(source, **how), fastgd.diagnose(X, y, sample_weight=s, **how)
        for name in ("stability_limit", "learning_rate", "spectral_radius", "optimum_cost", "n_samples"):
            assert getattr(streamed, name) == getattr(ref, name)
        assert streamed.optimum.tobytes() == ref.optimum.tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_just_below_the_limit_converges_and_just_above_grows(rng, backend):
    X, y = spread_problem(rng, 300, 3)
    found = fastgd.diagnose(X, y)
    how = dict(w0=found.optimum + 1e-3, n_epochs=400, on_divergence="ignore", backend=backend)
    below = fastgd.gradient_descent(X, y, learning_rate=0.99 * found.stability_limit, **how)
    above = fastgd.gradient_descent(X, y, learning_rate=1.01 * found.stability_limit, **how)
    assert below.cost_history[-1] < below.cost_history[0]
    assert above.cost_history[-1] > above.cost_history[0]


@pytest.mark.parametrize("method", ["stream", "summary"])
@pytest.mark.parametrize("spread", [1.0, 0.3, 0.05])
def test_the_forecast_bounds_what_a_run_takes(rng, spread, method):
    X, y = spread_problem(rng, 500, 4, spread)
    found = fastgd.diagnose(X, y)
    epochs = found.epochs_to(1e-3)
    fit = fastgd.gradient_descent(X, y, n_epochs=epochs, method=method)
    assert fit.learning_rates[0] == found.learning_rate
    distance = np.linalg.norm(fit.w_history - found.optimum, axis=1)
    assert distance[-1] <= 1.001e-3 * distance[0]
    excess = fit.cost_history - found.optimum_cost
    assert excess[-1] <= 1.001e-6 * excess[0] + 1e-15


def test_null_directions_do_not_count(rng):
    X, y = spread_problem(rng, 300, 3)
    X = np.column_stack([X, X[:, 0], np.zeros(300)])
    found = fastgd.diagnose(X, y)
    assert found.condition_number < 10
    fit = fastgd.gradient_descent(X, y, n_epochs=200)
    assert fit.cost_history[-1] == pytest.approx(found.optimum_cost, rel=1e-9)


def test_zeros_converge_at_any_rate():
    fit = fastgd.gradient_descent(np.zeros((5, 2)), np.ones(5), n_epochs=3)
    assert fit.w.tolist() == [0.0, 0.0]
    assert fit.converged
    assert fastgd.sgd(np.zeros(5), np.ones(5), n_epochs=3).w == 0.0
    found = fastgd.diagnose(np.zeros((5, 2)), np.ones(5))
    assert found.stability_limit == math.inf


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("d", [1, 3, 20])
def test_sgd_is_diagnosed_by_its_longest_row_and_its_epochs_map(rng, d, backend):
    X, y = spread_problem(rng, 60 if backend == "python" or JIT_IS_OFF else 5000, d)
    longest = np.max(np.sum(X**2, axis=1))
    found = fastgd.diagnose(X, y, solver="sgd", backend=backend)
    assert found.stability_limit == pytest.approx(1 / longest, rel=1e-13)
    assert found.learning_rate == pytest.approx(0.5 / longest, rel=1e-13)
    assert found.n_passes == 2
    A = np.eye(d)
    for x in X:
        A -= 2 * found.learning_rate * np.outer(x, x @ A)
    radius = np.abs(np.linalg.eigvals(A)).max()
    assert found.spectral_radius == pytest.approx(radius, rel=1e-8, abs=1e-140)
    fit = fastgd.sgd(X, y, n_epochs=2, backend=backend)
    assert fit.learning_rates[0] == found.learning_rate
    hot = fastgd.diagnose(X, y, solver="sgd", learning_rate=500.0, backend=backend)
    assert hot.epochs_to(0.5) == math.inf


def test_sgd_of_many_columns_has_no_map_to_forecast_by(rng):
    X, y = spread_problem(rng, 100, 65)
    found = fastgd.diagnose(X, y, solver="sgd")
    assert found.spectral_radius is None
    assert f"learning rate: {found.learning_rate:.6g}" in str(found)
    with pytest.raises(ValueError, match=r"^no forecast for SGD: maps of more than 64 columns"):
        found.epochs_to(0.1)


def test_auto_takes_one_read_and_the_statistics_share_it(rng, many):
    X, y = spread_problem(rng, max(4100, many // 10), 3)
    fit = fastgd.gradient_descent(X, y, n_epochs=5)
    assert (fit.method, fit.n_passes) == ("summary", 1)
    assert fastgd.gradient_descent(X, y, n_epochs=5, method="stream").n_passes == 7
    assert fastgd.gradient_descent(XS, YS, n_epochs=5).n_passes == 7  # one block: the textbook's digits
    assert fastgd.sgd(X, y, n_epochs=1, method="stream").n_passes == 2
    assert fastgd.gradient_descent(X, y, n_epochs=0).n_passes == 1


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 40))
def test_auto_always_descends(seed, d, n):
    """Whatever the data: the cost at the end is not above the start, and nothing is raised."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) * 10.0 ** rng.integers(-3, 4, d)
    y = rng.standard_normal(n)
    fit = fastgd.gradient_descent(X, y, n_epochs=20)
    assert fit.cost_history[-1] <= fit.cost_history[0] * (1 + 1e-12)
    by_sample = fastgd.sgd(X, y, n_epochs=3)
    assert np.isfinite(by_sample.w).all()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("n_epochs", [3, 2000])
@pytest.mark.parametrize("method", ["stream", "summary"])
def test_a_divergence_names_the_limit_and_a_safe_rate(n_epochs, method, backend):
    method = "auto" if backend == "python" else method
    with pytest.raises(
        fastgd.DivergenceError,
        match=r'the stability limit is 0\.214286: take learning_rate="auto", here 0\.107143',
    ) as caught:
        fastgd.gradient_descent(
            XS, YS, w0=1.0, learning_rate=0.3, n_epochs=n_epochs, method=method, backend=backend
        )
    assert caught.value.limit == pytest.approx(3 / 14)
    assert caught.value.safe_rate == pytest.approx(3 / 28)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.limit, again.safe_rate) == (caught.value.limit, caught.value.safe_rate)
    message = str(caught.value)
    assert message.startswith(
        "gradient_descent ended above its start at learning rate 0.3"
        if n_epochs == 3
        else "gradient_descent diverged in epoch "
    )
    assert caught.value.result.diverged
    if n_epochs == 3:
        assert caught.value.epoch == caught.value.result.n_epochs == 3
        assert caught.value.result.status.startswith("diverged; 3 epochs done; the cost went from 4.66667 to")


@pytest.mark.parametrize("n", [3, 5000])
def test_sgds_divergence_names_the_longest_row(n):
    n = min(n, 200) if JIT_IS_OFF else n
    x = np.resize(XS, n)
    with pytest.raises(
        fastgd.DivergenceError,
        match=r'the limit of every single step, 1/max‖x‖², is 0\.111111: take learning_rate="auto", here',
    ) as caught:
        fastgd.sgd(x, 2 * x, w0=1.0, learning_rate=3.0, n_epochs=1000)
    assert caught.value.limit == pytest.approx(1 / 9)
    assert fastgd.sgd(x, 2 * x, w0=1.0, learning_rate=caught.value.safe_rate).w == pytest.approx(2.0)


@pytest.mark.parametrize("method", ["stream", "summary"])
@pytest.mark.parametrize("history", ["epochs", None])
def test_runs_that_converge_are_never_refused(history, method):
    """A schedule that begins above the limit, and w0 at the solution at any rate."""
    falling = [0.3, 0.25, *[0.1] * 30]
    how = dict(history=history, method=method)
    fit = fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=falling, n_epochs=32, **how)
    assert fit.w == pytest.approx(2.0, abs=1e-12)
    for rate in (0.3, 10.0, 1e6):
        for fit_by in (fastgd.gradient_descent, fastgd.sgd):
            assert fit_by(XS, YS, w0=2.0, learning_rate=rate, n_epochs=50, **how).w == 2.0


def test_too_large_for_auto_is_one_sentence():
    for fit_by in (fastgd.gradient_descent, fastgd.sgd):
        with pytest.raises(
            fastgd.InvalidDataError, match=r'^X is too large for learning_rate="auto": its squares overflow'
        ):
            fit_by([1e200, 1.0], [1.0, 1.0])
    with pytest.raises(fastgd.InvalidDataError, match=r"^X\[1\] is NaN"):
        fastgd.diagnose([1.0, np.nan], [1.0, 1.0])
    with pytest.raises(fastgd.InvalidDataError, match=r"^X\[1\] is NaN"):
        fastgd.sgd([1.0, np.nan], [1.0, 1.0])


def test_bad_questions_get_one_sentence():
    for arguments, message in [
        (dict(solver="newton"), "^solver must be 'gradient_descent' or 'sgd', not 'newton'$"),
        (dict(learning_rate=-1.0), "^learning_rate must be positive, not -1.0$"),
        (dict(l2=-1.0), "^l2 must not be negative, not -1.0$"),
        (dict(l2=1.0, solver="sgd"), "^l2 is for full-batch descent only"),
    ]:
        with pytest.raises(ValueError, match=message):
            fastgd.diagnose(XS, YS, **arguments)
    for tolerance in (0.0, 1.0, 2.0):
        with pytest.raises(ValueError, match=r"^tolerance must be between 0 and 1, not "):
            fastgd.diagnose(XS, YS).epochs_to(tolerance)


def test_small_is_not_nothing(rng):
    """A column 1e-7 of the other counts, a copy of a column does not."""
    X = rng.standard_normal((1000, 2)) * [1.0, 1e-7]
    found = fastgd.diagnose(X, X @ [1.0, 1e7])
    assert 1e13 < found.condition_number < 1e15
    X = rng.standard_normal((300, 2))
    X = np.column_stack([X, X[:, 0]])
    by_sample = fastgd.diagnose(X, X @ [1.0, 2.0, 3.0], solver="sgd")
    assert by_sample.spectral_radius < 0.9
    assert fastgd.diagnose(np.zeros((4, 2)), np.ones(4)).epochs_to(0.1) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_overflows_is_said_without_warnings(backend):
    with pytest.raises(fastgd.DivergenceError, match=r"^the cost at w0 overflows"):
        fastgd.gradient_descent([1e200], [1.0], w0=1e200, n_epochs=0, history=None, backend=backend)
    with pytest.raises(fastgd.InvalidDataError, match=r"^X\[1\] is NaN"):
        fastgd.sgd([1.0, np.nan], [1.0, 1.0], backend=backend)
    with pytest.raises(fastgd.InvalidDataError, match=r"^X or y is too large to diagnose"):
        fastgd.diagnose([1.0, 2.0], [1e200, 1.0], backend=backend)
    with pytest.raises(fastgd.InvalidDataError, match=r"^X or y is too large to diagnose"):
        fastgd.diagnose([1e200, 2e200], [1.0, 1.0], solver="sgd", learning_rate=1e-3, backend=backend)
    for how in (dict(l2=1.0), dict(sample_weight=[1.0, 2.0]), dict(fit_intercept=True)):
        with pytest.raises(fastgd.InvalidDataError, match=r"is too large|are too large"):
            fastgd.diagnose([[1e200], [2e200]], [1.0, 2.0], **how, backend=backend)
    with pytest.raises(fastgd.DivergenceError, match=r"^gradient_descent ended above its start"):
        fastgd.gradient_descent([1.0], [1e140], learning_rate=3.0, n_epochs=5, backend=backend)
