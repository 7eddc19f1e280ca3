"""Keys of rows: every type, missing ones, several columns, with and without pandas."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.data import keys

pandas = pytest.importorskip("pandas")
NUMBERS = [2, 0, 1, 2, 2, 0]
DAYS = np.array(NUMBERS, "datetime64[D]")
MANY = {
    "list": NUMBERS,
    "int8": np.array(NUMBERS, np.int8),
    "negative": np.array(NUMBERS) - 5,
    "wide": np.array(NUMBERS) * 10**15,
    "uint64": np.array(NUMBERS, np.uint64) + 2**63,
    "float": np.array(NUMBERS) / 4,
    "bool": np.array(NUMBERS) == 2,
    "text": np.array(["z", "a", "é", "z", "z", "a"]),
    "list of text": ["z", "a", "é", "z", "z", "a"],
    "bytes": np.array(NUMBERS, "S1"),
    "dates": DAYS,
    "objects": np.array(["z", "a", "b", "z", "z", "a"], dtype=object),
    "tuples": pandas.Series([(2, 1), (0, 1), (1, 1), (2, 1), (2, 1), (0, 1)]),
    "series": pandas.Series(NUMBERS, name="k", index=[5, 4, 3, 2, 1, 0]),
    "nullable": pandas.Series(NUMBERS, dtype="Int64"),
    "categories": pandas.Series(list("cabcca"), dtype="category"),
    "timestamps": pandas.Series(DAYS),
}


@pytest.fixture(params=["pandas", "numpy"])
def engine(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setitem(sys.modules, "pandas", None)  # an import raises ModuleNotFoundError
    return request.param


def plain(part):
    """The keys as a list of Python objects."""
    values = list(part)
    return [
        value.item() if isinstance(value, np.generic) and value.dtype.kind != "M" else value
        for value in values
    ]


def check(found, wanted):
    """The codes lead to the keys, and the keys ascend."""
    of_rows = [found.keys[code - found.lowest] for code in found.codes.tolist()]
    assert of_rows == wanted
    assert list(map(type, of_rows)) == list(map(type, wanted))
    assert found.keys == sorted(set(found.keys))


@pytest.mark.parametrize("name", MANY)
def test_keys_of_every_type(name, engine):
    part = MANY[name]
    if engine == "numpy" and isinstance(part, pandas.Series):
        part = part.to_numpy(dtype=object)
    check(keys.encode([part], 6), plain(part))


def test_columns_of_polars_and_arrow():
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    text = ["z", "a", "b", "z", "z", "a"]
    chunked = pyarrow.chunked_array([text[:2], text[2:]])
    columns = [
        polars.Series(text),
        polars.Series(text, dtype=polars.Categorical),
        pyarrow.array(text),
        chunked,
    ]
    for column in [*columns, chunked.dictionary_encode()]:
        check(keys.encode([column], 6), text)
    check(keys.encode([polars.Series(NUMBERS)], 6), NUMBERS)
    for column in (polars.Series([1, None, 2]), pyarrow.array([1, None, 2]), pyarrow.array(["a", None, "b"])):
        with pytest.raises(InvalidDataError, match=r"by\[1\] is missing"):
            keys.encode([column], 3)


def test_keys_that_do_not_compare_stand_as_they_come(engine):
    found = keys.encode([["b", 3, "a", 3]], 4)
    assert found.keys == ["b", 3, "a"]
    assert found.codes.tolist() == [0, 1, 2, 1]


@pytest.mark.parametrize(
    "part",
    [
        np.array([1.0, np.nan, 2.0]),
        ["a", None, "b"],
        np.array(["a", float("nan"), "b"], dtype=object),
        np.array(["2020-01-01", "NaT", "2020-01-02"], "datetime64[D]"),
        [1, None, 2],
    ],
)
def test_a_missing_key_is_refused_by_its_row(part, engine):
    with pytest.raises(InvalidDataError, match=r"^by\[1\] is missing; drop such rows") as error:
        keys.encode([part], 3)
    assert error.value.row == 1


@pytest.mark.parametrize("dtype", ["Int64", "category", "string"])
def test_a_missing_key_of_pandas(dtype):
    part = pandas.Series(["1", "2", None]).astype(dtype)
    with pytest.raises(InvalidDataError, match=r"by\[2\] is missing"):
        keys.encode([part], 3)


@pytest.mark.parametrize("scale", [1, 10**9])
def test_several_keys_are_tuples(scale, engine):
    rng = np.random.default_rng(0)
    parts = [rng.integers(-3, 4, 200) * scale, rng.choice(["x", "y"], 200), rng.integers(0, 3, 200) / 2]
    found = keys.encode(parts, 200)
    check(found, list(zip(*map(plain, parts), strict=True)))
    parts[2][7] = np.nan
    with pytest.raises(InvalidDataError, match=r"by\[2\]\[7\] is missing"):
        keys.encode(parts, 200)


def test_columns_of_a_table_are_keys_and_no_features():
    frame = pandas.DataFrame({"p": [1.0, 2.0], "k": ["a", "b"], "q": [3.0, 4.0], "m": [1, 2]})
    X, parts = keys.split_table(frame, ["m", "k"])
    assert list(X.columns) == ["p", "q"]
    assert [list(part) for part in parts] == [[1, 2], ["a", "b"]]
    X, parts = keys.split_table(frame, ["k", np.array([5, 6])])
    assert list(X.columns) == ["p", "q", "m"]
    assert parts[1].tolist() == [5, 6]
    X, parts = keys.split_table(frame, ["a", "z"])  # no columns: a key for each row
    assert X is frame
    assert parts == [["a", "z"]]


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ("z", 'by names "z": X has the columns "p", "k"'),
        (["p", "k"], "no feature is left"),
    ],
)
def test_columns_that_cannot_be_keys(by, sentence):
    with pytest.raises(InvalidDataError, match=sentence):
        keys.split_table(pandas.DataFrame({"p": [1.0], "k": ["a"]}), by)
    with pytest.raises(InvalidDataError, match="it has no named columns"):
        keys.split_table(np.ones((2, 2)), "p")


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ([1, 2], "by has length 2 and X has 3 rows"),
        (np.ones((3, 2)), r"by has shape \(3, 2\)"),
        (5, r"shape \(\)"),
    ],
)
def test_keys_of_other_shapes(part, sentence):
    with pytest.raises(InvalidDataError, match=sentence):
        keys.encode([part], 3)
