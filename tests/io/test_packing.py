"""Values as trees and arrays: only what is allowed is made of them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.io import packing
from tests.io.test_archive import same


class Pair(NamedTuple):
    left: object
    right: object = None


@dataclass(frozen=True)
class Box:
    content: object
    label: str = "empty"


def test_classes_come_back_by_name_where_they_are_allowed():
    value = Pair(Box(np.arange(3.0), "full"), (Box(None), [Pair(1)]))
    tree, arrays = packing.pack(value)
    assert same(packing.unpack(tree, arrays, [Pair, Box]), value)
    with pytest.raises(InvalidDataError, match=r"^holds a 'Box', which is not made from files$"):
        packing.unpack(tree, arrays, [Pair])
    tree = {"object": ["Box", {"content": 1}]}
    assert packing.unpack(tree, {}, [Box]) == Box(1)  # an older file: the label is what it was then


def test_long_lists_of_numbers_are_one_array():
    for value in ([0.5] * 1000, [[1, 2]] * 500, [[1.5, float("nan")]] * 20):
        tree, arrays = packing.pack([value])
        assert len(arrays) == 1
        assert len(str(tree)) < 100
        assert same(packing.unpack(tree, arrays), [value])
    for value in (
        [1, 0.5] * 20,
        [True] * 20,
        [[1.0], [2.0, 3.0]] * 10,
        [2**70] * 20,
        [[]] * 20,
        [[1.0], (2.0,)] * 10,
    ):
        tree, arrays = packing.pack(value)
        assert not arrays
        assert same(packing.unpack(tree, arrays), value)


@pytest.mark.parametrize(
    "value",
    [Fraction(1, 2), object(), {1, 2}, np.array(["a"]), np.array([None]), np.datetime64("2020"), Pair],
)
def test_what_cannot_be_kept_is_named(value):
    with pytest.raises(TypeError, match=r"of type \w+, cannot be kept in a file$"):
        packing.pack([value])


@pytest.mark.parametrize(
    "tree",
    [
        {}, {"int": 1}, {"int": "z"}, {"float": "00"}, {"float": "x" * 16}, {"bytes": "0"}, {"bytes": 3},
        {"array": "b"}, {"array": ["a"]}, {"long": "b"}, {"numbers": "a"}, {"scalar": ["|O8", "00" * 8]},
        {"scalar": ["<f8", "00"]}, {"scalar": "<f8"}, {"tuple": 3}, {"tuple": {"int": "1"}},
        {"dict": [[1]]}, {"dict": [[[], 1]]}, {"object": ["Box"]}, {"object": ["Box", {"other": 1}]},
        {"object": [["Box"], {}]},
        {"object": ["Box", []]}, {"int": "0x1", "float": "00"}, {"eval": "1"}, [{"what": 1}],
        {"tuple": [{"array": "a"}, {"array": "a"}]},
    ],
    ids=str,
)  # fmt: skip
def test_trees_that_were_never_packed_are_refused(tree):
    with pytest.raises(InvalidDataError, match=r"^holds "):
        packing.unpack(tree, {"a": np.arange(3, dtype=np.int8)}, [Box])


def test_arrays_that_nothing_names_are_refused():
    with pytest.raises(InvalidDataError, match=r"^holds an array that nothing names, 'a'$"):
        packing.unpack(1, {"a": np.ones(1)})
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidDataError, match=r"^holds values that cannot be understood$"):
        packing.unpack(deep, {})
    while deep:  # taken apart one by one
        deep = deep[0]
