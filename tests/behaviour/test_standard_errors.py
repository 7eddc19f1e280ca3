"""Digits of standard errors: exact rational arithmetic on NIST's data, and on rows far from zero."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import fastgd
from tests.law import exact_fractions

SETS = json.loads((Path(__file__).parent.parent / "data" / "strd.json").read_text())["sets"]


def data(name):
    entry = SETS["Wampler5" if name == "Wampler3" else name]
    X, y = np.array(entry["x"], dtype=float), np.array(entry["y"], dtype=float)
    if X.shape[1] == 1:
        X = X ** np.arange(1, entry["poly_degree"] + 1)
    if name == "Wampler3":  # NIST's three sets have the same errors times 1, 100 and 10 000
        smooth = np.array(SETS["Wampler1"]["y"], dtype=float)
        y = smooth + (y - smooth) / 1e4
    return X, y, entry["fit_intercept"]


def variances(X, y, has_intercept):
    """The squares of the standard errors, by elimination on fractions."""
    rows = [[*map(Fraction, x), *[Fraction(1)] * has_intercept] for x in X.tolist()]
    targets, k = list(map(Fraction, y.tolist())), len(rows[0])
    table = [
        [sum(row[i] * row[j] for row in rows) for j in range(k)]
        + [Fraction(i == j) for j in range(k)]
        + [sum(row[i] * t for row, t in zip(rows, targets, strict=True))]
        for i in range(k)
    ]
    for i in range(k):
        table[i] = [value / table[i][i] for value in table[i]]
        for j in set(range(k)) - {i}:
            table[j] = [a - table[j][i] * b for a, b in zip(table[j], table[i], strict=True)]
    theta = [row[-1] for row in table]
    squares = sum(
        (t - sum(a * b for a, b in zip(row, theta, strict=True))) ** 2
        for row, t in zip(rows, targets, strict=True)
    )
    return [squares / (len(targets) - k) * table[i][k + i] for i in range(k)]


def digits(errors, exact):
    """The correct digits of the worst standard error, at most 15.95."""
    off = [abs(Fraction(float(e)) ** 2 / v - 1) / 2 for e, v in zip(errors, exact, strict=True)]
    return -math.log10(max(*off, Fraction(1, 2**53)))


def by_lstsq(X, y, has_intercept):
    Z = np.column_stack([X, np.ones(len(y))]) if has_intercept else X
    residuals = y - Z @ np.linalg.lstsq(Z, y, rcond=None)[0]
    return np.sqrt(residuals @ residuals / (len(y) - Z.shape[1]) * np.diag(np.linalg.inv(Z.T @ Z)))


def in_parts(X, y):
    return sum(fastgd.summarize(X[part], y[part]) for part in (slice(0, 1), slice(1, 8), slice(8, None)))


@pytest.mark.parametrize(("name", "least"), [("Norris", 13.5), ("NoInt1", 15), ("Longley", 13)])
def test_ten_digits_and_more(name, least):
    X, y, has_intercept = data(name)
    exact = variances(X, y, has_intercept)
    assert digits(fastgd.inference(X, y, fit_intercept=has_intercept).standard_errors, exact) > least
    ours = fastgd.inference(in_parts(X, y), fit_intercept=has_intercept)
    assert digits(ours.standard_errors, exact) > 12


@pytest.mark.parametrize("name", ["Wampler3", "Wampler5"])
def test_those_of_lstsq(name):
    X, y, has_intercept = data(name)
    exact = variances(X, y, has_intercept)
    ours = digits(fastgd.inference(X, y, fit_intercept=has_intercept).standard_errors, exact)
    assert ours > 12.5 > digits(by_lstsq(X, y, has_intercept), exact)
    merged = fastgd.inference(in_parts(X, y), fit_intercept=has_intercept)
    assert digits(merged.standard_errors, exact) > 9.5  # a table has lost more digits than the rows


def test_an_exact_fit():
    X, y, has_intercept = data("Wampler1")
    for given in ((X, y), (in_parts(X, y),)):
        ours = fastgd.inference(*given, fit_intercept=has_intercept)
        assert ours.standard_errors.max() < 1e-8
        assert ours.r_squared == 1.0


@pytest.mark.parametrize("center", [0.0, 1e6, 1e9])
def test_columns_and_targets_far_from_zero(rng, center):
    X = rng.integers(-1, 2, size=(60, 2)) + np.array([center, 1.0])
    y = center + 3.0 * X[:, 1] + rng.integers(-4, 5, 60) / 8.0
    exact = variances(X, y, True)
    for given in ((X, y), (in_parts(X, y),)):
        ours = fastgd.inference(*given, fit_intercept=True)
        assert digits(ours.standard_errors, exact) > 12


@pytest.mark.parametrize("apart", [1e-2, 1e-4, 1e-6])
def test_digits_of_r_squared_and_f_beside_nearly_equal_columns(rng, apart):
    """The columns explain little of y, and their weights are large and cancel."""
    x = rng.normal(size=200)
    X, y = np.column_stack([x, x + apart * rng.normal(size=200)]), 0.3 * x + rng.normal(size=200) + 5.0
    P = exact_fractions(X, y)
    determinant = P[0, 0] * P[1, 1] - P[0, 1] ** 2
    explained = (
        P[0, 2] ** 2 * P[1, 1] - 2 * P[0, 1] * P[0, 2] * P[1, 2] + P[1, 2] ** 2 * P[0, 0]
    ) / determinant
    share = explained / P[2, 2]
    found = fastgd.inference(X, y, fit_intercept=True)
    assert float(abs(Fraction(found.r_squared) - share)) <= 2e-18 / apart + 2e-15
    assert found.f == pytest.approx(float(share / 2 / ((1 - share) / 197)), rel=2e-17 / apart + 1e-13)
