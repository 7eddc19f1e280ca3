"""Which columns are independent, estimates and inverses, beside QR and exact arithmetic on rows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import fastgd
from fastgd.solver.inputs import as_dataset
from fastgd.solver.least_squares import LeastSquares, independent


def greedy(X):
    """The columns that raise the rank of those before them, by the singular values of scaled columns."""
    kept = []
    for j in range(X.shape[1]):
        tried = X[:, [*kept, j]]
        sizes = np.linalg.norm(tried, axis=0)
        if sizes[-1] > 1e-9 and np.linalg.matrix_rank(tried / sizes, 1e-6) == len(kept) + 1:
            kept.append(j)
    return kept


class TestIndependent:
    @pytest.mark.parametrize("seed", range(30))
    @pytest.mark.parametrize("has_intercept", [False, True])
    def test_the_first_columns_that_raise_the_rank(self, seed, has_intercept):
        rng = np.random.default_rng(seed)
        rank, d = rng.integers(1, 5), rng.integers(2, 9)
        mixing = rng.integers(-2, 3, size=(rank, d)) * rng.choice([1.0, 1e-4, 1e4], size=d)
        X = rng.normal(size=(60, rank)) @ mixing + has_intercept * rng.integers(-3, 4, size=d)
        products = fastgd.summarize(X, rng.normal(size=60)).products
        centred = X - X.mean(axis=0) if has_intercept else X
        assert independent(products, has_intercept) == greedy(centred)

    def test_none(self):
        products = fastgd.summarize(np.ones((5, 3)), np.arange(5.0)).products
        assert independent(products, True) == []
        assert independent(products, False) == [0]


def exact(X, y, s):
    """Estimates and the diagonal of the inverse table, by elimination on fractions."""
    rows, k = [[Fraction(v) for v in x] for x in X.tolist()], X.shape[1]
    weights, targets = [Fraction(v) for v in s.tolist()], [Fraction(v) for v in y.tolist()]
    table = [
        [sum(w * r[i] * r[j] for w, r in zip(weights, rows, strict=True)) for j in range(k)]
        + [Fraction(i == j) for j in range(k)]
        + [sum(w * r[i] * t for w, r, t in zip(weights, rows, targets, strict=True))]
        for i in range(k)
    ]
    for i in range(k):
        table[i] = [value / table[i][i] for value in table[i]]
        for j in set(range(k)) - {i}:
            table[j] = [a - table[j][i] * b for a, b in zip(table[j], table[i], strict=True)]
    return [float(row[-1]) for row in table], [float(table[i][k + i]) for i in range(k)]


@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("is_refined", [False, True])
def test_estimates_and_inverse(rng, has_intercept, is_refined):
    X, y, s = rng.normal(5.0, 1.0, size=(40, 3)), rng.normal(size=40), rng.integers(0, 3, 40).astype(float)
    X[:, 1] *= 1000.0
    fit = LeastSquares.of(fastgd.summarize(X, y, sample_weight=s).products, has_intercept)
    if is_refined:
        fit = fit.refined(as_dataset(X, y, s), [0, 1, 2])
    Z = np.column_stack([X, np.ones(40)]) if has_intercept else X
    theta, diagonal = exact(Z, y, s)
    np.testing.assert_allclose(fit.theta, theta, rtol=1e-10)
    np.testing.assert_allclose(np.sum(fit.root_of_coefficients() ** 2, axis=0), diagonal, rtol=1e-10)
    residuals = y - Z @ theta
    assert fit.squares == pytest.approx(np.sum(s * residuals**2), rel=1e-10)
    design = np.column_stack([X - fit.mean, np.ones(40)]) if has_intercept else X
    inverse = np.linalg.inv(design.T @ (s[:, None] * design))
    np.testing.assert_allclose(fit.root().T @ fit.root(), inverse, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(design @ fit.theta_of_design, Z @ theta, rtol=1e-9)


@pytest.mark.parametrize("has_intercept", [False, True])
def test_inflation_condition_and_explained_squares(rng, has_intercept):
    X, y = rng.normal(2.0, 1.0, size=(200, 4)), rng.normal(size=200)
    X[:, 3] += X[:, 0]
    fit = LeastSquares.of(fastgd.summarize(X, y).products, has_intercept)
    centred = X - X.mean(axis=0) if has_intercept else X
    factors = []
    for j in range(4):
        others = np.delete(centred, j, axis=1)
        rest = centred[:, j] - others @ np.linalg.lstsq(others, centred[:, j], rcond=None)[0]
        factors.append((centred[:, j] @ centred[:, j]) / (rest @ rest))
    np.testing.assert_allclose(fit.inflation(), factors, rtol=1e-10)
    condition = np.linalg.cond(centred / np.linalg.norm(centred, axis=0))
    assert fit.condition_number() == pytest.approx(condition, rel=1e-10)
    total = np.sum((y - y.mean() * has_intercept) ** 2)
    assert fit.explained(total) == pytest.approx(np.sum((centred @ fit.w) ** 2), rel=1e-10)


def test_few_rows_keep_the_digits_of_nearly_dependent_columns(rng):
    """Their table has lost twice as many digits."""
    X, y, s = rng.normal(size=(30, 3)), rng.normal(size=30), np.ones(30)
    X[:, 2] = X[:, 0] + 1e-5 * X[:, 2]
    fit = LeastSquares.of(fastgd.summarize(X, y).products, False)
    _, diagonal = exact(X, y, s)
    diagonal = np.array(diagonal)

    def error(fit):
        return np.max(np.abs(np.sum(fit.inverse_root**2, axis=0) / diagonal - 1.0))

    assert error(fit.refined(as_dataset(X, y), [0, 1, 2])) < 1e-10 < error(fit) < 1e-4
