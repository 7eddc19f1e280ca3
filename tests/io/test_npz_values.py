"""Values in files of fits come back to the bit, or are refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.io import npz
from tests.helpers import same
from tests.io.written import Box, Pair


def packed(value: Any) -> tuple[Any, dict[str, np.ndarray]]:
    arrays: dict[str, np.ndarray] = {}
    return npz.pack(value, arrays, "value"), arrays


def test_classes_come_back_by_name_where_they_are_allowed():
    value = Pair(Box(Pair(1), "full", "large", (np.zeros(3), -0.0), (1, 2), [np.ones(1, ">i2")]), [Pair(1)])
    tree, arrays = packed(value)
    assert same(npz.unpack(tree, arrays, Pair, Box), value)
    assert same(npz.unpack(*packed(value.left), Box), value.left)  # a field of Box names Pair
    with pytest.raises(InvalidDataError, match=r"^holds a 'Box', which is not made from files$"):
        npz.unpack(tree, arrays, Pair)
    assert npz.unpack({"Box": {"content": None}}, {}, Box).label == "empty"  # an older file: its default


@pytest.mark.parametrize(
    "changes",
    [
        dict(content=1), dict(content=Box(None)), dict(label=None), dict(label=3), dict(size=True),
        dict(size="small"),
        dict(weights=(np.ones(1),)), dict(weights=[np.ones(1), 0.0]), dict(weights=(np.ones(1), 1)),
        dict(weights=(np.ones(1, "f4"), 0.0)), dict(weights=(np.ones(1, ">f8"), 0.0)), dict(counts=(1, 2.0)),
        dict(counts=(True,)), dict(counts=None), dict(others=[1.0]), dict(others=()),
    ],
    ids=str,
)  # fmt: skip
def test_fields_have_the_types_that_their_classes_declare(changes):
    with pytest.raises(InvalidDataError, match=rf"^holds a {next(iter(changes))} that no Box has$"):
        npz.unpack(*packed(Box(**{"content": None} | changes)), Box)


def test_names_of_arrays_are_those_of_fields_and_never_two_the_same(path):
    _, arrays = packed(Pair({"a": [np.ones(1)], "a.0": np.ones(2), "/": np.ones(3)}, np.ones(4)))
    assert list(arrays) == ["value.left.a.0", "value.left.1", "value.left.2", "value.right"]


def test_long_lists_of_numbers_are_one_array():
    for value in ([0.5] * 1000, [[1, 2]] * 500, [[1.5, float("nan")]] * 20):
        tree, arrays = packed([value])
        assert len(arrays) == 1
        assert len(str(tree)) < 100
        assert same(npz.unpack(tree, arrays), [value])
    for value in (
        [1, 0.5] * 20, [True] * 20, [[1.0], [2.0, 3.0]] * 10, [2**70] * 20, [[]] * 20, [[1.0], (2.0,)] * 10,
        [[1.0], 2.0] * 10, [2**63] * 20, [0] * 20 + [2**63],
    ):  # fmt: skip
        tree, arrays = packed(value)
        assert not arrays
        assert same(npz.unpack(tree, arrays), value)


@pytest.mark.parametrize(
    "value",
    [
        Fraction(1, 2),
        object(),
        {1, 2},
        {1: 2},
        np.array(["a"]),
        np.array([None]),
        np.datetime64("2020"),
        Pair,
    ],
)
def test_what_cannot_be_kept_is_named(value):
    with pytest.raises(TypeError, match=r"of type \w+, cannot be kept in a file$"):
        packed([value])


@pytest.mark.parametrize(
    "tree",
    [
        {}, {"array": "b"}, {"array": ["a"]}, {"bytes": 3}, {"float": "a"}, {"scalar": None},
        {"numbers": "b"}, {"tuple": 3}, {"tuple": None}, {"dict": [[1]]}, {"Box": 3}, {"Box": {"other": 1}},
        {"Box": []}, {"array": "a", "tuple": []}, {"eval": "1"}, [{"what": 1}],
        {"tuple": [{"array": "a"}, {"array": "a"}]},
    ],
    ids=str,
)  # fmt: skip
def test_trees_that_were_never_packed_are_refused(tree):
    with pytest.raises(InvalidDataError, match=r"^holds "):
        npz.unpack(tree, {"a": np.arange(3, dtype=np.int8)}, Box)


def test_values_that_are_too_deep_are_refused():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidDataError, match=r"^holds values that cannot be understood$"):
        npz.unpack(deep, {})
    while deep:  # taken apart one by one
        deep = deep[0]
