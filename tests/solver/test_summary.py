"""Summary: sums, differences, factors, columns, targets, files and refusals."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.io import npz
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_alike, assert_law, assert_products, exact_fractions, exact_products, parts_of

FEW = 10 if JIT_IS_OFF else 40


def problem(rng, n=FEW, d=3, noise=1.0, units=100.0):
    X = rng.normal(size=(n, d)) * np.geomspace(1.0 / units, units, d) + 1.0
    return X, X @ np.arange(1.0, d + 1) + 2.0 + noise * rng.normal(size=n)


# The law ----------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    d=st.integers(1, 3),
    cuts=st.lists(st.integers(0, 12), max_size=12),
    offset=st.sampled_from([0.0, 1.0, 1e9]),
    is_weighted=st.booleans(),
)
def test_the_sum_of_parts_is_the_summary_of_all_rows(seed, n, d, cuts, offset, is_weighted):
    rng = np.random.default_rng(seed)
    X = rng.integers(-9, 10, size=(n, d)) / 4 + offset
    y = rng.integers(-9, 10, size=n) / 8 - offset
    weights = rng.integers(1, 4, size=n) / 2 if is_weighted else None
    assert_law(X, y, weights, [cut for cut in cuts if cut <= n])


@pytest.mark.parametrize("n_parts", [1, 2, 3, FEW])
@pytest.mark.parametrize(
    "kind", ["plain", "weights", "zero weights", "float32", "far", "far target", "scalar"]
)
def test_the_law_for_every_kind_of_rows(rng, kind, n_parts):
    X, y = problem(rng)
    weights = None
    if "weights" in kind:
        weights = rng.uniform(0.5, 2.0, size=len(y))
    if kind == "zero weights":  # but for the first row of each part
        weights *= np.arange(len(y)) % max(1, len(y) // n_parts) % 2 == 0
    X = X.astype("f4") if kind == "float32" else X + 1e9 * (kind == "far")
    y = y.astype("f4") if kind == "float32" else y + 1e9 * (kind == "far target")
    X = X[:, 0] if kind == "scalar" else X
    cuts = [k * len(y) // n_parts for k in range(1, n_parts)]
    merged = assert_law(X, y, weights, cuts)
    assert merged.is_scalar == (kind == "scalar")


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("rows_of_a_part", [1, 2, 5])
def test_an_exact_fit_keeps_its_digits_in_any_parts(rng, d, rows_of_a_part):
    X = rng.integers(-50, 50, size=(FEW, d)) / 8
    y = X @ np.arange(1.0, d + 1) + 2.0
    merged = sum(parts_of(X, y, None, range(rows_of_a_part, FEW, rows_of_a_part)))
    fit = fastgd.gradient_descent(merged, fit_intercept=True, precondition=True, n_epochs=3)
    np.testing.assert_allclose(fit.w, np.arange(1.0, d + 1), rtol=1e-14)
    assert fit.cost_history[-1] <= 1e-25 * np.mean(y * y)


def test_sums_have_the_same_bits_in_either_order(rng):
    X, y = problem(rng)
    s, t, u = parts_of(X, y, None, [3, 4])
    assert same((s + t).products, (t + s).products)
    assert same((s + t + u).products, (u + (t + s)).products)


def test_the_rows_of_a_day_can_be_taken_out(rng):
    X, y = problem(rng)
    weights = rng.uniform(0.5, 2.0, size=len(y))
    for s in (None, weights):
        day, rest = parts_of(X, y, s, [4])
        assert_alike((day + rest) - day, rest)
        assert_alike((day + rest) - rest, day, 1e-11)
        nothing = rest - rest
        assert nothing.n_samples == nothing.total_weight == 0
        assert_alike(nothing + day, day)


def test_a_factor_multiplies_weights_and_not_rows(rng):
    X, y = problem(rng)
    old, new = parts_of(X, y, None, [9])
    merged = 0.5 * old + new
    total, mean, products = exact_products(X, y, np.where(np.arange(len(y)) < 9, 0.5, 1.0))
    assert_products(merged, total, mean, products)
    assert (merged.n_samples, (old * 0.5).total_weight) == (len(y), 4.5)
    with pytest.raises(ValueError, match="factor of a summary"):
        old * 0.0
    with pytest.raises(InvalidDataError, match=r"times 1e\+308 overflow"):
        old * 1e308


# Columns and targets ----------------------------------------------------------------------------------------


def test_chosen_columns_are_the_summary_of_these_columns(rng):
    X, y = problem(rng, d=4)
    s = sum(parts_of(X, y, None, [7]))
    assert_alike(s[[2, 0]], fastgd.summarize(X[:, [2, 0]], y))
    assert_alike(s[[-1]], fastgd.summarize(X[:, [3]], y))


def test_columns_have_names(rng):
    pd = pytest.importorskip("pandas")
    X, y = problem(rng)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    s = fastgd.summarize(frame, pd.Series(y, name="price"))
    assert (s.feature_names, s.target_name) == (("a", "b", "c"), "price")
    assert s[["c", "a"]].feature_names == ("c", "a")
    moved = s.with_target("b")
    assert (moved.feature_names, moved.target_name) == (("a", "price", "c"), "b")
    assert moved.with_target("price").feature_names == s.feature_names
    assert s.with_target("price") is s
    assert '"a", "b", "c"' in repr(s)


@pytest.mark.parametrize("noise", [1.0, 0.0])
@pytest.mark.parametrize("k", [0, 1, 2])
def test_any_column_may_be_the_target(rng, k, noise):
    X, y = problem(rng, noise=noise, units=2.0)
    exchanged = X.copy()
    exchanged[:, k] = y
    s = fastgd.summarize(X, y)
    found = s.with_target(k)
    assert_products(found, *exact_products(exchanged, X[:, k]), 1e-12)
    assert_alike(found.with_target(k), s, 1e-12)


def test_columns_without_names_have_their_numbers_after_an_exchange(rng):
    s = fastgd.summarize(*problem(rng))
    moved = s.with_target(0)
    assert (moved.feature_names, moved.target_name) == (("y", "1", "2"), "0")
    back = moved.with_target("y")
    assert (back.feature_names, back.target_mean) == ((), pytest.approx(s.target_mean))
    for other in (moved, s.with_target(1), moved.with_target(1)):
        with pytest.raises(InvalidDataError, match="columns 0 to 2 and the other"):
            s + other
    with pytest.raises(InvalidDataError, match="not one of the columns"):
        s.with_target(np.array([0, 1]))


def test_the_target_of_an_exact_fit_is_exchanged_with_all_digits(rng):
    X = rng.integers(-50, 50, size=(FEW, 2)) / 8
    s = fastgd.summarize(X, X @ [2.0, -4.0] + 1.0).with_target(1)
    fit = fastgd.gradient_descent(s, fit_intercept=True, precondition=True, n_epochs=3)
    np.testing.assert_allclose([*fit.w, fit.intercept], [0.5, -0.25, 0.25], rtol=1e-13)
    assert fit.cost_history[-1] <= 1e-25 * np.mean(X[:, 1] ** 2)


# Files and copies -------------------------------------------------------------------------------------------


def test_a_summary_is_saved_and_pickled_to_the_bit(rng, tmp_path):
    X, y = problem(rng)
    s = 0.5 * fastgd.summarize(X, y, sample_weight=y * y, folds=2)
    s.save(tmp_path / "s.npz")
    assert same(fastgd.load(tmp_path / "s.npz"), s)
    assert same(pickle.loads(pickle.dumps(s)), s)


def test_a_damaged_file_is_refused(rng, tmp_path):
    X, y = problem(rng)
    s = fastgd.summarize(X, y)
    broken = s.products._replace(c=s.products.c[:-1].copy())
    for changes in ({"products": broken}, {"n_samples": -1}, {"feature_names": ("a",)}, {"is_scalar": True}):
        fields = {name: getattr(s, name) for name in s.__dataclass_fields__} | changes
        fastgd.Summary(**fields).save(tmp_path / "s.npz")
        with pytest.raises(InvalidDataError, match=r"s\.npz holds"):
            fastgd.load(tmp_path / "s.npz")


def test_a_file_of_an_earlier_version_is_refused(rng, tmp_path, monkeypatch):
    """Products had no squares of the targets."""
    s, fields = fastgd.summarize(*problem(rng)), npz._fields
    earlier = lambda kind: tuple(name for name in fields(kind) or () if not name.startswith("y_s")) or None  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(npz, "_fields", earlier)
        s.save(tmp_path / "s.npz")
    with pytest.raises(InvalidDataError, match=r"s\.npz holds a Products as another version .* make it anew"):
        fastgd.load(tmp_path / "s.npz")


def test_a_summary_never_changes(rng):
    summary = fastgd.summarize(*problem(rng))
    for s in (summary, pickle.loads(pickle.dumps(summary)), copy.deepcopy(summary)):
        with pytest.raises(AttributeError):
            s.n_samples = 3
        for array in (s.products.S, s.products.c, s.products.w_ref, s.products.offset, s.products.x_ref):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0


def test_what_it_says(rng):
    X, y = problem(rng, 10)
    s = fastgd.summarize(X, y, sample_weight=np.full(10, 0.5))
    assert repr(s) == "Summary(10 samples, 3 features, total weight 5, target y)"
    np.testing.assert_allclose(s.mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(s.covariance(), np.cov(X.T, ddof=0), rtol=1e-12)
    assert isinstance(fastgd.summarize(X[:, 0], y).mean, float)


# Digits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [1e-100, 1e100, 1e150])
def test_digits_do_not_depend_on_the_units_of_the_target(rng, units):
    X, y = problem(rng)
    digits = fastgd.summarize(X, units * y).cost_digits
    assert digits == pytest.approx(fastgd.summarize(X, y).cost_digits, abs=0.1)


def test_it_knows_how_many_digits_a_cost_has(rng):
    X = rng.integers(-50, 50, size=(FEW, 2)) / 8
    y = X @ [1.0, 2.0]
    noisy, exact = (fastgd.summarize(X, y + noise * rng.normal(size=FEW)) for noise in (1.0, 0.0))
    assert noisy.cost_digits > 13.0
    assert exact.cost_digits < 3.0
    tiny = fastgd.summarize(X, y + 1e-7 * rng.normal(size=FEW))
    assert 5.0 < tiny.cost_digits < 13.0


@pytest.mark.parametrize("apart", [1.0, 1e-2, 1e-4, 1e-6])
def test_it_knows_the_digits_of_a_target_that_is_like_a_column(rng, apart):
    x = rng.normal(size=40)
    X, y = np.column_stack([x, x + apart * rng.normal(size=40)]), rng.normal(size=40)
    s = fastgd.summarize(X, y).with_target(0)
    P = exact_fractions(np.column_stack([y, X[:, 1]]), X[:, 0])
    determinant = P[0, 0] * P[1, 1] - P[0, 1] ** 2
    explained = (
        P[0, 2] ** 2 * P[1, 1] - 2 * P[0, 1] * P[0, 2] * P[1, 2] + P[1, 2] ** 2 * P[0, 0]
    ) / determinant
    least = float(P[2, 2] - explained)
    fit = fastgd.gradient_descent(s, fit_intercept=True, precondition=True, n_epochs=3)
    error = abs(fit.cost_history[-1] * 40 / least - 1.0)
    digits = -np.log10(max(error, 1e-16))
    assert s.cost_digits <= digits + 0.5
    assert s.cost_digits > 14.0 - 3.0 * -np.log10(apart)


def test_a_difference_of_few_digits_warns(rng):
    X, y = problem(rng, units=2.0)
    large = fastgd.summarize(1e5 * X, 1e5 * y)
    with pytest.warns(RuntimeWarning, match="have 5 of 16 digits"):
        left = (fastgd.summarize(X, y) + large) - large
    assert_alike(left, fastgd.summarize(X, y), 1e-4)


def test_a_window_that_moves_on_keeps_its_digits(rng):
    days = [
        fastgd.summarize(1e6 + rng.normal(size=(5, 2)) * [1.0, 100.0], rng.normal(size=5)) for _ in range(60)
    ]
    window = sum(days[:10])
    for oldest, newest in zip(days, days[10:], strict=False):
        window = (window + newest) - oldest
    assert window.products.digits > 13.0
    assert_alike(window, sum(days[50:]), 1e-12)


# Refusals ---------------------------------------------------------------------------------------------------


def test_unlike_summaries_are_refused_with_both_lists(rng):
    X, y = problem(rng)
    s = fastgd.summarize(X, y)
    refused = {
        "columns 0 to 2 and the other 0 to 1": s[[0, 1]],
        "sample_weight": fastgd.summarize(X, y, sample_weight=np.ones(len(y))),
        "0 folds and the other 2": fastgd.summarize(X, y, folds=2),
        r"0 to 2 and the other of X of shape \(n,\)": fastgd.summarize(X[:, 0], y),
    }
    for message, other in refused.items():
        with pytest.raises(InvalidDataError, match=message):
            s + other


def test_other_names_and_targets_are_refused(rng):
    pd = pytest.importorskip("pandas")
    X, y = problem(rng)
    s = fastgd.summarize(pd.DataFrame(X, columns=["a", "b", "c"]), y)
    for other, message in (
        (s[["b", "a", "c"]], 'the columns "a", "b", "c" and the other "b", "a", "c"'),
        (s.with_target("a"), 'the columns "a", "b", "c" and the other "y", "b", "c"'),
    ):
        with pytest.raises(InvalidDataError, match=message):
            s + other
    with pytest.raises(InvalidDataError, match="target y and the other price"):
        s + fastgd.summarize(pd.DataFrame(X, columns=["a", "b", "c"]), pd.Series(y, name="price"))
    with pytest.raises(InvalidDataError, match='\'d\' is not one of the columns "a", "b", "c"'):
        s[["a", "d"]]


def test_rows_that_are_not_there_cannot_be_taken_out(rng):
    X, y = problem(rng)
    s = fastgd.summarize(X, y)
    for other in (2.0 * s, fastgd.summarize(10.0 * X[:5], y[:5]), fastgd.summarize(X[:5], y[:5] + 100.0)):
        with pytest.raises(InvalidDataError, match="are not among those of"):
            s - other
    with pytest.raises(InvalidDataError, match="are not among"):
        fastgd.summarize(X[:5], y[:5]) - s


@pytest.mark.parametrize("columns", [[], [0, 0], [3], "a", 1, [True]])
def test_wrong_choices_of_columns_are_refused(rng, columns):
    s = fastgd.summarize(*problem(rng))
    with pytest.raises((TypeError, ValueError)):
        s[columns]


def test_only_summaries_and_the_zero_of_sum_add_up(rng):
    s = fastgd.summarize(*problem(rng))
    assert 0 + s is s
    assert s + 0 is s
    for other in (1, "s", 0.0, None):
        with pytest.raises(TypeError):
            s + other
        with pytest.raises(TypeError):
            s - other
    with pytest.raises(TypeError):
        s * "2"
