"""Files are whole or not there, and what is not as it was written is refused before memory is taken."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastgd.checks import InvalidDataError
from fastgd.io import archive, packing

ROOT = Path(__file__).parents[2]
ARRAYS = {
    "rows": np.arange(6.0).reshape(2, 3),
    "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
    "none": np.empty((0, 4), np.float32),
    "one": np.array(-0.0),
    "flags": np.array([True, False]),
    "big-endian": np.arange(3, dtype=">i4"),
    "complex": np.array([1 - 2j, np.nan]),
}


class Trap:
    """Unpickling makes a file."""

    def __init__(self, marker: Path):
        self.marker = str(marker)

    def __reduce__(self):
        return open, (self.marker, "w")


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "run.npz"


@pytest.fixture
def written(path) -> bytes:
    archive.write(path, "fit", 1, {"epoch": 3}, ARRAYS)
    return path.read_bytes()


def same(a, b) -> bool:
    """Equal to the bit, types included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (a.dtype.str, a.shape, a.tobytes()) == (b.dtype.str, b.shape, b.tobytes())
    if isinstance(a, np.generic):
        return (a.dtype.str, a.tobytes()) == (b.dtype.str, b.tobytes())
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if hasattr(type(a), "__dataclass_fields__"):
        return all(same(getattr(a, name), getattr(b, name)) for name in type(a).__dataclass_fields__)
    return a == b


def forged(path: Path, declared: list, bodies: list[bytes], **changes) -> None:
    """A file of these declarations and bytes, right in all else: its checksum, its zip."""
    about = {"format": "fastgd", "kind": "fit", "version": 1, "arrays": declared, "header": {}} | changes
    rest = json.dumps(about).encode()[1:]
    parts = [memoryview(body) for body in bodies]
    text = archive._checksum(rest, parts) + rest
    names = [str(one[0]) for one in declared[: len(bodies)]]
    members = [archive._header_member(len(text))]
    members += [
        archive._member(name, "|u1", [len(body)], False) for name, body in zip(names, bodies, strict=True)
    ]
    parts = [memoryview(text), *parts]
    starts, end = archive._frame(members, parts)
    path.write_bytes(b"".join(start + bytes(part) for start, part in zip(starts, parts, strict=True)) + end)


def run(code: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


LITTLE_MEMORY = """
import re, resource, sys
from fastgd import archive
from fastgd.data import files
from fastgd.data.checks import InvalidDataError
readers = {"archive": lambda path: archive.read(path, "fit"), "npy": files.open_npy, "npz": files.open_npz}
size = int(re.search(r"VmSize:\\s*(\\d+)", open("/proc/self/status").read())[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (size + 50_000_000,) * 2)
for path in sys.argv[2:]:
    try:
        readers[sys.argv[1]](path)
        print("read", path)
    except InvalidDataError as error:
        print(error)
"""
"""Reads files where no more than 50 MB can be had beyond what is there."""


def refusals(reader: str, paths: list[Path]) -> list[str]:
    done = run(LITTLE_MEMORY, reader, *paths)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths)
    for path, line in zip(paths, lines, strict=True):
        assert line.startswith(f"{path} ")
    return [line.removeprefix(f"{path} ") for path, line in zip(paths, lines, strict=True)]


def test_what_is_written_is_read(path, written):
    header, arrays = archive.read(path, "fit")
    assert header == {"epoch": 3}
    assert same(arrays, ARRAYS)
    assert arrays["columns"].flags.fnc
    assert all(array.flags.writeable for array in arrays.values())


def test_it_is_an_ordinary_npz(path, written):
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None
        assert zipped.namelist()[0] == "header.npy"
        assert {info.compress_type for info in zipped.infolist()} == {zipfile.ZIP_STORED}
    with np.load(path, allow_pickle=False) as found:
        about = json.loads(bytes(found["header"]))
        assert (about["format"], about["kind"], about["version"]) == ("fastgd", "fit", 1)
        assert about["arrays"][0] == ["rows", "<f8", [2, 3], False]
        assert same({name: found[name] for name in ARRAYS}, ARRAYS)


def test_the_same_content_is_the_same_file(path, written):
    archive.write(path, "fit", 1, {"epoch": 3}, {name: array.copy("K") for name, array in ARRAYS.items()})
    assert path.read_bytes() == written
    archive.write(
        path, "fit", 1, {"epoch": 3}, {"every": np.arange(20)[::2], "t": np.ones((2, 3, 4)).swapaxes(0, 1)}
    )
    assert archive.read(path, "fit")[1]["every"].tolist() == list(range(0, 20, 2))


@pytest.mark.slow
def test_every_single_changed_byte_is_found(path, written):
    for place in range(len(written)):
        for change in (1, 0x80):
            damaged = bytearray(written)
            damaged[place] ^= change
            path.write_bytes(damaged)
            with pytest.raises(InvalidDataError, match=rf"^{path} (is|was|holds) "):
                archive.read(path, "fit")


def test_a_file_of_any_other_length_is_refused(path, written):
    for length in range(len(written)):
        path.write_bytes(written[:length])
        with pytest.raises(InvalidDataError, match=rf"^{path} is "):
            archive.read(path, "fit")
    path.write_bytes(written[: len(written) - 100])
    with pytest.raises(
        InvalidDataError, match=rf"is cut short: it has {len(written) - 100} bytes, and by its header"
    ):
        archive.read(path, "fit")
    path.write_bytes(written + b"\0")
    with pytest.raises(InvalidDataError, match=rf"^{path} is damaged"):
        archive.read(path, "fit")


def test_parts_of_two_files_make_none(path, written):
    archive.write(path, "fit", 1, {"epoch": 4}, {name: array + array for name, array in ARRAYS.items()})
    other = path.read_bytes()
    assert len(other) == len(written)
    for place in range(0, len(other), 64):
        mixed = written[:place] + other[place:]
        path.write_bytes(mixed)
        if mixed not in (written, other):
            with pytest.raises(InvalidDataError, match=rf"^{path} is damaged"):
                archive.read(path, "fit")


def test_what_is_no_such_file_is_named(path, written, tmp_path):
    with pytest.raises(FileNotFoundError):
        archive.read(tmp_path / "none.npz", "fit")
    with pytest.raises(InvalidDataError, match=r"holds a fit, not a checkpoint$"):
        archive.read(path, "checkpoint")
    archive.write(path, "fit", 3, {}, {})
    assert archive.read(path, "fit", newest=3) == ({}, {})
    with pytest.raises(InvalidDataError, match=r"was written by a newer fastgd: update fastgd to read it$"):
        archive.read(path, "fit", newest=2)
    for content in (b"", b"PK", b"text\n" * 99, os.urandom(5000), b"PK\5\6" + bytes(18)):
        path.write_bytes(content)
        with pytest.raises(InvalidDataError, match=r"is not a file that fastgd wrote$"):
            archive.read(path, "fit")
    np.savez(path, x=np.ones(3))
    with pytest.raises(InvalidDataError, match=r"is a zip, but not one that fastgd wrote$"):
        archive.read(path, "fit")
    np.savez(path, header=np.ones(3))
    with pytest.raises(InvalidDataError, match=rf"^{path} is "):
        archive.read(path, "fit")


def test_what_another_program_made_of_it_is_refused(path, written):
    with np.load(path) as found:
        content = dict(found)
    np.savez_compressed(path, **content)
    with pytest.raises(InvalidDataError, match=r"is compressed; files of fastgd are not"):
        archive.read(path, "fit")
    np.savez(path, **content)
    with pytest.raises(InvalidDataError, match=rf"^{path} is damaged"):
        archive.read(path, "fit")
    path.write_bytes(written)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("rows.npy", b"other rows")
    with pytest.raises(InvalidDataError, match=rf"^{path} is damaged"):
        archive.read(path, "fit")


def test_objects_are_never_made(path, tmp_path):
    marker = tmp_path / "marker"
    objects = np.array([Trap(marker)], object)
    np.savez(path, header=objects, x=objects)
    with pytest.raises(InvalidDataError):
        archive.read(path, "fit")
    pickled = zipfile.ZipFile(path).read("x.npy")
    for dtype in ("|O8", "|O", "O", "|V8", "<U8", "<f8,<f8", "(2,)<f8"):
        forged(path, [["x", dtype, [len(pickled)], False]], [pickled])
        with pytest.raises(InvalidDataError, match=r"tells of arrays that cannot be$"):
            archive.read(path, "fit")
    assert not marker.exists()
    with pytest.raises(TypeError, match=r"^x holds object; only arrays of numbers can be kept$"):
        archive.write(path, "fit", 1, {}, {"x": objects})


CANNOT_BE = [
    ["a", "<f8", [-1], False], ["a", "<f8", [1.5], False], ["a", "<f8", [True], False],
    ["a", "<f8", "", False], ["a", "<f8", None, False], ["a", "<f8", [0] * 65, False],
    ["a", "<f3", [1], False], ["a", "|f8", [1], False], ["a", 8, [1], False],
    ["a", "<f8", [1], 0], ["../a", "<f8", [1], False], ["header", "<f8", [1], False], [1, "<f8", [1], False],
    ["a", "<f8", [2**62, 2**62], False], ["a", "<f8", [0, 2**62], False], ["a", "<f8"], [],
]  # fmt: skip


@pytest.mark.parametrize("declared", CANNOT_BE, ids=str)
def test_arrays_that_cannot_be_are_refused(path, declared):
    forged(path, [declared], [], header={})
    with pytest.raises(InvalidDataError, match=r"tells of arrays that cannot be$"):
        archive.read(path, "fit")


def test_no_file_takes_memory_that_it_does_not_fill(tmp_path):
    def named(number: int) -> Path:
        return tmp_path / f"hostile-{number}.npz"

    bodies = [bytes(80)]
    forged(named(0), [["a", "<f8", [10**9], False]], bodies)
    forged(named(1), [["a", "<f8", [2**31, 2**31], True]], bodies)
    forged(named(2), [["a", "<f8", [11], False]], bodies)
    forged(named(3), [["a", "<f8", [9], False]], bodies)
    forged(named(4), [["a", "|u1", [4 * 10**9], False]] * 2, [bytes(80)] * 2)
    forged(named(5), [["a", "<f8", [2**32] * 60, False]], bodies)
    forged(named(6), [], [], header=[])
    for number, text in enumerate(
        [b"[" * 900_000, b"[]" + b",[]" * 300_000, b'{"":' * 200_000, b"1" * 1_000_000], 7
    ):
        named(number).write_bytes(
            archive._frame([archive._header_member(len(text))], [memoryview(text)])[0][0] + text
        )
    with open(named(11), "wb") as file:  # 3 GB of holes, all of them header
        file.write(archive._frame([archive._header_member(3 * 10**9)], [memoryview(b"")])[0][0])
        file.truncate(3 * 10**9)
    lines = refusals("archive", [named(number) for number in range(12)])
    assert all(line.startswith(("is cut short", "is damaged")) for line in lines)
    assert lines[0] == f"is cut short: it has {named(0).stat().st_size} bytes, and by its header 8000000650"


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b"\xff", b'{"checksum": NaN}', b'{"format": "fastgd"}']
)
def test_a_header_of_something_else_is_refused(path, text):
    header = archive._header_member(len(text))
    starts, end = archive._frame([header], [memoryview(text)])
    path.write_bytes(starts[0] + text + end)
    with pytest.raises(InvalidDataError, match=rf"^{path} is "):
        archive.read(path, "fit")


def test_names_and_headers_that_cannot_be_read_again_are_not_written(path):
    for name in ("header", "a/b", "", "a" * 61, "é"):
        with pytest.raises(ValueError, match="cannot be kept under the name"):
            archive.write(path, "fit", 1, {}, {name: np.ones(1)})
    with pytest.raises(ValueError, match=r"would have a header of 1048\d+ bytes, more than is read again$"):
        archive.write(path, "fit", 1, {"text": "x" * (1 << 20)}, {})
    with pytest.raises(ValueError, match=r"would take 8\.0 GB; 4 GB can be kept$"):
        archive.write(path, "fit", 1, {}, {"a": np.empty(8 * 10**9, np.uint8)})  # never filled
    assert os.listdir(path.parent) == []


def test_the_old_file_stays_until_the_new_one_is_on_the_disk(path, written, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1])
    archive.write(path, "fit", 1, {}, {})
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_an_error_leaves_the_old_file_and_nothing_else(path, written, monkeypatch, name, error):
    def fails(*_):
        raise error

    monkeypatch.setattr(os, name, fails)
    with pytest.raises(type(error)) as caught:
        archive.write(path, "fit", 1, {}, {})
    assert path.read_bytes() == written
    assert os.listdir(path.parent) == ["run.npz"]
    if isinstance(error, OSError):
        assert caught.value.filename == str(path)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(path, written):
    code = """
import resource, sys
import numpy as np
from fastgd import archive
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    archive.write(sys.argv[1], "fit", 1, {}, {"a": np.ones(100_000)})
except OSError as error:
    print(error)
archive.write(sys.argv[1] + "2", "fit", 1, {}, {"a": np.ones(100)})
"""
    done = run(code, path)
    assert done.stdout == f"[Errno 27] File too large: '{path}'\n", done.stderr
    assert path.read_bytes() == written
    assert sorted(os.listdir(path.parent)) == ["run.npz", "run.npz2"]


def test_a_killed_writer_leaves_a_whole_file(path):
    code = """
import itertools, sys
import numpy as np
from fastgd import archive
for i in itertools.count():
    archive.write(sys.argv[1], "fit", 1, {"number": i}, {"a": np.full(100_000, float(i))})
    if i == 1:
        print("go", flush=True)
"""
    moments = random.Random(5)
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(path)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"go\n"
            time.sleep(moments.uniform(0.0, 0.05))
            writer.send_signal(signal.SIGKILL)
        assert writer.returncode == -signal.SIGKILL
        header, arrays = archive.read(path, "fit")
        assert header["number"] >= 1
        assert set(arrays["a"].tolist()) == {float(header["number"])}


def test_where_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive.write("plain", "fit", 1, {}, {})
    assert os.listdir() == ["plain"]  # no ending of its own
    assert archive.read(Path("plain"), "fit") == ({}, {})
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(os.stat("plain").st_mode) == 0o666 & ~umask
    os.chmod("plain", 0o600)
    os.symlink("plain", "link")
    archive.write("link", "fit", 1, {"by": "link"}, {})
    assert os.path.islink("link")
    assert archive.read("plain", "fit")[0] == {"by": "link"}
    assert stat.S_IMODE(os.stat("plain").st_mode) == 0o600
    os.mkfifo("pipe")
    os.mkdir("folder")
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match=rf"^{name} is not a file: name one to write$"):
            archive.write(name, "fit", 1, {}, {})
    with pytest.raises(FileNotFoundError) as caught:
        archive.write("nowhere/run.npz", "fit", 1, {}, {})
    assert caught.value.filename == "nowhere/run.npz"
    assert sorted(os.listdir()) == ["folder", "link", "pipe", "plain"]


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
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(VALUES)
def test_values_come_back_to_the_bit(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "values.npz"
    tree, arrays = packing.pack(value)
    archive.write(path, "fit", 1, {"tree": tree}, arrays)
    header, arrays = archive.read(path, "fit")
    assert same(packing.unpack(header["tree"], arrays), value)
