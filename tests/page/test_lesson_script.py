"""lesson.js against fastgd: the scripts of real pages, run by Node."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess

import numpy as np
import pytest

import fastgd
from tests.page.pages import X_DATA, Y_DATA, Elements, lesson, page_of

NODE = shutil.which("node")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None, reason="no Node, which runs JavaScript here"),
]


def run(path, expression, **values):
    """The value of an expression beside lesson.js, with `page` and other values as constants."""
    page = Elements(path)
    values["page"] = page.numbers
    constants = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    program = f"{page.texts['script'][2]}\n{constants}console.log(JSON.stringify({expression}));"
    assert NODE is not None
    done = subprocess.run([NODE, "-"], input=program, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_int=float)  # a script has floats alone


def rows_of(n, d, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.5, 1.0, (n, d))
    return X, X @ np.arange(1.0, d + 1) + 2.0 + rng.normal(size=n)


def same_run(result, fit, tolerance=1e-12):
    """The run has the iterates and costs of the fit, to rounding beside the largest."""
    weights = fit.w_history.reshape(fit.n_epochs + 1, -1)
    if fit.intercept_history is not None:
        weights = np.column_stack([weights, fit.intercept_history])
    scale = np.abs(weights).max()
    np.testing.assert_allclose(result["thetas"], weights, rtol=tolerance, atol=tolerance * scale)
    scale = fit.cost_history[0]
    np.testing.assert_allclose(result["costs"], fit.cost_history, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("momentum", [0.0, 0.7])
@pytest.mark.parametrize(("n", "d", "has_intercept"), [(3, 1, False), (40, 2, False), (9000, 1, True)])
def test_full_batch_takes_the_steps_of_gradient_descent(tmp_path, n, d, has_intercept, momentum):
    X, y = rows_of(n, d)
    page = page_of(tmp_path, X, y, fit_intercept=has_intercept, w0=[0.3] * d, n_epochs=60)
    result = run(page, f"descend(page.bowl, page.start, page.rate, {momentum}, page.epochs)")
    fit = fastgd.gradient_descent(
        X, y, w0=[0.3] * d, learning_rate=Elements(page).numbers["rate"], n_epochs=60, momentum=momentum,
        fit_intercept=has_intercept, history="epochs",
    )  # fmt: skip
    assert result["epochs"] == 60
    same_run(result, fit)


def test_a_run_beyond_the_limit_is_that_of_gradient_descent(tmp_path):
    page = lesson(tmp_path)
    result = run(page, "descend(page.bowl, page.start, 0.25, 0, 100)")
    fit = fastgd.gradient_descent(
        X_DATA, Y_DATA, w0=1.0, learning_rate=0.25, n_epochs=100, on_divergence="ignore"
    )
    np.testing.assert_allclose(np.ravel(result["thetas"]), fit.w_history, rtol=1e-11)
    result = run(page, "descend(page.bowl, page.start, 2, 0, 1000)")
    with pytest.raises(fastgd.DivergenceError) as error:
        fastgd.gradient_descent(X_DATA, Y_DATA, w0=1.0, learning_rate=2.0, n_epochs=1000)
    assert abs(result["epochs"] - error.value.result.n_epochs) <= 1
    assert np.isfinite(result["costs"]).all()


def test_sgd_has_every_digit_of_the_loop_of_the_lesson(tmp_path):
    page = lesson(tmp_path)
    result = run(page, "sgd(page.bowl, page.rows, page.start, page.rate, page.epochs)")
    fit = fastgd.sgd(X_DATA, Y_DATA, w0=1.0, learning_rate=0.01, history="samples")
    assert np.ravel(result["thetas"]).tolist() == fit.w_history.tolist()
    assert result["losses"] == fit.loss_history.tolist()
    steps = np.concatenate([[1.0], 1.0 - np.cumsum(0.01 * fit.gradient_history.ravel())])
    np.testing.assert_allclose(np.ravel(result["steps"]), steps, rtol=1e-12)


@pytest.mark.parametrize("case", ["two weights", "an intercept", "an intercept and weights"])
def test_sgd_takes_the_steps_of_fastgd_in_order(tmp_path, case):
    d, has_intercept, weighted = 1 + (case == "two weights"), "intercept" in case, "and weights" in case
    X, y = rows_of(300, d)
    weights = np.random.default_rng(1).integers(0, 3, 300).astype(float) if weighted else None
    options = dict(w0=[0.3] * d, learning_rate=0.02, n_epochs=20, fit_intercept=has_intercept)
    page = page_of(tmp_path, X, y, sample_weight=weights, **options)
    result = run(page, "sgd(page.bowl, page.rows, page.start, page.rate, page.epochs)")
    fit = fastgd.sgd(X, y, sample_weight=weights, track_cost=True, **options)
    same_run(result, fit)
    np.testing.assert_allclose(result["losses"], fit.loss_history, rtol=1e-10, atol=1e-12)
    assert len(result["steps"]) == 1501


def test_sgd_of_many_rows_runs_over_those_that_are_drawn(tmp_path):
    X, y = rows_of(5000, 1)
    page = page_of(tmp_path, X, y, learning_rate=0.01, n_epochs=3)
    rows = Elements(page).numbers["rows"]
    result = run(page, "sgd(page.bowl, page.rows, page.start, page.rate, page.epochs)")
    fit = fastgd.sgd(rows["x"], rows["y"], learning_rate=0.01, n_epochs=3)
    np.testing.assert_allclose(result["thetas"], fit.w_history, rtol=1e-12)
    costs = [fastgd.cost(X, y, w) for w in fit.w_history]
    np.testing.assert_allclose(result["costs"], costs, rtol=1e-12)


@pytest.mark.parametrize(("d", "has_intercept"), [(1, False), (1, True), (2, False)])
def test_limits_and_forecasts_are_those_of_diagnose(tmp_path, d, has_intercept):
    X, y = rows_of(30, d)
    page = page_of(tmp_path, X, y, fit_intercept=has_intercept)
    rate = Elements(page).numbers["rate"]
    limit, of_sgd = run(page, "[limitOfDescent(page.eigenvalues, 0), limitOfSgd(page.rows)]")
    epochs = run(page, "epochsTo(0.001, page.eigenvalues, page.rate, 0)")
    about = fastgd.diagnose(X, y, fit_intercept=has_intercept, learning_rate=rate)
    assert limit == pytest.approx(about.stability_limit, rel=1e-12)
    assert epochs == about.epochs_to(0.001)
    about = fastgd.diagnose(X, y, solver="sgd", fit_intercept=has_intercept)
    assert of_sgd == pytest.approx(about.stability_limit, rel=1e-12)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.9])
def test_the_limit_and_the_forecast_of_momentum(tmp_path, momentum):
    """The oracle: eigenvalues of the map (w, w_before) → (w_next, w) of one direction."""
    X, y = rows_of(30, 2)
    page = page_of(tmp_path, X, y)
    curvatures = 2.0 * np.linalg.eigvalsh(X.T @ X / 30)

    def radius(rate):
        maps = [[[1 + momentum - rate * h, -momentum], [1.0, 0.0]] for h in curvatures]
        return max(np.abs(np.linalg.eigvals(one)).max() for one in maps)

    limit = run(page, "limitOfDescent(page.eigenvalues, momentum)", momentum=momentum)
    assert radius(0.999 * limit) < 1.0 < radius(1.001 * limit)
    rates = [part * limit for part in (0.01, 0.1, 0.9)]
    expression = "rates.map((rate) => epochsTo(0.001, page.eigenvalues, rate, momentum))"
    epochs = run(page, expression, rates=rates, momentum=momentum)
    assert epochs == [np.ceil(np.log(0.001) / np.log(radius(rate))) for rate in rates]


def test_steps_that_are_lost_to_rounding_never_arrive(tmp_path):
    expression = "[1e-18, 0.01].map((rate) => 1 / epochsTo(0.001, page.eigenvalues, rate, 0))"
    far, near = run(lesson(tmp_path), expression)
    assert far == 0.0
    assert near == pytest.approx(1 / 71)


@pytest.mark.parametrize("n_epochs", [0, 1, 21, 22, 100])
@pytest.mark.parametrize("solver", ["gradient_descent", "sgd"])
def test_the_text_is_that_of_the_fit(tmp_path, solver, n_epochs):
    options = dict(w0=1.0, learning_rate=0.01, n_epochs=n_epochs)
    page = page_of(tmp_path, X_DATA, Y_DATA, **options)
    fit = getattr(fastgd, solver)(X_DATA, Y_DATA, **options)
    steps = {
        "gradient_descent": "descend(page.bowl, page.start, page.rate, 0, page.epochs)",
        "sgd": "sgd(page.bowl, page.rows, page.start, page.rate, page.epochs)",
    }
    text = run(page, f"trace({steps[solver]}, {{ isScalar: true, nWeights: 1 }}, page.digits)")
    assert text == fit.trace(digits=2)


@pytest.mark.parametrize("shape", [(30, 2), (30, 1), (30,)])
def test_the_text_of_other_shapes(tmp_path, shape):
    X, y = rows_of(30, 2 if shape == (30, 2) else 1)
    X, has_intercept = X.reshape(shape), shape != (30, 2)
    page = page_of(tmp_path, X, y, digits=5, fit_intercept=has_intercept, learning_rate=0.1)
    fit = fastgd.gradient_descent(X, y, learning_rate=0.1, fit_intercept=has_intercept)
    shape_of_w = json.dumps({"isScalar": len(shape) == 1, "nWeights": X.size // 30})
    expression = f"trace(descend(page.bowl, page.start, page.rate, 0, page.epochs), {shape_of_w}, 5)"
    assert run(page, expression) == fit.trace(digits=5)


def test_numbers_are_written_as_python_writes_them(tmp_path):
    bits = np.random.default_rng(5).integers(0, 2**63, 2000).tolist()
    values = [struct.unpack("<d", struct.pack("<Q", one))[0] for one in bits]
    values = [x for x in values if np.isfinite(x)]
    values += [0.0, 1.0, -3.0, 1e15, 1e16, 123456789012345680.0, 1e22, 1e-4, 9.999e-5, 1e-5, 0.1, 5e-324]
    values += [-x for x in values]
    assert run(lesson(tmp_path), "values.map(repr)", values=values) == [
        "0.0" if x == 0.0 else repr(x) for x in values
    ]
