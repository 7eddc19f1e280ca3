"""Files are whole or not there, and what is not as it was written is refused or is the same."""

from __future__ import annotations

import io
import json
import os
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastgd
from fastgd.checks import InvalidDataError
from fastgd.data.files import npz_members
from fastgd.io import npz
from fastgd.solver import checkpoint
from fastgd.solver.steppers.base import StepperState
from tests.helpers import Trap, file_header, forge, refusals, same
from tests.io.written import ARRAYS, Pair


def test_what_is_written_is_read(path, written):
    found = npz.read(path, {"fit": object})
    assert same(found, {"epoch": 3} | ARRAYS)
    assert found["columns"].flags.fnc
    assert all(found[name].flags.writeable for name in ARRAYS)


def test_it_is_an_ordinary_npz(path, written):
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None
        assert zipped.namelist()[0] == "header.npy"
        assert {info.compress_type for info in zipped.infolist()} == {zipfile.ZIP_STORED}
    with np.load(path, allow_pickle=False) as found:
        header = json.loads(bytes(found["header"]))
        assert (header["format"], header["kind"], header["version"]) == ("fastgd", "fit", 2)
        assert header["value"]["dict"]["epoch"] == 3
        assert header["value"]["dict"]["rows"] == {"array": "fit.rows"}
        assert same({name: found[f"fit.{name}"] for name in ARRAYS}, ARRAYS)


def test_the_same_content_is_the_same_file(path, written):
    npz.write(path, "fit", {"epoch": 3} | {name: array.copy("K") for name, array in ARRAYS.items()})
    assert path.read_bytes() == written
    npz.write(path, "fit", {"every": np.arange(20)[::2], "t": np.ones((2, 3, 4)).swapaxes(0, 1)})
    assert npz.read(path, {"fit": object})["every"].tolist() == list(range(0, 20, 2))


# Damage ---------------------------------------------------------------------------------------------------


def damaged(whole: bytes, count: int) -> Iterator[bytes]:
    """So many other files: with other bytes at random, or in what zip and .npy say of the content."""
    chance = random.Random(3)
    structure = [place for mark in (b"PK", b"\x93NUMPY") for place in places(whole, mark)]
    for number in range(count):
        content = bytearray(whole)
        if number % 3 == 0:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        elif number % 3 == 1:
            at = min(chance.choice(structure) + chance.randrange(46), len(content) - 1)
            content[at] = chance.choice([0, 1, 0x7F, 0xFF, content[at] ^ 1, content[at] ^ 0x80])
        else:
            at, length = chance.randrange(len(content)), chance.randrange(1, 9)
            content[at : at + length] = chance.randbytes(chance.choice([0, 1, length, length]))
        yield bytes(content)


def places(whole: bytes, mark: bytes) -> list[int]:
    found = [whole.find(mark)]
    while (place := whole.find(mark, found[-1] + 1)) >= 0:
        found.append(place)
    return found


def model_file(path: Path) -> Any:
    """A model in this file, and a function that reads it."""
    fit = fastgd.sgd([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]], [1.0, 2.0, 0.5], learning_rate=0.1, n_epochs=2)
    fit.save(path)
    return lambda: fastgd.load(path).__getstate__()


def checkpoint_file(path: Path) -> Any:
    """A checkpoint in this file, and a function that reads it."""
    how = dict(learning_rate=0.1, n_epochs=2, method="stream", momentum=0.5)
    X, y = np.array([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0]]), np.array([1.0, 2.0, 0.5])
    fastgd.gradient_descent(X, y, **how, checkpoint=path)
    return lambda: npz.read(path, {checkpoint.KIND: checkpoint.Content | StepperState})


@pytest.mark.parametrize("file", [model_file, checkpoint_file])
def test_a_damaged_file_is_refused_or_is_the_same(path, file):
    values = file(path)
    whole, expected = path.read_bytes(), values()
    sentences = []
    for content in damaged(whole, 1500):
        path.write_bytes(content)
        try:
            found = values()
        except InvalidDataError as error:
            sentences.append(str(error))
        else:
            assert same(found, expected)
    assert 1000 < len(sentences) < 1500
    assert all(sentence.startswith(f"{path} ") for sentence in sentences)


@pytest.mark.parametrize("file", [model_file, checkpoint_file])
def test_a_file_that_is_cut_at_any_length_is_refused(path, file):
    values = file(path)
    for length in reversed(range(path.stat().st_size)):
        os.truncate(path, length)
        with pytest.raises(InvalidDataError, match=rf"^{path} is not a whole fastgd file \("):
            values()


@pytest.mark.parametrize("file", [model_file, checkpoint_file])
def test_a_header_that_was_changed_with_its_checksum_raises_nothing_else(path, file):
    values = file(path)
    (_, header), *arrays = npz_members(path)
    text, chance = header.tobytes(), random.Random(4)
    sentences = []
    for _ in range(300):
        at, length = chance.randrange(len(text)), chance.randrange(4)
        new = bytes(chance.choices(b'0123456789"{}[],:.-eaNtf', k=chance.randrange(4)))
        forge(path, text[:at] + new + text[at + length :], *arrays)
        try:
            values()
        except InvalidDataError as error:
            sentences.append(str(error))
    assert len(sentences) > 150
    assert all(sentence.startswith(f"{path} ") for sentence in sentences)


def test_parts_of_two_files_make_none(path, written):
    others = {name: np.asfortranarray(array) for name, array in ARRAYS.items()}
    for array in others.values():
        array[...] = array[..., ::-1] if array.ndim else -array
    npz.write(path, "fit", {"epoch": 4} | others)
    other = path.read_bytes()
    assert len(other) == len(written)
    for place in range(0, len(other), 7):
        mixed = written[:place] + other[place:]
        path.write_bytes(mixed)
        if mixed[60:] not in (written[60:], other[60:]):  # before: what the zip's directory says again
            with pytest.raises(InvalidDataError, match=rf"^{path} is "):
                npz.read(path, {"fit": object})


# Other files ----------------------------------------------------------------------------------------------


def test_what_is_no_such_file_is_named(path, written, tmp_path):
    with pytest.raises(FileNotFoundError):
        npz.read(tmp_path / "none.npz", {"fit": object})
    with pytest.raises(InvalidDataError, match=r"holds a fit, not a checkpoint$"):
        npz.read(path, {"checkpoint": object})
    for content in (b"", b"PK", b"text\n" * 99, random.Random(0).randbytes(5000)):
        path.write_bytes(content)
        with pytest.raises(
            InvalidDataError, match=rf"^{path} is not a whole fastgd file \(.+\); write it again$"
        ):
            npz.read(path, {"fit": object})
    for members in (
        {},
        {"x": np.ones(3)},
        {"header": np.ones(3)},
        {"header": np.frombuffer(b"[]", np.uint8)},
    ):
        np.savez(path, **members)
        with pytest.raises(InvalidDataError, match=r"is not a fastgd file, but another \.npz file$"):
            npz.read(path, {"fit": object})


@pytest.mark.parametrize("kind", ["fit", "checkpoint"])
def test_other_versions_are_refused_with_the_remedy(path, kind):
    """Version 1 had the fields "checksum", "arrays" and "header" in the same first member."""
    old = file_header(kind=kind, version=1, checksum="00", arrays=[["a", "<f8", [2], False]], header={})
    forge(path, old, ("a", np.ones(2)))
    sentence = (
        "has version 1 of the format, and this fastgd reads version 2: fit again and save, or use the fastgd"
    )
    calls = {"fit": fastgd.load, "checkpoint": lambda path: fastgd.sgd([1.0, 2.0], [1.0, 3.0], resume=path)}
    with pytest.raises(InvalidDataError, match=rf"^{path} {sentence} that wrote it$"):
        calls[kind](path)
    forge(path, file_header(kind=kind, version=3))
    with pytest.raises(InvalidDataError, match=r"has version 3 of the format, .* version 2: update fastgd$"):
        calls[kind](path)
    forge(path, file_header(kind=kind, version="2"))
    with pytest.raises(InvalidDataError, match=r"has version '2' of the format"):
        calls[kind](path)


def test_what_another_program_made_of_it(path, written):
    with np.load(path) as found:
        content = dict(found)
    np.savez(path, **content)
    assert same(npz.read(path, {"fit": object}), {"epoch": 3} | ARRAYS)
    np.savez_compressed(path, **content)
    with pytest.raises(InvalidDataError, match=r"holds 'header.npy' encrypted, or compressed in a way"):
        npz.read(path, {"fit": object})
    path.write_bytes(written)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("fit.rows.npy", b"other rows")
    with pytest.raises(InvalidDataError, match=rf"^{path} holds 'fit.rows.npy' twice$"):
        npz.read(path, {"fit": object})


def test_objects_are_never_made(path, tmp_path):
    marker = tmp_path / "marker"
    objects = np.array([Trap(marker)], object)
    np.savez(path, header=objects, x=objects)
    with pytest.raises(InvalidDataError, match=r"holds Python objects, which are never read"):
        npz.read(path, {"fit": object})
    forge(path, file_header({"array": "x"}), ("x", objects))
    with pytest.raises(
        InvalidDataError, match=r"holds 'x.npy', which holds Python objects, which are never read"
    ):
        npz.read(path, {"fit": object})
    assert not marker.exists()
    with pytest.raises(TypeError, match=r"cannot be kept in a file$"):
        npz.write(path, "fit", objects)


def test_no_file_takes_memory_that_it_does_not_fill(tmp_path):
    def named(number: int) -> Path:
        return tmp_path / f"hostile-{number}.npz"

    headers = [
        b"[" * 900_000,
        b"[]" + b",[]" * 300_000,
        b'{"":' * 200_000,
        b"1" * 1_000_000,
        b" " * 9_000_000,
    ]
    files = [forge(named(number), text) for number, text in enumerate(headers)]
    huge = np.broadcast_to(np.float64(1.0), 10**7)  # 80 MB of which 8 bytes are there
    files.append(forge(named(5), file_header(), ("a", huge), compression=zipfile.ZIP_DEFLATED))
    for number, shape in enumerate([(10**9,), (2**31, 2**31), (11,), (9,), (2**62,) * 30], 6):
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(stream, dict(descr="<f8", fortran_order=False, shape=shape))
        with zipfile.ZipFile(forge(named(number), file_header({"array": "a"})), "a") as zipped:
            zipped.writestr("a.npy", stream.getvalue() + bytes(80))
        files.append(named(number))
    lines = refusals("own", files)
    assert lines[:5] == ["is not a fastgd file, but another .npz file"] * 5
    assert lines[5].startswith("holds 'header.npy' encrypted, or compressed")
    for line in lines[6:]:
        assert re.match(r"is damaged: 'a.npy' has \d+ bytes, and its header declares \d+$", line)


@pytest.mark.parametrize("text", [b"", b"{}", b"null", b"\xff", b'{"format": NaN}', b'{"format": "other"}'])
def test_a_header_of_something_else_is_refused(path, text):
    with pytest.raises(InvalidDataError, match=r"is not a fastgd file, but another \.npz file$"):
        npz.read(forge(path, text), {"fit": object})


def test_headers_that_cannot_be_read_again_are_not_written(path):
    with pytest.raises(
        ValueError, match=r"a header of 1048\d+ bytes, and no more than 1048576 are read again$"
    ):
        npz.write(path, "fit", "x" * (1 << 20))
    assert os.listdir(path.parent) == []


# Writing --------------------------------------------------------------------------------------------------


# Values ---------------------------------------------------------------------------------------------------


NUMBERS = st.integers() | st.floats() | st.booleans()


LEAVES = (
    st.none()
    | NUMBERS
    | st.text()
    | st.binary(max_size=300)
    | hnp.arrays(
        st.sampled_from(["<f8", ">f4", "<i2", "|u1", "|b1", "<c16", "<f2"]),
        hnp.array_shapes(min_dims=0, min_side=0),
    )
    | st.floats().map(np.float64)
    | st.floats(width=32).map(np.float32)
    | st.integers(0, 255).map(np.uint8)
    | st.lists(st.floats(), min_size=15, max_size=20)
    | st.lists(st.integers(), min_size=15, max_size=20)
    | st.lists(st.lists(st.floats(), min_size=2, max_size=2), min_size=15, max_size=20)
)


VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
        | st.tuples(inner, inner).map(lambda pair: Pair(*pair))
    ),
    max_leaves=10,
)


@given(VALUES)
def test_values_come_back_to_the_bit(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "values.npz"
    npz.write(path, "fit", value)
    assert same(npz.read(path, {"fit": Pair}), value)
