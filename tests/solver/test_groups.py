"""Summaries of groups: exact products, digits, threads, keys, and the mapping."""

from __future__ import annotations

import pickle
from fractions import Fraction

import numpy as np
import pytest

import fastgd
from fastgd.data import keys
from fastgd.io import npz
from fastgd.solver import summarize_groups as groups
from fastgd.solver.groups import KIND, Stored
from tests.conftest import JIT_IS_OFF
from tests.helpers import same
from tests.law import assert_alike, assert_products, exact_products

SIZES = [1, 2, 3, 40, 1, 7]


def problem(seed=0, d=3, sizes=SIZES, scale=1.0, offset=0.0):
    """X, y and shuffled keys; group k has sizes[k] rows and weights of its own."""
    rng = np.random.default_rng(seed)
    by = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    X = rng.normal(size=(len(by), d)) * scale + offset
    w = rng.normal(size=(len(sizes), d))
    return X, np.sum(X * w[by], axis=1) + by + 0.1 * rng.normal(size=len(by)), by


def weights_of(by, seed=1):
    """Weights, some 0; each group has some above 0."""
    weights = np.random.default_rng(seed).integers(0, 4, len(by)).astype(float)
    weights[np.unique(by, return_index=True)[1]] = 1.5
    return weights


def of_group(key, by, X, y, weights):
    which = by == key
    return X[which], y[which], None if weights is None else weights[which]


@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("d", [1, 3, 9])
@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1.0, 1e6), (1e-6, 1.0), (1e5, 1e3)])
def test_products_are_exact(is_weighted, d, scale, offset):
    X, y, by = problem(2, d, scale=scale, offset=offset)
    weights = weights_of(by) if is_weighted else None
    grouped = fastgd.summarize_groups(X, y, by=by, sample_weight=weights)
    assert list(grouped) == list(range(len(SIZES)))
    for key, summary in grouped.items():
        rows = of_group(key, by, X, y, weights)
        assert_products(summary, *exact_products(*rows))
        assert summary.n_samples == (SIZES[key] if weights is None else np.count_nonzero(rows[2]))


@pytest.mark.parametrize("dtype", ["float32", "int16", "bool"])
def test_other_dtypes_are_read_as_they_are(dtype):
    X, y, by = problem(3)
    X, y = (X * 3).astype(dtype), (y * 3).astype("int16" if dtype == "bool" else dtype)
    grouped = fastgd.summarize_groups(X, y, by=by)
    for key in grouped:
        assert_products(grouped[key], *exact_products(*of_group(key, by, X.astype(float), y, None)))


@pytest.mark.parametrize("offset", [0.0, 1e9])
def test_digits_of_an_exact_fit(offset):
    """The least cost of columns that explain y, beside exact arithmetic."""
    rng = np.random.default_rng(4)
    by = rng.integers(0, 3, 90)
    X = rng.integers(-9, 10, (90, 2)) + offset
    y = X @ [2.0, -3.0] + 5.0
    grouped = fastgd.summarize_groups(X, y, by=by)
    for key, summary in grouped.items():
        p = summary.products
        alone = fastgd.summarize(*of_group(key, by, X, y, None)[:2]).products
        size = p.y_squares
        assert p.s <= 1e-26 * size
        assert p.error <= 1e-13 * size * max(1.0, (offset * offset) * 1e-16)
        np.testing.assert_allclose(p.w_ref, [2.0, -3.0], atol=1e-13)
        assert alone.s <= 1e-26 * size


def test_digits_of_a_close_fit_are_those_of_exact_arithmetic():
    rng = np.random.default_rng(5)
    x = np.arange(60.0)
    noise = rng.integers(-3, 4, 60) * 2.0**-30
    y = 3.0 * x + noise
    grouped = fastgd.summarize_groups(x, y, by=np.arange(60) % 2)
    for key, summary in grouped.items():
        rows = [
            (Fraction(a), Fraction(b)) for a, b in zip(x[key::2].tolist(), y[key::2].tolist(), strict=True)
        ]
        mean_x, mean_y = (sum(part) / len(rows) for part in zip(*rows, strict=True))
        xx = sum((a - mean_x) ** 2 for a, _ in rows)
        xy = sum((a - mean_x) * (b - mean_y) for a, b in rows)
        least = sum((b - mean_y) ** 2 for _, b in rows) - xy * xy / xx
        p = summary.products
        found = p.s - float(p.solution() @ p.c)
        assert found == pytest.approx(float(least), rel=1e-6)


@pytest.mark.parametrize("is_weighted", [False, True])
def test_groups_agree_with_summarize(is_weighted):
    X, y, by = problem(6, sizes=[5000, 30, 1, 900])
    weights = weights_of(by) if is_weighted else None
    grouped = fastgd.summarize_groups(X, y, by=by, sample_weight=weights)
    for key in grouped:
        rows = of_group(key, by, X, y, weights)
        assert_alike(grouped[key], fastgd.summarize(*rows[:2], sample_weight=rows[2]), 1e-12)


def test_bits_do_not_depend_on_threads_or_on_other_groups(monkeypatch):
    X, y, by = problem(7, sizes=[2000, 1, 300, 40, 5, 1100])
    one = fastgd.summarize_groups(X, y, by=by, n_threads=1).products
    alone = fastgd.summarize_groups(X[by == 2], y[by == 2], by=by[by == 2])
    monkeypatch.setattr(groups, "PIECE_NUMBERS", 64)
    monkeypatch.setattr(groups, "SORTED_ROWS", 100)
    many = fastgd.summarize_groups(X, y, by=by, n_threads=4).products
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, many, strict=True))
    assert all(np.array_equal(a[2], b[0]) for a, b in zip(one, alone.products, strict=True))


def test_rows_may_be_numbers():
    grouped = fastgd.summarize_groups([1.0, 2.0, 3.0], [2.0, 4.0, 9.0], by=["a", "a", "b"])
    assert grouped["a"].mean == 1.5
    assert grouped["b"].target_mean == 9.0
    assert repr(grouped) == "GroupedSummary(2 groups, 3 samples, 1 feature, target y)"


def test_a_group_of_rows_of_weight_zero_is_left_out():
    X, y, by = problem(8)
    weights = weights_of(by)
    weights[by == 3] = 0.0
    grouped = fastgd.summarize_groups(X, y, by=by, sample_weight=weights)
    assert list(grouped) == [0, 1, 2, 4, 5]
    assert_products(grouped[4], *exact_products(*of_group(4, by, X, y, weights)))
    assert grouped.n_samples.tolist() == [grouped[key].n_samples for key in grouped]


def test_tables_and_their_columns():
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    X, y, by = problem(9)
    frame = pandas.DataFrame(X, columns=["p", "q", "r"]).assign(k=by.astype(str), m=by % 2)
    expected = fastgd.summarize_groups(X, y, by=by)
    for table in (frame, polars.from_pandas(frame)):
        grouped = fastgd.summarize_groups(table, pandas.Series(y, name="fare"), by=["k", "m"])
        assert (grouped.feature_names, grouped.target_name) == (("p", "q", "r"), "fare")
        for k, key in enumerate(grouped):
            assert key == (str(k), k % 2)
            np.testing.assert_array_equal(grouped[key].products.S, expected[k].products.S)


def test_it_is_a_mapping_that_never_changes():
    X, y, by = problem(10)
    grouped = fastgd.summarize_groups(X, y, by=by)
    assert dict(grouped).keys() == set(range(len(SIZES)))
    assert (len(grouped), 3 in grouped, 99 in grouped, [] in [*grouped]) == (len(SIZES), True, False, False)
    assert grouped.total_weight.tolist() == SIZES
    with pytest.raises(ValueError, match="read-only"):
        grouped.products.S[0, 0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        grouped[0].products.S[0, 0] = 1.0
    for key in (99, [], "a"):
        with pytest.raises(KeyError, match=r"is not one of the 6 groups 0, 1, 2"):
            grouped[key]
    again = pickle.loads(pickle.dumps(grouped))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(grouped.products, again.products, strict=True))
    assert again[3].n_samples == 40


@pytest.mark.parametrize("is_weighted", [False, True])
def test_sums_are_those_of_all_rows(is_weighted):
    X, y, by = problem(11)
    weights = weights_of(by) if is_weighted else None
    first = (np.arange(len(by)) % 2 == 0) & (by != 2)
    parts = [
        fastgd.summarize_groups(X[i], y[i], by=by[i], sample_weight=None if weights is None else weights[i])
        for i in (first, ~first)
        if weights is None or weights[i].any()
    ]
    merged = parts[0] + parts[1]
    assert list(merged) == list(range(len(SIZES)))
    for key in merged:
        assert_products(merged[key], *exact_products(*of_group(key, by, X, y, weights)))
    with pytest.raises(fastgd.InvalidDataError, match="summaries of the same columns"):
        merged + fastgd.summarize_groups(X[:, :2], y, by=by + 100)


def test_bad_input_is_refused_with_its_place():
    X, y, by = problem(12)
    for where, bad in (("X", X), ("y", y)):
        broken = bad.copy()
        broken[3] = np.nan
        with pytest.raises(fastgd.InvalidDataError, match=rf"{where}\[3(, 0)?\] is NaN"):
            fastgd.summarize_groups(*((broken, y) if where == "X" else (X, broken)), by=by)
    with pytest.raises(fastgd.InvalidDataError, match="its squares overflow"):
        fastgd.summarize_groups(X * 1e200, y, by=by)
    with pytest.raises(fastgd.InvalidDataError, match="its squares vanish"):
        fastgd.summarize_groups(X * 1e-200, y, by=by)
    with pytest.raises(fastgd.InvalidDataError, match="^y is too large"):
        fastgd.summarize_groups(X, y * 1e200, by=by)
    with pytest.raises(fastgd.InvalidDataError, match=r"by\[1\] is missing"):
        fastgd.summarize_groups([1.0, 2.0], [1.0, 2.0], by=["a", None])
    with pytest.raises(TypeError, match="y is missing"):
        fastgd.summarize_groups(X, by=by)


@pytest.mark.parametrize("call", [fastgd.sgd, fastgd.diagnose, fastgd.summarize])
def test_only_gradient_descent_fits_groups(call):
    X, y, by = problem(14)
    with pytest.raises(TypeError, match="only gradient_descent fits all its groups"):
        call(fastgd.summarize_groups(X, y, by=by))


# Files ------------------------------------------------------------------------------------------------------

DATES = np.array(["2026-01-05", "2026-01-01", "2026-01-09"], "datetime64[D]")


@pytest.mark.parametrize(
    "by",
    [
        np.arange(3), np.array(["b", "", "ä\0z"], dtype=object), np.array([0.5, -np.inf, 1e300]), DATES,
        np.array([True, False, True]), [np.array(["x", "y", "x"]), np.array([2, 1, 1])],
    ],
    ids=["int", "text", "float", "dates", "bool", "tuples"],
)  # fmt: skip
def test_it_is_saved_and_pickled_to_the_bit(rng, tmp_path, by):
    X, y, weights = rng.normal(size=(3, 2)), rng.normal(size=3), np.array([1.0, 2.0, 0.5])
    grouped = fastgd.summarize_groups(X, y, by=by, sample_weight=weights)
    grouped.save(tmp_path / "groups.npz")
    for again in (fastgd.load(tmp_path / "groups.npz"), pickle.loads(pickle.dumps(grouped))):
        assert list(again) == list(grouped)
        assert list(map(type, again)) == list(map(type, grouped))
        assert same(dict(again), dict(grouped))
        assert again.n_samples.tolist() == grouped.n_samples.tolist()
        with pytest.raises(ValueError, match="read-only"):
            again.products.S[0] = 1.0
        assert (again + grouped)[next(iter(grouped))].total_weight > 0.0


def test_many_keys_fit_into_a_file(tmp_path):
    n = 20 if JIT_IS_OFF else 200_000
    grouped = fastgd.summarize_groups(np.ones(n), np.ones(n), by=[f"group {k}" for k in range(n)])
    grouped.save(tmp_path / "groups.npz")
    assert list(fastgd.load(tmp_path / "groups.npz")) == list(grouped)


def test_keys_of_other_types_are_refused_and_leave_no_file(tmp_path):
    grouped = fastgd.summarize_groups([1.0, 2.0], [1.0, 2.0], by=np.array([None, ...], dtype=object)[[1, 1]])
    with pytest.raises(TypeError, match=r"keys of type ellipsis cannot be kept .* group by text"):
        grouped.save(tmp_path / "groups.npz")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s._replace(n_samples=s.n_samples[:1].copy()),
        lambda s: s._replace(n_samples=0 * s.n_samples),
        lambda s: s._replace(products=s.products._replace(S=s.products.S[:, :1].copy())),
        lambda s: s._replace(keys=s.keys._replace(parts=[])),
        lambda s: s._replace(keys=keys.stored(["a", "a"])),
        lambda s: s._replace(keys=keys.stored(["a"])),
        lambda s: s._replace(keys=s.keys._replace(parts=[s.keys.parts[0]._replace(text=b"abc")])),
        lambda s: s._replace(feature_names=("a",)),
    ],
)
def test_damaged_files_are_refused(rng, tmp_path, change):
    grouped = fastgd.summarize_groups(rng.normal(size=(4, 2)), rng.normal(size=4), by=["a", "b"] * 2)
    about = grouped.feature_names, grouped.target_name, grouped.has_weights, grouped.is_scalar
    whole = Stored(keys.stored(list(grouped)), grouped.n_samples, *about, grouped.products)
    npz.write(tmp_path / "g.npz", KIND, change(whole))
    with pytest.raises(fastgd.InvalidDataError, match=r"g\.npz holds"):
        fastgd.load(tmp_path / "g.npz")
