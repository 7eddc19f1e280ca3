"""summarize: sources, reads, checkpoints and bad input."""

from __future__ import annotations

import numpy as np
import pytest

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.solver.inputs import as_dataset
from fastgd.solver.summarize import of_problem, of_rows
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_alike, assert_products, exact_products

N = 300 if JIT_IS_OFF else 30_000


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(N, 3)) + 1.0
    return X, X @ [1.0, 2.0, 3.0] + rng.normal(size=N)


def in_chunks(X, y, weights=None):
    columns = (X, y) if weights is None else (X, y, weights)
    return fastgd.chunks(lambda: (tuple(part[a : a + 97] for part in columns) for a in range(0, len(y), 97)))


@pytest.mark.parametrize("is_weighted", [False, True])
def test_the_same_bits_from_arrays_chunks_and_threads(rows, rng, is_weighted):
    X, y = rows
    s = rng.integers(0, 3, size=N).astype(float) if is_weighted else None
    expected = fastgd.summarize(X, y, sample_weight=s, n_threads=1)
    assert same(fastgd.summarize(X, y, sample_weight=s, n_threads=3), expected)
    assert same(fastgd.summarize(np.asfortranarray(X), y, sample_weight=s), expected)
    assert same(fastgd.summarize(in_chunks(X, y, s)), expected)
    assert expected.n_samples == (N if s is None else np.count_nonzero(s))


@pytest.mark.parametrize("dtype", ["f4", "i4", ">f8"])
def test_dtypes(rng, dtype):
    X, y = rng.integers(-9, 10, size=(40, 2)).astype(dtype), rng.integers(-9, 10, size=40).astype(dtype)
    assert_products(fastgd.summarize(X, y), *exact_products(X, y))
    assert_products(fastgd.summarize(X.tolist(), y.tolist()), *exact_products(X, y))


def test_targets_far_from_zero_keep_their_digits(rng):
    X, y = rng.integers(-9, 10, size=(40, 2)) / 8, 1e9 + rng.integers(-9, 10, size=40) / 8
    for s in (None, rng.integers(1, 4, size=40) / 2):
        assert_products(fastgd.summarize(X, y, sample_weight=s), *exact_products(X, y, s))


def test_one_pass_or_two(rows, rng):
    X, y = rows
    assert of_rows(as_dataset(X, y), 1)[1] == 1
    sorted_rows = np.concatenate([np.zeros((5000, 1)), 1e6 + rng.normal(size=(5000, 1))])
    summary, n_passes = of_rows(as_dataset(sorted_rows, sorted_rows[:, 0]), 1)
    assert n_passes <= 2
    assert summary.mean[0] == pytest.approx(sorted_rows.mean(), rel=1e-14)


@pytest.mark.parametrize("shape", [(0,), (0, 2)])
def test_no_rows_are_a_summary(rng, shape):
    none = fastgd.summarize(np.zeros(shape), np.zeros(0))
    X = rng.normal(size=(5, *shape[1:]))
    some = fastgd.summarize(X, np.arange(5.0))
    assert same((none + some).products, some.products)
    assert same((some + none).products, some.products)
    no_folds = fastgd.summarize(X[:0], np.zeros(0), folds=2)
    folds = fastgd.summarize(X, np.arange(5.0), folds=2)
    assert same((no_folds + folds).folds[1].products, folds.folds[1].products)
    with pytest.raises(InvalidDataError, match="the summary has no rows"):
        fastgd.gradient_descent(none)


def test_dask(rows):
    da = pytest.importorskip("dask.array")
    X, y = rows
    expected = fastgd.summarize(X, y, folds=3)
    for chunks in (1000, 777):
        found = fastgd.summarize(da.from_array(X, (chunks, 3)), da.from_array(y, chunks), folds=3)
        assert same(found, expected)


@pytest.mark.skipif(JIT_IS_OFF, reason="few rows are all in the first look, before a read")
def test_an_interrupted_read_resumes_to_the_bit(rows, tmp_path):
    X, y = rows
    expected = fastgd.summarize(X, y)
    path = tmp_path / "read.npz"
    interrupts = []

    def chunks():
        for start in range(0, N, 100):
            if start >= N // 2 and not interrupts:
                interrupts.append(start)
                raise KeyboardInterrupt
            yield X[start : start + 100], y[start : start + 100]

    with pytest.raises(KeyboardInterrupt):
        fastgd.summarize(fastgd.chunks(chunks), checkpoint=path, checkpoint_every=0.0)
    found = fastgd.summarize(fastgd.chunks(chunks), resume=path)
    assert same(found.products, expected.products)


@pytest.mark.parametrize(
    ("X", "y", "options", "message"),
    [
        ([[1.0, np.nan]], [1.0], {}, r"X\[0, 1\] is NaN"),
        ([[1.0], [2.0]], [1.0, np.inf], {}, r"y\[1\] is inf"),
        ([[1e200], [-1e200]], [1.0, 2.0], {}, "squares overflow"),
        ([[1.0], [2.0]], [1e160, 1e160], {}, "y is too large: its squares overflow"),
        ([[1.0], [2.0]], [1.0], {}, "y has 1 rows"),
        ([[1.0], [2.0]], [1.0, 2.0], {"sample_weight": [1.0, -1.0]}, "sample_weight"),
        ([[1.0], [2.0]], [1.0, 2.0], {"checkpoint_every": -1.0, "checkpoint": "x"}, "checkpoint_every"),
    ],
)
def test_bad_input_is_refused(X, y, options, message):
    with pytest.raises(ValueError, match=message):
        fastgd.summarize(X, y, **options)


def test_dask_frames(rows):
    dd, pd = pytest.importorskip("dask.dataframe"), pytest.importorskip("pandas")
    X, y = (values[:50] for values in rows)
    frame = pd.DataFrame(X, columns=[f"c{j}" for j in range(X.shape[1])])
    parts = (dd.from_pandas(data, npartitions=3) for data in (frame, pd.Series(y, name="t")))
    assert same(fastgd.summarize(*parts), fastgd.summarize(frame, pd.Series(y, name="t")))


def test_the_summary_of_an_estimator_is_that_of_its_rows(rows):
    estimators = pytest.importorskip("fastgd.estimators")
    X, y = rows
    for has_intercept in (True, False):
        model = estimators.GDRegressor(fit_intercept=has_intercept).fit(X, y)
        assert_alike(model.summary_, fastgd.summarize(X, y))


@pytest.mark.parametrize("n", [50, 9000])
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_summary_of_a_problem_has_the_least_squares_of_its_rows(n, has_intercept, weighted):
    from fastgd.data.arrays import ArrayRows
    from fastgd.solver.inference import of_summary
    from fastgd.solver.objective import as_objective, as_rule
    from fastgd.solver.problem import Problem

    rng = np.random.default_rng(n)
    X, s = rng.normal([0.0, 5.0, -2.0], size=(n, 3)), rng.integers(0, 4, n).astype(float)
    y = X @ [1.0, 2.0, 3.0] + 4.0 + rng.normal(size=n)
    objective = as_objective(
        loss="squared_error", l1=0.0, l2=0.0, fit_intercept=has_intercept, standardize=True,
        precondition=True, has_weights=weighted,
    )  # fmt: skip
    rows = ArrayRows(X, y, s) if weighted else ArrayRows(X, y)
    problem = Problem(rows, objective, as_rule(0.0, False, 1, False), "numba", None)
    assert (of_problem(problem) is None) == (n > 4096)  # no read of many rows
    problem.optimum()
    n_passes = problem.n_passes
    found = of_summary(of_problem(problem), has_intercept)
    assert problem.n_passes == n_passes
    Z = np.column_stack([X, np.ones(n)]) if has_intercept else X
    s = s if weighted else np.ones(n)
    A = Z.T @ (s[:, None] * Z)
    w = np.linalg.solve(A, Z.T @ (s * y))
    variance = np.sum(s * (y - Z @ w) ** 2) / (np.count_nonzero(s) - Z.shape[1])
    np.testing.assert_allclose(found.estimates, w, rtol=1e-9)
    np.testing.assert_allclose(
        found.standard_errors, np.sqrt(variance * np.diag(np.linalg.inv(A))), rtol=1e-9
    )
    assert found.n_samples == np.count_nonzero(s)


@pytest.mark.parametrize("folds", [None, 3])
def test_a_summary_is_not_summarized_again(folds):
    summary = fastgd.summarize([1.0, 2.0], [1.0, 3.0])
    with pytest.raises(ValueError, match="^a Summary has no rows, and summarize needs them: pass X and y"):
        fastgd.summarize(summary, folds=folds)
