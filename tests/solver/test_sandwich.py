"""The middle of sandwich covariances against NumPy on whole arrays."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd import InvalidDataError
from fastgd.solver import sandwich
from fastgd.solver.inputs import as_dataset


def scored(rng, d, *, has_ones, root=None, are_copies=False):
    size = d + has_ones
    shift = rng.normal(size=d) if has_ones else np.zeros(d)
    return sandwich.Scored(
        shift, rng.normal(size=size), np.zeros((0, size)) if root is None else root, are_copies
    )


def parts(X, y, given):
    Z = X - given.shift
    Z = np.column_stack([Z, np.ones(len(y))]) if len(given.theta) > X.shape[1] else Z
    return Z, y - Z @ given.theta, np.sum((Z @ given.root.T) ** 2, axis=1)


@pytest.mark.parametrize("has_ones", [False, True])
@pytest.mark.parametrize("are_copies", [False, True])
@pytest.mark.parametrize(("n", "d"), [(50, 1), (9000, 3), (2500, 40)])
def test_products_of_rows(rng, n, d, has_ones, are_copies):
    X, y, s = rng.normal(size=(n, d)), rng.normal(size=n), rng.uniform(0.0, 2.0, n)
    root = 0.05 / d * rng.normal(size=(d, d + has_ones))
    for R in (None, root):
        given = scored(rng, d, has_ones=has_ones, root=R, are_copies=are_copies)
        Z, r, h = parts(X, y, given)
        f = (np.sqrt(s) if are_copies else s) * r / (1.0 - h * (1.0 if are_copies else s))
        found = sandwich.of_rows(as_dataset(X, y, s), given, 2)
        np.testing.assert_allclose(found, (f[:, None] * Z).T @ (f[:, None] * Z), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("has_ones", [False, True])
def test_products_of_clusters(rng, has_ones):
    n, d = 9000, 3
    X, y, s = rng.normal(size=(n, d)), rng.normal(size=n), rng.uniform(0.0, 2.0, n)
    codes = rng.integers(0, 100, n).astype(np.int32)
    s[codes == 5] = 0.0
    given = scored(rng, d, has_ones=has_ones)
    Z, r, _ = parts(X, y, given)
    sums = np.array([(s * r)[codes == code] @ Z[codes == code] for code in range(100)])
    found, n_clusters = sandwich.of_clusters(as_dataset(X, y, s), given, codes, 100)
    np.testing.assert_allclose(found, sums.T @ sums, rtol=1e-10)
    assert n_clusters == 99


class TestRefused:
    def test_the_row_with_leverage_1_among_several_blocks(self, rng):
        X = np.column_stack([rng.normal(size=9000), np.arange(9000) == 5678])
        root = np.diag([1.0 / np.linalg.norm(X[:, 0]), 1.0])
        given = scored(rng, 2, has_ones=False, root=root)
        with pytest.raises(InvalidDataError, match=r"^X\[5678\] has leverage 1"):
            sandwich.of_rows(as_dataset(X, np.ones(9000)), given, None)

    def test_the_row_of_a_chunk(self, rng):
        X, y = rng.normal(size=(900, 2)), rng.normal(size=900)
        X[:, 1] = np.arange(900) == 707
        source = fastgd.chunks(lambda: iter([(X[:600], y[:600]), (X[600:], y[600:])]))
        with pytest.raises(InvalidDataError, match=r"^row 707 of chunks\(\): X has leverage 1: "):
            fastgd.inference(source, cov_type="HC3")

    def test_scores_that_overflow(self, rng):
        X, y = rng.normal(size=(50, 2)), np.full(50, 1e200)
        rows, given = as_dataset(X, y), scored(rng, 2, has_ones=False)
        with pytest.raises(InvalidDataError, match="squares overflow; scale it"):
            sandwich.of_rows(rows, given, None)
        with pytest.raises(InvalidDataError, match="squares overflow; scale it"):
            sandwich.of_clusters(rows, given, np.arange(50, dtype=np.int32) % 3, 3)
