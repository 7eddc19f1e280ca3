"""Digits of GDRegressor: NIST's certified answers, and exact rational arithmetic on data of the same kind."""

from __future__ import annotations

import json
import math
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd.estimators import GDRegressor
from tests.conftest import JIT_IS_OFF

SETS = json.loads((Path(__file__).parent.parent / "data" / "strd.json").read_text())["sets"]
LEAST = {"Norris": 12, "NoInt1": 14, "Longley": 12, "Wampler1": 9, "Wampler5": 5.5}
EPOCHS = 1_000_000


def coefficients(model):
    return [model.intercept_, *model.coef_] if model.fit_intercept else list(model.coef_)


def fewest_digits(values, exact) -> float:
    """NIST's log relative error of the worst value, against fractions, at most 15.95."""
    errors = [abs(Fraction(float(v)) - e) / abs(e) for v, e in zip(values, exact, strict=True)]
    return -math.log10(max(max(errors), Fraction(1, 2**53)))


def least_squares(X, y) -> list[Fraction]:
    """Intercept and weights of the data to the last bit, by exact elimination on the normal equations."""
    rows = [[Fraction(1), *map(Fraction, x)] for x in X.tolist()]
    targets, size = list(map(Fraction, y.tolist())), X.shape[1] + 1
    table = [
        [sum(row[i] * row[j] for row in rows) for j in range(size)]
        + [sum(row[i] * t for row, t in zip(rows, targets, strict=True))]
        for i in range(size)
    ]
    for i in range(size):
        table[i] = [value / table[i][i] for value in table[i]]
        for j in range(size):
            if j != i:
                table[j] = [a - table[j][i] * b for a, b in zip(table[j], table[i], strict=True)]
    return [row[size] for row in table]


def condition(X) -> float:
    """Of the columns, centred and of length 1."""
    centred = X - X.mean(axis=0)
    centred -= centred.mean(axis=0)
    return float(np.linalg.cond(centred / np.sqrt(np.square(centred).sum(axis=0))))


@pytest.mark.parametrize("name", SETS)
def test_certified_digits(name):
    entry = SETS[name]
    if JIT_IS_OFF and name.startswith("Wampler"):
        pytest.skip("28 000 epochs of Python")
    X = np.array(entry["x"], dtype=float)
    if X.shape[1] == 1:
        X = X ** np.arange(1, entry["poly_degree"] + 1)
    model = GDRegressor(fit_intercept=entry["fit_intercept"], max_iter=EPOCHS)
    model.fit(X, np.array(entry["y"], dtype=float))
    certified = [Fraction(value) for value in entry["certified_coefficients"]]
    assert fewest_digits(coefficients(model), certified) >= LEAST[name]
    assert model.result_.converged
    if squares := entry["certified_residual_sum_of_squares"]:
        assert 2 * len(X) * model.history_[-1] == pytest.approx(float(squares), rel=1e-12)


def polynomial(degree):
    return np.arange(30.0)[:, None] ** np.arange(1, degree + 1)


def nearly_collinear(exponent):
    rng = np.random.default_rng(exponent)
    a, b, c = rng.normal(size=(3, 40))
    return np.column_stack([a, a + 10.0**-exponent * b, c])


def far_from_zero(exponent, spread=1.0):
    rng = np.random.default_rng(exponent)
    far = 10.0**exponent
    return np.column_stack(
        [far + spread * rng.normal(size=50), -3 * far + 0.01 * spread * rng.normal(size=50)]
    )


def years(with_square):
    rng = np.random.default_rng(1947)
    year = np.arange(1947.0, 1977.0)
    output = 1e5 * 1.03 ** (year - 1947) + 100 * rng.normal(size=30)
    people = np.round(1e5 * (1 + 0.01 * (year - 1947)) + 20 * rng.normal(size=30))
    return np.column_stack([year, output, year**2 if with_square else people])


FAST = {
    "degree 2": polynomial(2),
    "degree 3": polynomial(3),
    "1e-1 from collinear": nearly_collinear(1),
    "1e-2 from collinear": nearly_collinear(2),
    "means of 1e3": far_from_zero(3),
    "means of 1e9": far_from_zero(9),
    "means of 1e12": far_from_zero(12),
    "means of 1e8, spread 1e-4": far_from_zero(8, 1e-4),
    "scales from 1e-8 to 1e8": np.random.default_rng(6).normal(size=(50, 3)) * [1e-8, 1.0, 1e8],
    "years": years(False),
}
SLOW = {
    "degree 4": polynomial(4),
    "degree 5": polynomial(5),
    "degree 6": polynomial(6),
    "1e-3 from collinear": nearly_collinear(3),
    "1e-4 from collinear": nearly_collinear(4),
    "years and their squares": years(True),
}


@pytest.mark.parametrize("noise", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("name", FAST if JIT_IS_OFF else FAST | SLOW)
def test_digits_against_exact_arithmetic(name, noise):
    X = (FAST | SLOW)[name]
    rng = np.random.default_rng(11)
    spread = X.std(axis=0)
    y = ((X - X.mean(axis=0)) / spread) @ rng.normal(size=X.shape[1]) + noise * rng.normal(size=len(X)) + 3.0
    expected = 16 - math.log10(condition(X)) - 1
    model = GDRegressor(max_iter=EPOCHS).fit(X, y)  # a warning would be an error
    assert model.result_.converged
    assert fewest_digits(coefficients(model), least_squares(X, y)) >= min(12.0, expected)


def caught_warnings(X, y, max_iter):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        GDRegressor(max_iter=max_iter).fit(X, y)
    assert all(issubclass(warning.category, fastgd.ConvergenceWarning) for warning in caught)
    return [str(warning.message) for warning in caught]


def test_columns_that_are_sums_of_others_are_said_to_be():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(40, 2))
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    messages = caught_warnings(X, rng.normal(size=40), 1000)
    assert any("some columns of X are sums of others" in message for message in messages)


@pytest.mark.slow
def test_few_digits_to_be_expected_are_said():
    X = nearly_collinear(9)
    messages = caught_warnings(X, X[:, 0] + np.random.default_rng(3).normal(size=40), 1000)
    assert any("weights" in message and "leave some out, or pass alpha" in message for message in messages)


@pytest.mark.skipif(JIT_IS_OFF, reason="5 000 rows several times")
@pytest.mark.parametrize("seed", [5, 6, 7])
def test_the_weights_have_the_number_of_digits_that_is_said(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 5000))
    X = np.column_stack([a, a + 3e-5 * b])
    y = a + rng.normal(size=5000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = GDRegressor(max_iter=EPOCHS).fit(X, y)
    said = [str(w.message) for w in caught if "digits of the weights are to be expected" in str(w.message)]
    assert len(said) == 1
    number = int(said[0].split("about ")[1].split(" digits")[0])
    assert 3 <= number <= 8
    exact = least_squares(X, y)
    largest = max(map(abs, exact[1:]))
    error = max(abs(Fraction(float(v)) - w) for v, w in zip(model.coef_, exact[1:], strict=True)) / largest
    assert -math.log10(error) >= number
    assert fewest_digits(coefficients(model), exact) >= number - 1


def test_well_conditioned_data_is_fitted_in_silence():
    X = far_from_zero(6)
    assert caught_warnings(X, X @ [1.0, 2.0], 10_000) == []
