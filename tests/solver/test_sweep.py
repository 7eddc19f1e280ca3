"""sweep: each run is the solver's own, and the reads are shared."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

import fastgd
from fastgd.solver import loop
from tests.conftest import JIT_IS_OFF

XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
RATES = [1e-4, 1e-3, 2e-3]
SOLVERS = {"gradient_descent": fastgd.gradient_descent, "sgd": fastgd.sgd}


def problem(rng, n, d):
    X = rng.standard_normal((n,) if d is None else (n, d))
    return X, (2 * X if d is None else X @ np.arange(1.0, d + 1)) + 0.1 * rng.standard_normal(n)


def bits(fit):
    kept = (fit.w, fit.w_history, fit.cost_history, fit.loss_history)
    return [np.float64(part).tobytes() for part in kept if part is not None]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("d", [None, 1, 3, 12])
@pytest.mark.parametrize("n", [3, 20_000])
@pytest.mark.parametrize("method", ["stream", "summary"])
def test_each_run_has_the_bits_of_the_solver_alone(rng, solver, d, n, method):
    n = min(n, 300) if JIT_IS_OFF else n
    X, y = problem(rng, n, d)
    how = dict(n_epochs=4, method=method)
    result = fastgd.sweep(X, y, learning_rates=RATES, solver=solver, **how)
    for fit, rate in zip(result.fits, RATES, strict=True):
        alone = SOLVERS[solver](X, y, learning_rate=rate, **how)
        assert bits(fit) == bits(alone)
        assert (fit.method, fit.solver) == (method, solver)
    if method == "summary":  # SGD at tiny rates hardly moves: about w0 it keeps its digits
        assert result.n_passes in ((1, 2) if solver == "sgd" else (1,))
    else:  # and a read for each cost that no run tells
        alone = [SOLVERS[solver](X, y, learning_rate=rate, **how).n_passes for rate in RATES]
        assert result.n_passes == sum(alone) + sum(fit.cost_history is None for fit in result.fits)


@pytest.mark.parametrize("loss", ["squared_error", "quantile", "huber"])
def test_auto_preconditions_the_runs_whose_rate_is_automatic(rng, loss):
    X, y = problem(rng, 300, 3)
    options, rates = dict(loss=loss, n_epochs=5, precondition="auto"), [0.01, "auto", 0.02]
    result = fastgd.sweep(X, y, learning_rates=rates, **options)
    alone = [fastgd.gradient_descent(X, y, learning_rate=rate, **options) for rate in rates]
    assert [bits(fit) for fit in result.fits] == [bits(fit) for fit in alone]
    free = fastgd.sweep(X, y, learning_rates=["auto"], **options)
    given = fastgd.sweep(X, y, learning_rates=[0.01, 0.02], **options)
    assert result.n_passes == free.n_passes + given.n_passes
    with pytest.raises(ValueError, match=r"learning_rates\[2\] must be positive"):
        fastgd.sweep(X, y, learning_rates=["auto", 0.1, -1.0], **options)


CENTRED = dict(fit_intercept=True, standardize=True)
OBJECTIVES = {
    "an intercept": dict(fit_intercept=True),
    "columns standardised": CENTRED,
    "weights": dict(sample_weight=True),
    "weights, an intercept, columns standardised": dict(sample_weight=True, **CENTRED),
    "l1": dict(l1=0.05),
    "l2 and an intercept": dict(l2=0.1, fit_intercept=True),
    "huber": dict(loss="huber", fit_intercept=True),
    "log_loss, weights": dict(loss="log_loss", sample_weight=True, **CENTRED),
    "quantile": dict(loss="quantile"),
    "momentum": dict(momentum=0.5),
    "nesterov, weights": dict(momentum=0.5, nesterov=True, sample_weight=True),
    "batches": dict(batch_size=7, l2=0.1, fit_intercept=True),
    "batches of all rows": dict(batch_size=10**6),
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("d", [None, 3])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("method", ["auto", "stream", "summary"])
def test_any_objective_is_swept(rng, solver, d, objective, method):
    how = dict(OBJECTIVES[objective], n_epochs=3, method=method)
    has_no_maps = solver == "sgd" and {"l1", "l2", "momentum", "batch_size"} & set(how)
    if solver == "gradient_descent" and "batch_size" in how:
        pytest.skip("batches are SGD's")
    if method == "summary" and ("loss" in how or has_no_maps):
        pytest.skip("which is refused")
    X, y = problem(rng, 60 if JIT_IS_OFF else 9000, d)
    X += 3.0
    if how.get("loss") == "log_loss":
        y = y > np.median(y)
    if "sample_weight" in how:
        how["sample_weight"] = rng.integers(0, 3, len(y))

    def alone(fit, rate):
        by, same = SOLVERS[solver], how | dict(method=fit.method)
        if has_no_maps and fit.method == "summary":  # a batch of all rows: a step is full-batch descent's
            by = fastgd.gradient_descent
            del same["batch_size"]
        return by(X, y, learning_rate=rate, **same)

    rates = [1e-4, "auto", [1e-3, 1e-3, 1e-5]]
    result = fastgd.sweep(X, y, learning_rates=rates, solver=solver, **how)
    for fit, rate, cost in zip(result.fits, rates, result.costs, strict=True):
        ref = alone(fit, rate)
        np.testing.assert_allclose(fit.w_history, ref.w_history, rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(fit.learning_rates, ref.learning_rates, rtol=1e-12)
        assert (fit.n_updates, fit.converged, fit.diverged) == (ref.n_updates, ref.converged, ref.diverged)
        if how.get("fit_intercept"):
            np.testing.assert_allclose(fit.intercept_history, ref.intercept_history, rtol=1e-11)
        at_end = SOLVERS[solver](X, y, w0=fit, **how | dict(n_epochs=0, method="auto"))
        assert cost == pytest.approx(at_end.cost_history[0], rel=1e-10)
    rates = rates[::2]
    result = fastgd.sweep(X, y, learning_rates=rates, solver=solver, **how)
    for fit, rate in zip(result.fits, rates, strict=True):
        if not (fit.method == "summary" and solver == "sgd" and d is None):  # maps of one column
            assert bits(fit) == bits(alone(fit, rate))


def test_runs_of_any_objective_share_what_is_learnt_of_the_data(rng):
    X, y = problem(rng, 300 if JIT_IS_OFF else 30_000, 3)
    how = dict(n_epochs=50, **CENTRED, sample_weight=rng.uniform(0.5, 2.0, len(y)))
    one = fastgd.gradient_descent(X, y, **how, method="summary", nesterov=True)
    result = fastgd.sweep(
        X, y, learning_rates=["auto", 0.1, 0.2], **how, method="summary", nesterov=True, history="costs"
    )
    assert result.n_passes == one.n_passes
    streamed = fastgd.sweep(X, y, learning_rates=["auto", "auto"], loss="huber", **how)
    alone = fastgd.gradient_descent(X, y, loss="huber", **how)
    looked = alone.n_passes - 51
    assert looked > 0
    assert streamed.n_passes == looked + 2 * 51


def test_a_run_of_a_sweep_can_be_gone_on_with(rng):
    X, y = problem(rng, 200, 3)
    how = dict(shuffle=True, seed=4, fit_intercept=True, momentum=0.3)
    best = fastgd.sweep(X, y, learning_rates=[1e-4, 1e-2], solver="sgd", n_epochs=2, **how).best
    more = fastgd.sgd(X, y, w0=best, learning_rate=1e-2, n_epochs=3, **how)
    assert more.w.tobytes() == fastgd.sgd(X, y, learning_rate=1e-2, n_epochs=5, **how).w.tobytes()


def test_weights_of_a_source_count(rng):
    X, y = problem(rng, 700, 2)
    s = rng.uniform(0.0, 2.0, len(y))
    source = fastgd.chunks(lambda: iter([(X[:300], y[:300], s[:300]), (X[300:], y[300:], s[300:])]))
    how = dict(learning_rates=[0.01, 0.1], n_epochs=4, method="stream")
    for more in (dict(), dict(fit_intercept=True), dict(solver="sgd"), dict(solver="sgd", loss="huber")):
        streamed = fastgd.sweep(source, **how | more)
        result = fastgd.sweep(X, y, sample_weight=s, **how | more)
        for fit, ref in zip(streamed.fits, result.fits, strict=True):
            assert fit.w_history.tobytes() == ref.w_history.tobytes()
        np.testing.assert_allclose(streamed.costs, result.costs, rtol=1e-13)


def test_a_cost_that_overflows_at_the_end_is_a_divergence(rng):
    X, y = rng.standard_normal((5, 9)) * 1e4, rng.standard_normal(5)
    rates = [1e-12, *np.geomspace(1e-9, 1e3, 200)]
    result = fastgd.sweep(X, y, learning_rates=rates, solver="sgd", n_epochs=6, history=None)
    diverged = [fit.diverged for fit in result.fits]
    assert {False, True} == set(diverged)
    assert np.isinf(result.costs).tolist() == diverged
    assert not result.best.diverged


@pytest.mark.skipif(JIT_IS_OFF, reason="there are no maps")
def test_runs_of_sgd_keep_their_digits_beside_others(rng):
    """A start that is far, and a rate that moves nothing: neither costs the other run its digits."""
    X = rng.standard_normal((20_000, 3))
    X[:6000, 2] = 0.0  # the first rows say nothing of it: the reference keeps what w0 has
    y = X @ [1.0, 2.0, 3.0] + 0.1 * rng.standard_normal(20_000)
    how = dict(solver="sgd", n_epochs=40, method="summary")
    for size in (1e8, 1e4):
        result = fastgd.sweep(X, y, learning_rates=[0.01] * 2, w0=[[size] * 3, [0.0] * 3], **how)
        alone = fastgd.sgd(X, y, learning_rate=0.01, n_epochs=40, method="stream")
        np.testing.assert_allclose(result.fits[1].w, alone.w, rtol=0, atol=1e-13)
        for fit, cost in zip(result.fits, result.costs, strict=True):
            assert cost == pytest.approx(np.mean((X @ fit.w - y) ** 2), rel=1e-10)
    X[:5000] *= 1e-8
    y = X @ [1.0, 2.0, 3.0]
    y[:5000] *= 4.0
    y[5000:] += 1e-7 * rng.standard_normal(15_000)
    result = fastgd.sweep(X, y, learning_rates=[1e-13, 0.02], **how)
    exact = X.astype(np.longdouble) @ result.fits[1].w - y
    assert result.costs[1] == pytest.approx(float(np.mean(exact**2)), rel=1e-9)


@pytest.mark.skipif(JIT_IS_OFF, reason="there are no maps")
def test_a_rate_without_maps_leaves_the_others_theirs(rng):
    X, y = problem(rng, 20_000, 3)
    result = fastgd.sweep(X, y, learning_rates=[1e60, 0.001], solver="sgd", n_epochs=20, method="summary")
    assert [fit.method for fit in result.fits] == ["stream", "summary"]
    assert [fit.diverged for fit in result.fits] == [True, False]


def test_costs_of_streamed_sgd_are_kept_where_that_is_asked_for(rng):
    X, y = problem(rng, 100, 2)
    how = dict(learning_rates=[0.001, 0.01], solver="sgd", momentum=0.5, n_epochs=3)
    with pytest.raises(ValueError, match=r'sweep with history="costs" and, for SGD, track_cost=True$'):
        fastgd.sweep(X, y, **how).plot(ax=Figure().subplots())
    result = fastgd.sweep(X, y, track_cost=True, **how)
    assert len(result.plot(ax=Figure().subplots()).lines) == 2
    assert result.costs.tolist() == [fit.cost_history[-1] for fit in result.fits]


def test_an_interrupt_has_the_runs_that_were_done(rng, monkeypatch):
    X, y = problem(rng, 100, 2)
    rates = [0.001, 0.1, 0.01]
    whole = fastgd.sweep(X, y, learning_rates=rates, n_epochs=5)
    run_epochs, left = loop.run_epochs, [1, 1]

    def interrupted(*what, **how):
        if not left:
            raise KeyboardInterrupt
        left.pop()
        return run_epochs(*what, **how)

    monkeypatch.setattr(loop, "run_epochs", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        fastgd.sweep(X, y, learning_rates=rates, n_epochs=5)
    assert [bits(fit) for fit in caught.value.result.fits] == [bits(fit) for fit in whole.fits[:2]]
    assert caught.value.result.costs.tolist() == whole.costs[:2].tolist()


@pytest.mark.skipif(JIT_IS_OFF, reason="plans are for machine code")
@pytest.mark.parametrize("solver", SOLVERS)
def test_many_runs_share_one_read(rng, solver):
    X, y = problem(rng, 50_000, None)
    result = fastgd.sweep(X, y, learning_rates=np.geomspace(1e-5, 1e-3, 9), solver=solver, n_epochs=50)
    assert result.n_passes == 1
    assert {fit.n_passes for fit in result.fits} == {1}
    assert all(fit.cost_history.shape == (51,) for fit in result.fits)


@pytest.mark.skipif(JIT_IS_OFF, reason="plans are for machine code")
@pytest.mark.parametrize("shuffle", [False, "blocks"])
def test_runs_that_need_a_better_reference_share_one_more_read(rng, shuffle):
    X = rng.standard_normal(30_000)
    X[:5000] = 0.0  # the first block fits any slope
    y = 2 * X + 1e-6 * rng.standard_normal(30_000)
    for solver, rates, how in (
        ("sgd", [1e-3, 2e-3, 5e-3], dict(shuffle=shuffle, seed=1)),
        ("gradient_descent", [0.3, 0.4, 0.5], {}),
    ):
        result = fastgd.sweep(X, y, learning_rates=rates, solver=solver, n_epochs=40, method="summary", **how)
        assert result.n_passes == 2
        for fit, rate in zip(result.fits, rates, strict=True):
            alone = SOLVERS[solver](X, y, learning_rate=rate, n_epochs=40, method="stream", **how)
            np.testing.assert_allclose(fit.w_history, alone.w_history, rtol=0, atol=1e-12)
            for epoch in (0, 1, 40):
                exact = np.mean((X.astype(np.longdouble) * fit.w_history[epoch] - y) ** 2)
                assert fit.cost_history[epoch] == pytest.approx(float(exact), rel=1e-10)


def test_the_best_is_the_lowest_at_its_end_and_a_diverged_run_stops_nothing():
    result = fastgd.sweep(XS, YS, learning_rates=[0.01, 0.1, 5.0, "auto"], n_epochs=300)
    assert [fit.diverged for fit in result.fits] == [False, False, True, False]
    assert result.costs[2] == np.inf
    assert result.best is result.fits[int(np.argmin(result.costs))]
    assert result.best.w == pytest.approx(2.0, abs=1e-12)
    assert result.fits[2].n_epochs < 300
    with pytest.raises(ValueError, match=r"^every run of this sweep diverged: sweep smaller learning rates$"):
        _ = fastgd.sweep(XS, YS, learning_rates=[5.0, 6.0], n_epochs=300).best


def test_a_run_that_ended_above_its_start_counts_as_diverged():
    result = fastgd.sweep(XS, YS, learning_rates=[0.1, 0.3], n_epochs=3)
    assert [fit.diverged for fit in result.fits] == [False, True]
    assert result.best is result.fits[0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_start_for_each_run(solver):
    result = fastgd.sweep(XS, YS, learning_rates=[0.01] * 2, w0=[0.0, 1.0], solver=solver, n_epochs=5)
    for fit, w0 in zip(result.fits, (0.0, 1.0), strict=True):
        assert bits(fit) == bits(SOLVERS[solver](XS, YS, w0=w0, learning_rate=0.01, n_epochs=5))
    table = [[x, 1.0] for x in XS]
    starts = [[0.0, 1.0], [1.0, 2.0]]
    result = fastgd.sweep(table, YS, learning_rates=[0.01] * 2, w0=starts, solver=solver, n_epochs=5)
    assert [fit.w_history[0].tolist() for fit in result.fits] == starts
    both = fastgd.sweep(table, YS, learning_rates=[0.01, 0.02], w0=[1.0, 2.0], solver=solver, n_epochs=1)
    assert [fit.w_history[0].tolist() for fit in both.fits] == [[1.0, 2.0]] * 2


@pytest.mark.skipif(JIT_IS_OFF, reason='method="summary" needs the kernels')
@pytest.mark.parametrize("options", [{}, dict(fit_intercept=True), dict(nesterov=True)], ids=str)
def test_each_start_keeps_its_part_along_dependent_columns(rng, options):
    """No step changes that part of a start: the runs of a sweep must not share it."""
    X = rng.standard_normal((9000, 2))[:, [0, 1, 0]]
    y = X.sum(axis=1) + rng.standard_normal(9000)
    starts = np.array([[1.0, 0.0, -1.0], [5.0, 2.0, -3.0], [0.0, 0.0, 0.0]])
    how = dict(n_epochs=20, method="summary", **options)
    swept = fastgd.sweep(X, y, learning_rates=[0.1] * 3, w0=starts, **how)
    for fit, start in zip(swept.fits, starts, strict=True):
        alone = fastgd.gradient_descent(X, y, w0=start, learning_rate=0.1, **how)
        np.testing.assert_array_equal(fit.w_history, alone.w_history)


def test_schedules_and_functions_are_rates_too():
    falling = [0.1 / (1 + epoch) for epoch in range(6)]
    for solver, fit_by in SOLVERS.items():
        rates = [falling, lambda epoch: 0.05 / (epoch + 1), 0.01]
        result = fastgd.sweep(XS, YS, learning_rates=rates, solver=solver, n_epochs=6)
        for fit, rate in zip(result.fits, rates, strict=True):
            assert bits(fit) == bits(fit_by(XS, YS, learning_rate=rate, n_epochs=6))


@pytest.mark.parametrize("history", ["costs", None])
def test_what_is_kept(rng, history):
    X, y = problem(rng, 5000 if not JIT_IS_OFF else 50, 2)
    for solver in SOLVERS:
        result = fastgd.sweep(
            X, y, learning_rates=RATES, solver=solver, n_epochs=3, history=history, method="summary"
        )
        assert all(fit.w_history is None for fit in result.fits)
        assert all((fit.cost_history is None) == (history is None) for fit in result.fits)
        for cost, fit in zip(result.costs, result.fits, strict=True):
            assert cost == pytest.approx(fastgd.cost(X, y, fit.w), rel=1e-12)


def test_backend_python_sweeps_too():
    for solver in SOLVERS:
        plain = fastgd.sweep(XS, YS, learning_rates=[0.01, "auto"], solver=solver, backend="python")
        compiled = fastgd.sweep(XS, YS, learning_rates=[0.01, "auto"], solver=solver)
        assert [fit.backend for fit in plain.fits] == ["python"] * 2
        assert plain.fits[0].w == compiled.fits[0].w
        np.testing.assert_allclose(plain.costs, compiled.costs, rtol=1e-12, atol=1e-28)


def test_bad_sweeps_get_one_sentence():
    for arguments, error, message in [
        (dict(learning_rates=[]), ValueError, "^learning_rates is empty; a sweep needs at least one$"),
        (
            dict(learning_rates=0.1),
            TypeError,
            "^learning_rates must be a list or an array, with one entry for each run, not 0.1$",
        ),
        (
            dict(learning_rates="auto"),
            TypeError,
            "^learning_rates must be a list or an array, with one entry for each run, not 'auto'$",
        ),
        (dict(learning_rates=[0.1, -1.0]), ValueError, r"^learning_rates\[1\] must be positive, not"),
        (dict(learning_rates=[0.1], solver="newton"), ValueError, "^solver must be 'gradient_descent' or"),
        (dict(learning_rates=[0.1], history="samples"), ValueError, "^history must be 'epochs' or 'costs'"),
        (dict(learning_rates=[0.1], w0=[1.0, 2.0]), ValueError, "^w0 has 2 starts for 1 learning rates"),
        (
            dict(learning_rates=[0.1], shuffle=True),
            ValueError,
            "^shuffle is for SGD: pass solver",
        ),
        (dict(learning_rates=[0.1], batch_size=2), ValueError, "^batch_size is for SGD: pass"),
        (dict(learning_rates=[0.1], l2=-1.0), ValueError, "^l2 must not be negative, not -1.0$"),
        (dict(learning_rates=[0.1], loss="hunger"), ValueError, "^loss must be"),
        (dict(learning_rates=[0.1], loss="huber", method="summary"), ValueError, "for other losses$"),
        (
            dict(learning_rates=[0.1], w0=fastgd.sgd(XS, YS)),
            TypeError,
            "^a sweep cannot continue a fit: pass its weights",
        ),
        (dict(learning_rates=[0.1] * 300, n_epochs=10**6), ValueError, r"^history='epochs' would take"),
    ]:
        with pytest.raises(error, match=message):
            fastgd.sweep(XS, YS, **arguments)
    with pytest.raises(fastgd.InvalidDataError, match=r"^X\[1\] is NaN"):
        fastgd.sweep([1.0, np.nan], [1.0, 2.0], learning_rates=[0.1])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n", [20, 9000])
@pytest.mark.parametrize("n_epochs", [0, 2])
@pytest.mark.parametrize("how", [{}, dict(fit_intercept=True)])
def test_fits_of_a_sweep_share_no_weights(rng, solver, n, n_epochs, how):
    """Runs begin from one array: what a user does to one fit changes no other."""
    X, y = problem(rng, n, 2)
    fits = fastgd.sweep(
        X, y, learning_rates=RATES, solver=solver, n_epochs=n_epochs, w0=[1.0, 2.0], **how
    ).fits
    for k, fit in enumerate(fits):
        for other in fits[k + 1 :]:
            assert not np.shares_memory(fit.w, other.w)
            assert not np.shares_memory(fit.w_history, other.w_history)
            assert not np.shares_memory(fit._last[0], other._last[0])
