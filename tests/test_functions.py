"""forward, loss, cost, gradient: against exact rational arithmetic, hand values and the plain loop."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd import reference
from tests.conftest import JIT_IS_OFF

EPS = np.finfo(float).eps
BACKENDS = ["numba", "python"]
SIZES = [1, 2, 3, 100, 4095, 4096, 4097, 20_000]
WIDTHS = [None, 1, 2, 3, 7, 64, 257]


def exact(X, y, w):
    """Cost, gradient and (2/n) Σ |x r| in exact rational arithmetic."""
    X, y, w = np.asarray(X, float), np.asarray(y, float), np.asarray(w, float).reshape(-1)
    n = len(y)
    weights = [Fraction(v) for v in w.tolist()]
    cost = Fraction(0)
    gradient, scale = [Fraction(0)] * len(w), [Fraction(0)] * len(w)
    for row, target in zip(X.reshape(n, -1).tolist(), y.tolist(), strict=True):
        xs = [Fraction(v) for v in row]
        residual = sum((a * b for a, b in zip(xs, weights, strict=True)), Fraction(0)) - Fraction(target)
        cost += residual * residual
        for j, x in enumerate(xs):
            gradient[j] += 2 * x * residual
            scale[j] += 2 * abs(x * residual)
    return cost / n, [g / n for g in gradient], [s / n for s in scale]


def ulps(value: float, true: Fraction) -> float:
    return float(abs(Fraction(value) - true) / Fraction(np.spacing(float(true)).item()))


def hold_to_the_bounds(X, y, w):
    cost, gradient = fastgd.cost_and_gradient(X, y, w)
    true_cost, true_gradient, scale = exact(X, y, w)
    assert ulps(cost, true_cost) <= 4
    for value, true, size in zip(np.atleast_1d(gradient).tolist(), true_gradient, scale, strict=True):
        assert abs(Fraction(value) - true) <= 4 * Fraction(EPS) * size


@pytest.mark.parametrize("ratio", [1.0, 1e-3])
@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("n", SIZES)
def test_accuracy(rng, n, d, ratio):
    """Where cost ≥ 1e-3 mean(y²): 4 ulp of the cost, 4 eps of (2/n) Σ |x r| of the gradient."""
    if n * (d or 1) > 40_000 or (JIT_IS_OFF and n * (d or 1) > 5_000):
        n = max(1, (5_000 if JIT_IS_OFF else 40_000) // (d or 1))
    shape = (n,) if d is None else (n, d)
    X = rng.standard_normal(shape)
    w = rng.standard_normal(d) if d is not None else 1.7
    score = X @ w if d is not None else X * w
    residual = rng.standard_normal(n)
    residual *= np.sqrt(1.1 * ratio * np.mean(score**2) / np.mean(residual**2))
    y = score + residual
    assert fastgd.cost(X, y, w) >= 1e-3 * np.mean(y**2)
    hold_to_the_bounds(X, y, w)


values = st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda v: 0.0 if abs(v) < 1e-6 else v)


@given(
    st.integers(1, 4).flatmap(
        lambda d: st.tuples(
            st.lists(st.tuples(st.lists(values, min_size=d, max_size=d), values), min_size=1, max_size=20),
            st.lists(values, min_size=d, max_size=d),
        )
    )
)
def test_few_rows_are_exact_even_where_the_residual_is_small(problem):
    data, w = problem
    X, y = np.array([row for row, _ in data]), np.array([target for _, target in data])
    true_cost, _, _ = exact(X, y, w)
    scale = np.mean((np.abs(X) @ np.abs(w) + np.abs(y)) ** 2)
    if true_cost > 1e-20 * scale:
        hold_to_the_bounds(X, y, np.array(w))


@pytest.mark.parametrize("d", [None, 1, 3, 10])
def test_float32_is_accumulated_in_float64(rng, d):
    n = 3_000 if JIT_IS_OFF else 20_000
    X = rng.standard_normal((n,) if d is None else (n, d)).astype(np.float32)
    w = 0.7 if d is None else rng.standard_normal(d)
    y = (X * w if d is None else X @ w).astype(np.float32) + rng.standard_normal(n).astype(np.float32)
    hold_to_the_bounds(X, y, w)


@pytest.mark.parametrize("backend", BACKENDS)
def test_hand_values(backend):
    x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
    assert fastgd.forward(4, 1.0, backend=backend) == 4.0
    assert fastgd.forward(4, 2, intercept=0.5, backend=backend) == 8.5
    assert fastgd.forward(x, 2.0, backend=backend).tolist() == y
    assert fastgd.forward([[1, 2], [3, 4]], [10, 1], backend=backend).tolist() == [12.0, 34.0]
    assert fastgd.loss(3.0, 6.0, 1.0, backend=backend) == 9.0
    assert fastgd.loss(x, y, 1.0, backend=backend).tolist() == [1.0, 4.0, 9.0]
    assert fastgd.cost(x, y, 1.0, backend=backend) == 14 / 3
    assert fastgd.gradient(x, y, 1.0, backend=backend) == -28 / 3
    # Residuals 1·1 + 2·2 − 3 = 2 and 3 − 2 − 4 = −3.
    cost, gradient = fastgd.cost_and_gradient(
        [[1.0, 2.0], [3.0, -1.0]], [3.0, 4.0], [1.0, 2.0], backend=backend
    )
    assert cost == 6.5
    assert gradient.tolist() == [-7.0, 7.0]


@pytest.mark.parametrize("d", WIDTHS)
def test_pointwise_functions_are_the_plain_loops_to_the_last_bit(rng, d):
    n = 300 if JIT_IS_OFF else 5_000
    X = rng.standard_normal((n,) if d is None else (n, d))
    y = rng.standard_normal(n)
    w = 0.3 if d is None else rng.standard_normal(d)
    plain = w if d is None else w.tolist()
    assert fastgd.forward(X, w).tolist() == [reference.forward(x, plain) for x in X.tolist()]
    expected = [reference.loss(x, t, plain) for x, t in zip(X.tolist(), y.tolist(), strict=True)]
    assert fastgd.loss(X, y, w).tolist() == expected
    assert fastgd.forward(X[7:8], w)[0] == fastgd.forward(X, w)[7]


def test_squares_are_pythons_squares(rng):
    """One of about 1200 products r·r is not Python's r ** 2."""
    r = rng.standard_normal(2_000 if JIT_IS_OFF else 400_000)
    for scale in (1.0, 1e-3, 1e150, 1e-140, 1e-158):
        expected = [(v * scale) ** 2 for v in r.tolist()]
        assert fastgd.loss(r * scale, np.zeros(len(r)), 1.0).tolist() == expected
        if scale == 1.0 and not JIT_IS_OFF:
            assert (r * r).tolist() != expected  # else the case would test nothing


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("n", [1, 2, 4095, 4096, 4097])
def test_kernels_against_their_twin(rng, n, d):
    n = min(n, 20_000 // (d or 1), 500 if JIT_IS_OFF else n)
    X = rng.standard_normal((n,) if d is None else (n, d))
    y, w = rng.standard_normal(n), (0.3 if d is None else rng.standard_normal(d))
    cost, gradient = fastgd.cost_and_gradient(X, y, w)
    twin_cost, twin_gradient = fastgd.cost_and_gradient(X, y, w, backend="python")
    assert cost == pytest.approx(twin_cost, rel=1e-13)
    np.testing.assert_allclose(gradient, twin_gradient, rtol=0, atol=1e-12 * np.sqrt(cost) * 4)


@pytest.mark.parametrize("d", [None, 1, 3, 20])
@pytest.mark.parametrize("rows", ["few", "many"])
def test_both_at_once_have_the_bits_of_each(rng, many, d, rows):
    n = 3_000 if rows == "few" else many // (d or 1) + 4097
    X = rng.standard_normal((n,) if d is None else (n, d))
    y, w = rng.standard_normal(n), (0.3 if d is None else rng.standard_normal(d))
    cost, gradient = fastgd.cost_and_gradient(X, y, w)
    assert fastgd.cost(X, y, w) == cost
    np.testing.assert_array_equal(fastgd.gradient(X, y, w), gradient)


def test_lists_integers_and_memmaps(rng, tmp_path):
    X = rng.integers(-9, 9, (5000, 3))
    y = rng.integers(-9, 9, 5000)
    w = [0.5, 0.25, -1.0]
    expected = fastgd.cost_and_gradient(X.astype(float), y.astype(float), w)
    np.save(tmp_path / "X.npy", X.astype(np.int16))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for X_other, y_other in (
        (X, y),
        (X.tolist(), y.tolist()),
        (mapped, y),
        (X.astype(np.float16), y.astype(bool) * 0 + y),
    ):
        cost, gradient = fastgd.cost_and_gradient(X_other, y_other, w)
        assert cost == expected[0]
        np.testing.assert_array_equal(gradient, expected[1])


def test_the_inputs_are_never_written(rng):
    X, y, w = rng.standard_normal((5000, 3)), rng.standard_normal(5000), rng.standard_normal(3)
    before = X.tobytes(), y.tobytes(), w.tobytes()
    fastgd.cost_and_gradient(X, y, w)
    fastgd.forward(X, w)
    fastgd.gradient_descent(X, y, w0=w, learning_rate=0.1, n_epochs=2)
    fastgd.sgd(X, y, w0=w, learning_rate=0.001, n_epochs=2)
    assert (X.tobytes(), y.tobytes(), w.tobytes()) == before
    assert X.flags.writeable


@pytest.mark.parametrize("n", [5, 5000])
def test_an_overflow_of_finite_data_is_infinite_not_an_error(n):
    X, y = np.full(n, 1e200), np.zeros(n)
    assert fastgd.cost(X, y, 1.0) == np.inf
    assert fastgd.loss(X, y, 1.0)[0] == np.inf
    assert fastgd.cost(X, y, 1e-250) == pytest.approx(1e-100)


def test_a_gradient_that_overflows_is_infinite():
    assert fastgd.cost_and_gradient([1e308], [1e10], 0.0) == (1e20, -np.inf)


@pytest.mark.parametrize("d", [1, 2, 3, 8, 17])
def test_rows_that_repeat_add_up_their_errors_within_the_documented_bound(d):
    """A few rows, thousands of times: residuals are off by up to (d + 1)/2 eps of Σ|x w| + |y| each."""
    rows = np.random.default_rng(d).standard_normal((3, d))
    n = 4096 if JIT_IS_OFF else 9000
    X = np.tile(rows, (n // 3 + 1, 1))[:n]
    w = np.linspace(0.3, 1.0, d)
    y = np.round(X @ w + 0.1, 2)
    cost, gradient = fastgd.cost_and_gradient(X, y, w)
    true_cost, true_gradient, _ = exact(X, y, w)
    size = np.abs(X) @ np.abs(w) + np.abs(y)
    slip = ((d + 1) / 2 + 4) * EPS * size
    assert abs(cost - float(true_cost)) <= np.mean(2 * np.abs(X @ w - y) * slip + slip**2) + 4 * EPS * cost
    for j, true in enumerate(true_gradient):
        assert abs(gradient[j] - float(true)) <= 2 * np.mean(np.abs(X[:, j]) * slip)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_and_infinity_are_named(backend):
    X, y = np.ones((5000, 2)), np.ones(5000)
    X[4500, 1] = np.nan
    for call in (
        lambda: fastgd.cost(X, y, [1.0, 1.0], backend=backend),
        lambda: fastgd.forward(X, [1.0, 1.0], backend=backend),
        lambda: fastgd.loss(X, y, [1.0, 1.0], backend=backend),
    ):
        with pytest.raises(
            fastgd.InvalidDataError, match=r"^X\[4500, 1\] is NaN; drop such rows or fill them$"
        ):
            call()
    with pytest.raises(fastgd.InvalidDataError, match=r"^y\[1\] is infinite; drop"):
        fastgd.gradient([1.0, 2.0], [1.0, np.inf], 0.0, backend=backend)
    with pytest.raises(fastgd.InvalidDataError, match=r"^X\[0\] is minus infinite; drop"):
        fastgd.forward([-np.inf, 2.0], 0.0, backend=backend)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fastgd.forward([1.0], 1.0, intercept=np.nan), "intercept must be finite, not nan"),
        (lambda: fastgd.cost([1.0], [1.0], "1"), r"w holds text \(<U1\); it must hold real numbers"),
        (
            lambda: fastgd.cost([1.0], [1.0], [1.0]),
            r"w has shape \(1,\); X has shape \(n,\), so w is one number",
        ),
        (
            lambda: fastgd.cost([[1.0]], [1.0], 1.0),
            r"w has shape \(\); X has 1 columns, so it must be \(1,\)",
        ),
        (lambda: fastgd.cost([[1.0, 2.0]], [1.0], [1.0, np.nan]), r"w\[1\] is NaN; weights must be finite"),
        (lambda: fastgd.cost([1.0], [1.0], 1.0, n_threads=0), "n_threads must be at least 1, not 0"),
        (lambda: fastgd.cost([1.0], [1.0], 1.0, backend="gpu"), "backend must be 'numba' or 'python'|'auto'"),
        (lambda: fastgd.cost(1.0, [1.0], 1.0), "X has 0 dimensions"),
        (lambda: fastgd.cost([1.0], [1.0], None), "w is of type NoneType; w must hold real numbers"),
        (
            lambda: fastgd.loss(3.0, [1.0, 2.0], 1.0),
            r"y has shape \(2,\); X is one number, so y is one number",
        ),
        (lambda: fastgd.forward([1.0, 2.0], [1.0, 2.0]), r"one row of several numbers is X.reshape\(1, -1\)"),
        (lambda: fastgd.forward([1.0], 1.0, intercept=10**400), "intercept must be finite, not 1000"),
        (lambda: fastgd.forward([1.0], 1.0, backend="python", n_threads=0), "n_threads must be at least 1"),
        (lambda: fastgd.cost([10**400], [1.0], 1.0), r"X\[0\] is too large for a float"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_sparse_arrays_are_refused_with_the_remedy():
    sparse = pytest.importorskip("scipy.sparse").csr_array(np.eye(3))
    with pytest.raises(fastgd.InvalidDataError, match=r"^X is sparse; make it dense, X\.toarray\(\)$"):
        fastgd.gradient_descent(sparse, np.ones(3))


def test_large_whole_numbers_are_numbers():
    assert fastgd.forward([2**70, 1], 2.0).tolist() == [2.0**71, 2.0]
