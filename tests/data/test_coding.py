"""Levels and labels as texts, their order, and the layout of features."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pytest

import fastgd
from fastgd.data.coding import (  # fmt: skip
    MISSING,
    UNKNOWN,
    Codes,
    Coding,
    Layout,
    check_coding,
    features,
    in_order,
    text_of,
    values_of,
)

LEVELS = {"city": ("Bergen", "Oslo", "Rome"), "type": ("a", "b")}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" Oslo ", "Oslo"),
        (b"Oslo", "Oslo"),
        (True, "true"),
        (np.False_, "false"),
        (7, "7"),
        (-1.0, "-1"),
        (np.float32(0.5), "0.5"),
        ("2.0", "2"),
        ("1.50", "1.50"),
        ("1.000e+00", "1"),
        ("2.5e-01", "0.25"),
        ("12e5", "12e5"),
        ("007", "007"),
        ("", ""),
        (decimal.Decimal("2.00"), "2"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (float("inf"), "inf"),
        (None, None),
        (float("nan"), None),
    ],
)
def test_the_text_of_a_value(value, text):
    assert text_of(value) == text


def test_levels_are_sorted_as_numbers_if_all_are_numbers():
    assert in_order(["10", "2", "-1"]) == ("-1", "2", "10")
    assert in_order(["10", "2", "x"]) == ("10", "2", "x")
    assert in_order(["nan", "1"]) == ("1", "nan")


def test_labels_are_numbers_if_all_are_numbers():
    assert values_of(("-1", "1")).tolist() == [-1, 1]
    assert values_of(("0.5", "1")).dtype == np.float64
    assert values_of(("no", "yes")).tolist() == ["no", "yes"]


@pytest.mark.parametrize("drop_first", [False, True])
def test_the_layout_of_features(drop_first):
    names = features(["city", "age", "type"], LEVELS, drop_first)
    layout = Layout.of(names, LEVELS)
    assert layout.columns == ("city", "age", "type")
    X = np.full((4, len(names)), 9.0)
    X[:, layout.places["age"]] = 30.0
    layout.places["city"].fill(X, np.array([2, 0, 1, UNKNOWN]))
    layout.places["type"].fill(X, np.array([0, 1, 1, 0]))
    rows = [dict(zip(names, row, strict=True)) for row in X.tolist()]
    for row, city, kind in zip(rows, ["Rome", "Bergen", "Oslo", ""], "abba", strict=True):
        ones = {name for name, value in row.items() if value == 1.0}
        assert ones == {f"city={city}", f"type={kind}"} & set(names)
        assert row["age"] == 30.0
        assert set(row.values()) <= {0.0, 1.0, 30.0}


def test_some_features_in_another_order():
    layout = Layout.of(["type=b", "city=Rome", "age", "city=Bergen"], LEVELS)
    assert layout.columns == ("type", "city", "age")
    X = np.full((2, 4), 9.0)
    layout.places["city"].fill(X, np.array([0, 2]))
    assert X[:, [1, 3]].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert (X[:, [0, 2]] == 9.0).all()


def test_columns_of_other_names():
    names = features(["city", "age"], LEVELS, True)
    coding = Coding("y", LEVELS, ())
    new, renamed = Layout.of(names, LEVELS).renamed(["town", "years"], coding)
    assert new == ("town=Oslo", "town=Rome", "years")
    assert renamed == Coding("y", {"town": LEVELS["city"]}, ())


def test_the_codes_of_values():
    codes = Codes(["1", "2"], {"NA"})
    assert codes.of([2, "1.0", "NA", None, "x", 1]).tolist() == [1, 0, MISSING, MISSING, UNKNOWN, 0]


@pytest.mark.parametrize(
    "coding",
    [Coding(1, {}, ()), Coding("", {"a": ()}, ()), Coding("", {"a": ["b"]}, ()), Coding("", {}, (1,))],
)
def test_a_file_with_another_coding_is_refused(coding):
    check_coding(Coding("y", LEVELS, ("no", "yes")))
    with pytest.raises(fastgd.InvalidDataError, match="holds an invalid coding"):
        check_coding(coding)
