"""Statistics: what they hold, what they answer, and when another read is due."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.engine.blocks import block_rows
from fastgd.solver import statistics
from fastgd.solver.maps import read_maps
from fastgd.solver.statistics import first_reference, read_statistics
from tests.conftest import JIT_IS_OFF
from tests.problems import layouts, linear_problem

few_digits = st.integers(-1000, 1000).map(lambda k: k / 64)


def exact_cost(X, y, w) -> Fraction:
    rows = zip(np.reshape(X, (len(y), -1)).tolist(), y.tolist(), strict=True)
    squares = (
        (sum(Fraction(x_j) * Fraction(w_j) for x_j, w_j in zip(x, w, strict=True)) - Fraction(target)) ** 2
        for x, target in rows
    )
    return sum(squares, Fraction(0)) / len(y)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 11, 12, 64, 257, 512])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_statistics_are_the_sums_that_they_say(rng, d, dtype):
    n = 60 if JIT_IS_OFF else 3 * block_rows(d) + 37
    X, y, w_ref = linear_problem(rng, n, d)
    X, y = X.astype(dtype), y.astype(dtype)
    found = read_statistics(ArrayRows(X, y), w_ref, 1)
    X, r = X.astype(float), y - X.astype(float) @ w_ref
    np.testing.assert_allclose(found.G, X.T @ X, rtol=0, atol=1e-13 * n)
    np.testing.assert_array_equal(found.G, found.G.T)
    np.testing.assert_allclose(found.c, X.T @ r, rtol=0, atol=1e-13 * n)
    assert found.s == pytest.approx(r @ r, rel=1e-13)


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f8", "f4", "i8"])
@pytest.mark.parametrize("d", [1, 2, 7])
def test_both_backends_read_the_same_statistics(rng, d, dtype, layout):
    X = np.asarray(rng.integers(-9, 10, size=(50, d)), dtype, order=layout)
    y, w_ref = rng.integers(-9, 10, size=50).astype(dtype), np.arange(1.0, d + 1)
    plain, compiled = (read_statistics(ArrayRows(X, y), w_ref, 1, which) for which in ("python", "numba"))
    assert plain.G.tolist() == compiled.G.tolist()  # sums of whole numbers round nowhere
    assert plain.c.tolist() == compiled.c.tolist()
    assert (plain.s, plain.n) == (compiled.s, compiled.n)


@pytest.mark.parametrize("backend", ["python", "numba"])
def test_rows_that_are_not_finite_are_refused_by_name(backend):
    X = np.ones((5, 2))
    X[3, 1] = np.inf
    with pytest.raises(InvalidDataError, match=r"X\[3, 1\] is inf"):
        read_statistics(ArrayRows(X, np.ones(5)), np.zeros(2), 1, backend)


@given(
    st.lists(st.tuples(few_digits, few_digits, few_digits), min_size=1, max_size=30),
    st.tuples(few_digits, few_digits),
    st.tuples(few_digits, few_digits),
)
def test_statistics_of_short_numbers_are_exact(rows, w_ref, w):
    """Sums of short binary fractions round nowhere: the cost is the exact one, rounded."""
    table = np.array(rows)
    X, y = table[:, :2], table[:, 2]
    found = read_statistics(ArrayRows(X, y), np.array(w_ref), 1)
    assert found.cost(np.array(w)) == pytest.approx(float(exact_cost(X, y, w)), rel=1e-15, abs=1e-300)


@pytest.mark.parametrize("d", [1, 3, 20])
def test_same_bits_for_any_threads_and_any_layout(rng, many, threads_for_all, d):
    n = many // 8 // d + 4097
    n = 200 if JIT_IS_OFF and d == 20 else n  # a block of which has 2048 rows
    X, y, w_ref = linear_problem(rng, n, d)
    rates = np.array([1e-4, 1e-3])

    def bits(X, y, threads):
        rows = ArrayRows(X, y)
        sums, maps = (
            read_statistics(rows, w_ref, threads),
            read_maps(rows, w_ref, rates, threads),
        )
        parts = (sums.G, sums.c, np.float64(sums.s), maps.a, maps.b, maps.growth, maps.last_x, maps.last_y)
        parts += (maps.statistics.G, maps.statistics.c, np.float64(maps.statistics.s))
        return b"".join(part.tobytes() for part in parts)

    expected = bits(X, y, 1)
    assert {bits(X, y, threads) for threads in (2, 3, 8)} == {expected}
    assert len(threads_for_all) > 1 or n < 1000
    for name, (X_other, y_other) in layouts(X, y).items():
        assert bits(X_other, y_other, 2) == expected, name


@pytest.mark.parametrize("d", [1, 2, 10, 64])
def test_the_reference_fits_the_first_rows(rng, d):
    n = 100 if JIT_IS_OFF else 20_000
    X, y, _ = linear_problem(rng, n, d)
    w_ref = first_reference(ArrayRows(X, y), np.zeros(d))
    first = min(n, block_rows(d))
    best = np.linalg.lstsq(X[:first], y[:first])[0]
    assert np.sum((X[:first] @ w_ref - y[:first]) ** 2) <= np.sum((X[:first] @ best - y[:first]) ** 2) * 1.3


def test_the_reference_is_w0_where_that_fits_exactly_and_short_where_it_can_be(rng):
    X = rng.integers(-9, 9, (500, 3)).astype(float)
    short = np.array([2.0, -0.5, 3.25])
    np.testing.assert_array_equal(first_reference(ArrayRows(X, X @ short), np.zeros(3)), short)
    w0 = np.array([2.0, -0.5, 3.25 + 2**-45])
    np.testing.assert_array_equal(first_reference(ArrayRows(X, X @ w0), w0), w0)


def test_the_reference_of_fewer_rows_than_columns_is_the_solution_next_to_w0(rng):
    X, y, w0 = linear_problem(rng, 3, 8)
    w_ref = first_reference(ArrayRows(X, y), w0)
    expected = w0 + np.linalg.pinv(X) @ (y - X @ w0)
    np.testing.assert_allclose(w_ref, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


BEGINNINGS = {
    "sorted": lambda X: X[np.argsort(X[:, 0])],
    "constant": lambda X: np.vstack([np.ones((block_rows(X.shape[1]) + 9, X.shape[1])), X]),
    "zero": lambda X: np.vstack([np.zeros((block_rows(X.shape[1]) + 9, X.shape[1])), X]),
    "rank-deficient": lambda X: np.vstack([X[:5000] * [1.0, 0.0, 1.0], X]),
    "far away": lambda X: np.vstack([X[:5000] + 1e4, X]),
}


@pytest.mark.skipif(JIT_IS_OFF, reason="the arithmetic is the kernels'; sizes are hours of Python")
@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("noise", [0.0, 1e-9, 1e-3])
def test_an_odd_beginning_costs_at_most_one_more_read_and_no_digits(rng, beginning, noise):
    X = BEGINNINGS[beginning](rng.standard_normal((30_000, 3)))
    y = X @ [1.0, -2.0, 0.5] + noise * rng.standard_normal(len(X))
    diagnosis = fastgd.diagnose(X, y)
    how = dict(learning_rate=diagnosis.learning_rate, n_epochs=60)
    fit = fastgd.gradient_descent(X, y, method="summary", **how)
    streamed = fastgd.gradient_descent(X, y, method="stream", **how)
    assert fit.n_passes <= 2
    scale = np.abs(streamed.w_history).max()
    np.testing.assert_allclose(fit.w_history, streamed.w_history, rtol=0, atol=1e-12 * scale)
    # Of a cost along directions that hardly matter, statistics keep eps times the condition number.
    relative = max(1e-12, 10 * np.finfo(float).eps * diagnosis.condition_number)
    least = 1e-25 * np.mean(np.square(y))
    for epoch in (0, 1, 30, 60):
        residual = X.astype(np.longdouble) @ fit.w_history[epoch].astype(np.longdouble) - y
        assert fit.cost_history[epoch] == pytest.approx(
            float(np.mean(residual**2)), rel=relative, abs=float(least)
        )
    assert (fit.cost_history >= 0).all()


@pytest.mark.skipif(JIT_IS_OFF, reason="the arithmetic is the kernels'")
@pytest.mark.parametrize("noise", [0.0, 1e-10, 1e-6, 1.0])
@pytest.mark.parametrize("d", [1, 5])
def test_a_cost_is_as_good_as_the_direct_sum_down_to_nothing(rng, d, noise):
    """From mean(y²) to 1e-25 of it, against exact rational arithmetic."""
    X, y, _ = linear_problem(rng, 4200, d, noise)
    fit = fastgd.gradient_descent(X, y, n_epochs=40, learning_rate=0.35, method="summary")
    least = 1e-25 * np.mean(np.square(y))
    assert fit.n_passes == 1
    for epoch in range(0, 41, 8):
        exact = exact_cost(X, y, fit.w_history[epoch])
        direct = float(np.mean((X @ fit.w_history[epoch] - y) ** 2))
        allowed = max(abs(direct - float(exact)), 1e-13 * float(exact)) + least
        assert abs(fit.cost_history[epoch] - float(exact)) <= allowed


def test_a_cost_far_below_the_reference_is_far_and_one_of_rounding_is_not():
    sums = statistics.Statistics(10, np.zeros(1), np.array([[10.0]]), np.array([20.0]), 40.0)
    assert sums.is_far_from(4.0 * statistics.FAR * 0.99)
    assert not sums.is_far_from(4.0 * statistics.FAR * 1.01)
    exact = statistics.Statistics(10, np.full(1, 2.0), np.array([[10.0]]), np.array([0.0]), 1e-30)
    assert not exact.is_far_from(0.0)


def test_the_optimum_is_where_the_gradient_is_zero(rng):
    X, y, w_ref = linear_problem(rng, 400, 4)
    found = read_statistics(ArrayRows(X, y), w_ref, 1)
    w = found.optimum()
    np.testing.assert_allclose(2 / 400 * X.T @ (X @ w - y), 0, atol=1e-13)
