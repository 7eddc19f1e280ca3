"""How a run that diverged ends: what its error says, and what it keeps."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from tests.conftest import JIT_IS_OFF
from tests.problems import problem as data

CASES = [
    dict(),
    dict(fit_intercept=True),
    dict(l2=0.5),
    dict(standardize=True, fit_intercept=True),
    dict(sample_weight="some", fit_intercept=True),
    dict(l2=2.0, standardize=True, fit_intercept=True, sample_weight="some"),
    dict(momentum=0.5),
    dict(loss="huber"),
    dict(loss="huber", l2=0.5, fit_intercept=True),
    dict(loss="log_loss", l2=0.5),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_divergence_names_a_limit_and_a_rate_that_are_true(rng, case):
    X, y = data(rng, 80, 3, case.get("loss"))
    if "sample_weight" in case:
        case = case | dict(sample_weight=rng.random(80) + 0.1)
    is_quadratic = "loss" not in case
    n_epochs = 300 if JIT_IS_OFF else 2000
    with pytest.raises(fastgd.DivergenceError, match=r"the stability limit is") as caught:
        fastgd.gradient_descent(X, y, learning_rate=50.0, n_epochs=n_epochs, **case)
    limit, safe = caught.value.limit, caught.value.safe_rate
    assert f"{limit:.6g}" in str(caught.value)
    assert f'take learning_rate="auto", here {safe:.6g}' in str(caught.value)
    assert 0 < safe < limit
    assert np.isfinite(caught.value.result.w_history).all()
    auto = fastgd.gradient_descent(X, y, n_epochs=3, **case)
    assert auto.learning_rates[0] == pytest.approx(safe, rel=1e-12)
    for rate in (safe, 0.98 * limit) if is_quadratic else (safe,):
        fit = fastgd.gradient_descent(X, y, learning_rate=rate, n_epochs=n_epochs, **case)
        steps = np.abs(np.diff(fit.w_history, axis=0)).max(axis=1)
        assert steps[-1] < 1e-3 * steps[0]
        assert not fit.diverged
    if is_quadratic:
        with pytest.raises(fastgd.DivergenceError):
            fastgd.gradient_descent(X, y, learning_rate=1.05 * limit, n_epochs=n_epochs, **case)


@pytest.mark.parametrize(
    "how", [{}, dict(fit_intercept=True), dict(loss="huber", l2=0.1), dict(batch_size=4)]
)
def test_divergence_of_sgd_names_a_safe_rate(rng, how):
    X, y = data(rng, 60, 3)
    X = X * 1e3  # flat losses grow by their penalty alone
    with pytest.raises(fastgd.DivergenceError) as caught:
        fastgd.sgd(X, y, learning_rate=30.0, n_epochs=400, **how)
    safe = caught.value.safe_rate
    assert 0 < safe < caught.value.limit
    fit = fastgd.sgd(X, y, learning_rate=safe, n_epochs=20, **how)
    assert np.isfinite(fit.w).all()
    assert fit.cost_history is None or fit.cost_history[-1] < fit.cost_history[0]
    assert fastgd.sgd(X, y, n_epochs=1, **how).learning_rates[0] == pytest.approx(safe, rel=1e-12)


XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


FITS = [fastgd.gradient_descent, fastgd.sgd]


def histories(fit):
    kept = (fit.w, fit.w_history, fit.cost_history, fit.loss_history)
    return b"".join(np.float64(part).tobytes() for part in kept if part is not None)


@pytest.mark.parametrize("backend", ["numba", "python"])
@pytest.mark.parametrize("fit_by", FITS)
@pytest.mark.parametrize("n", [3, 5000])
def test_divergence_carries_the_finite_part(fit_by, n, backend):
    n = 300 if n > 3 and (JIT_IS_OFF or backend == "python") else n
    X, y = np.ones(n), np.full(n, 2.0)  # w − 2 grows by |1 − 2α|, an epoch or a sample
    rate = 1.01 if fit_by is fastgd.sgd and n > 3 else 1.5
    how = dict(w0=1.0, learning_rate=rate, n_epochs=1100, backend=backend)
    with pytest.raises(
        fastgd.DivergenceError, match=rf"^{fit_by.__name__} diverged in epoch \d+ at learning rate"
    ) as caught:
        fit_by(X, y, **how)
    part = caught.value.result
    assert caught.value.epoch == part.n_epochs
    assert np.isfinite(part.w)
    assert np.isfinite(part.w_history).all()
    assert part.w_history.shape == (part.n_epochs + 1,)
    assert part.w == part.w_history[-1]
    if part.cost_history is not None:
        assert np.isfinite(part.cost_history).all()
        assert part.cost_history.shape == (part.n_epochs + 1,)
    assert part.status.startswith(f"diverged; {part.n_epochs} epoch")
    assert not part.converged
    with pytest.warns(RuntimeWarning, match="the result is the finite part") as warned:
        kept = fit_by(X, y, on_divergence="warn", **how)
    assert warned[0].filename == __file__
    assert histories(kept) == histories(part)
    shown = fit_by(X, y, on_divergence="ignore", **how)
    assert shown.n_epochs == 1100
    assert not np.isfinite(shown.w)
    np.testing.assert_array_equal(shown.w_history[: part.n_epochs + 1], part.w_history)
    assert shown.status.startswith("diverged; 1100 epochs done")
    if shown.cost_history is not None:  # one epoch more is not finite: nothing was thrown away
        assert not (
            np.isfinite(shown.cost_history[part.n_epochs + 1])
            and np.isfinite(shown.w_history[part.n_epochs + 1])
        )


@pytest.mark.parametrize("history", ["epochs", "costs", None])
def test_divergence_without_a_history_leaves_the_last_finite_weight(history):
    with pytest.raises(fastgd.DivergenceError) as caught:
        fastgd.gradient_descent(XS, YS, w0=1.0, learning_rate=1.0, n_epochs=10**5, history=history)
    full = fastgd.gradient_descent(
        XS, YS, w0=1.0, learning_rate=1.0, n_epochs=caught.value.epoch, on_divergence="ignore"
    )
    assert caught.value.result.w == full.w


@pytest.mark.parametrize("fit_by", FITS)
def test_a_cost_that_overflows_at_w0_is_not_blamed_on_the_rate(fit_by):
    with pytest.raises(fastgd.DivergenceError, match=r"^the cost at w0 overflows: scale X and y") as caught:
        fit_by([1e200], [1.0], w0=1.0, learning_rate=0.1)
    assert caught.value.result.w == 1.0
