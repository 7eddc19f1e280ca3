"""Folds: which row is where, and the statistics of each fold from one pass."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.data.arrays import ArrayRows
from fastgd.engine.blocks import block_rows
from fastgd.solver.folds import Folds, read_folds
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_alike

K = 3


def rows_of(rng, n, d=2):
    return rng.normal(size=(n, d)), rng.normal(size=n), rng.integers(0, 3, size=n).astype(float)


def test_one_block_deals_rows_and_several_blocks_deal_runs(rng):
    X, y, _ = rows_of(rng, 8)
    assert Folds.of(K, ArrayRows(X, y)).of_rows(0, 8).tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    n = block_rows(2) + 1
    many = Folds.of(K, ArrayRows(np.zeros((n, 2)), np.zeros(n)))
    np.testing.assert_array_equal(many.of_rows(0, n), np.arange(n) // 32 % K)
    np.testing.assert_array_equal(many.of_rows(64, 40), np.arange(64, 104) // 32 % K)


@pytest.mark.parametrize("d", [1, 2, 9, 40])
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_each_fold_is_the_summary_of_its_rows(rng, d, blocks):
    n = 40 if JIT_IS_OFF or not blocks else blocks * block_rows(d + 1) + 137
    X, y, weights = rows_of(rng, n, d)
    fold = np.arange(n) % K if n <= block_rows(d) else np.arange(n) // 32 % K
    for s in (None, weights):
        summary = fastgd.summarize(X, y, sample_weight=s, folds=K)
        assert len(summary.folds) == K
        assert_alike(summary, fastgd.summarize(X, y, sample_weight=s))
        for k, found in enumerate(summary.folds):
            is_in = fold == k
            expected = fastgd.summarize(X[is_in], y[is_in], sample_weight=None if s is None else s[is_in])
            assert_alike(found, expected, 1e-12)


def test_an_array_names_the_fold_of_each_row(rng):
    X, y, _ = rows_of(rng, 50)
    fold = rng.permutation(np.arange(50) % K)
    summary = fastgd.summarize(X, y, folds=fold)
    for k, found in enumerate(summary.folds):
        assert_alike(found, fastgd.summarize(X[fold == k], y[fold == k]), 1e-12)


@pytest.mark.parametrize("k", [2, 5, 64])
def test_folds_have_the_same_bits_with_any_number_of_threads(rng, k):
    n = 300 if JIT_IS_OFF else 200_000
    X, y, _ = rows_of(rng, n)
    of_threads = [fastgd.summarize(X, y, folds=k, n_threads=threads) for threads in (1, 2, 3)]
    assert same(of_threads[0], of_threads[1])
    assert same(of_threads[0], of_threads[2])


def test_both_backends_read_the_same_folds(rng):
    X = np.column_stack([rng.integers(-9, 10, size=(50, 2)), np.ones(50)]).astype(float)
    y, w_ref = rng.integers(-9, 10, size=50).astype(float), np.array([1.0, 2.0, 3.0])
    rows = ArrayRows(X, y)
    folds = Folds.of(K, rows)
    plain, compiled = (read_folds(rows, w_ref, folds, 1, backend) for backend in ("python", "numba"))
    assert plain[1] == compiled[1] == [17, 17, 16]
    for one, other in zip(plain[0], compiled[0], strict=True):  # sums of whole numbers round nowhere
        assert (one.G.tolist(), one.c.tolist(), one.s) == (other.G.tolist(), other.c.tolist(), other.s)


def test_rows_that_other_processes_read_take_a_number_of_folds(rng):
    rows = ArrayRows(*rows_of(rng, 50)[:2])
    rows.executor = object()
    with pytest.raises(InvalidDataError, match="of a Dask collection must be a number"):
        Folds.of(np.arange(50) % K, rows)


def test_summaries_with_folds_add_up_fold_by_fold(rng):
    X, y, _ = rows_of(rng, 50)
    fold = np.arange(50) % K
    s, t = (fastgd.summarize(X[part], y[part], folds=fold[part]) for part in (slice(20), slice(20, None)))
    for k, found in enumerate((s + t).folds):
        assert_alike(found, fastgd.summarize(X[fold == k], y[fold == k]), 1e-12)
    for k, found in enumerate((s + t - t).folds):
        assert_alike(found, s.folds[k], 1e-11)


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (1, "folds must be at least 2"),
        (51, "folds=51 is more than the 50 rows"),
        (np.zeros(50, int), "two folds or more; it holds 0 to 0"),
        (np.arange(50) % 2 * 2, "holds 0 to 2 and not 1"),
        (np.arange(50) - 1, "holds -1 to 48"),
        (np.arange(49), "folds has 49 numbers and X has 50 rows"),
        (np.linspace(0, 1, 50), "an array with the fold of each row"),
    ],
)
def test_wrong_folds_are_refused(rng, folds, message):
    X, y, _ = rows_of(rng, 50)
    with pytest.raises((InvalidDataError, ValueError), match=message):
        fastgd.summarize(X, y, folds=folds)
