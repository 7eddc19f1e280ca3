"""Data files from anywhere: right arrays, or one sentence; never a pickle, never memory for nothing."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastgd.checks import InvalidDataError
from fastgd.data import files
from tests.helpers import Trap, refusals, same

ARRAYS = [
    np.arange(12.0).reshape(4, 3),
    np.asfortranarray(np.arange(12, dtype=np.float32).reshape(4, 3)),
    np.arange(5, dtype=">i2"),
    np.array(3.5),
    np.empty((0, 3)),
    np.array([True, False]),
    np.array(["a", "bc"]),
]


def npy(descr: object, shape: object, body: bytes = b"", version: int = 1, order: object = False) -> bytes:
    text = repr({"descr": descr, "fortran_order": order, "shape": shape}).encode()
    return header(text, version) + body


def header(text: bytes, version: int = 1, length: int | None = None) -> bytes:
    length = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", length) + text


def saved(array: np.ndarray, **how) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **how)
    return stream.getvalue()


def zipped(path: Path, *members: tuple[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_an_npy_stays_on_the_disk(tmp_path, array):
    path = tmp_path / "X.npy"
    np.save(path, array)
    found = files.open_npy(path)
    assert same(np.array(found, order="K"), array)
    assert found.flags.fnc == array.flags.fnc
    assert isinstance(found, np.memmap) or not array.size
    assert not found.flags.writeable
    assert same(np.array(files.open_npy(str(path))), array)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_npz_is_read_whole(tmp_path, save):
    path = tmp_path / "data.npz"
    arrays = {f"x{i}": array for i, array in enumerate(ARRAYS)} | {
        "long": np.random.default_rng(0).random(300_000)
    }
    save(path, **arrays)
    found = files.open_npz(path)
    assert same(found, arrays)
    assert found["x1"].flags.fnc


@pytest.mark.parametrize("version", [1, 2, 3])
def test_every_version_of_the_format_is_read(tmp_path, version):
    path = tmp_path / "X.npy"
    path.write_bytes(npy("<f8", (2,), np.array([1.0, 2.0]).tobytes(), version) + b"something after it")
    assert files.open_npy(path).tolist() == [1.0, 2.0]


def test_a_missing_file_is_missing(tmp_path):
    for opened in (files.open_npy, files.open_npz):
        with pytest.raises(FileNotFoundError):
            opened(tmp_path / "none")
        with pytest.raises(InvalidDataError, match="is not a regular file but a folder"):
            opened(tmp_path)


NO_ARRAY = r"is cut short or damaged: its header declares no array$"
REFUSED = {
    b"": r"is not a whole \.npy file \(EOF: .*\); write it again$",
    b"a,b\n1,2\n" * 9: r"is not a whole \.npy file \(the magic string is not correct; .*got b'a,b\\n1,'\)",
    b"\xff\xfe\0a": r"is not a whole \.npy file \(EOF: .*\)",
    b"PK\3\4" + bytes(100): r"is not a whole \.npy file \(the magic string is not correct; ",
    pickle.dumps([1.0]): r"is not a whole \.npy file \(the magic string is not correct; ",
    b"\x93NUMPY": r"is not a whole \.npy file \(EOF: .*\)",
    b"\x93NUMPY\4\0" + bytes(100): NO_ARRAY,
    npy("<f8", (2,), bytes(16), 4): r"is not a whole \.npy file \(we only support format version .*\)",
    b"\x93NUMPY\1\0\x76": NO_ARRAY,
    header(b"{'descr'", 1, 118): NO_ARRAY,
    header(b"{}", 2, 2**32 - 1): NO_ARRAY,
    header(b"{'descr'"): NO_ARRAY,
    header(b"[1]"): NO_ARRAY,
    header(b"__import__('os').abort()"): NO_ARRAY,
    header(b"(" * 5000): NO_ARRAY,
    header(b"-" * 9000 + b"1"): NO_ARRAY,
    header(b"\xff" * 50, 3): NO_ARRAY,
    npy("<f8", (-1,), bytes(80)): NO_ARRAY,
    npy("<f8", (-1, -1), bytes(80)): NO_ARRAY,
    npy("<f8", (2.0,), bytes(80)): NO_ARRAY,
    npy("<f8", [2], bytes(80)): NO_ARRAY,
    npy("<f8", (1,) * 65, bytes(80)): r"is not a whole \.npy file \(maximum supported dimension .*\)",
    npy("<f8", (2,), bytes(80), order=1): NO_ARRAY,
    npy("<f8", (0, 10**30)): r"is not a whole \.npy file \(.+\)",
    npy("<f8", (11,), bytes(80)): r"is cut short: it has 146 bytes, and its header declares 154$",
    npy(
        "<f8", (10**15, 10**15)
    ): r"is cut short: it has 97 bytes, and its header declares 8000000000000000000",
    npy("<U9999999", ()): r"is cut short: it has \d+ bytes, and its header declares 40000065$",
    npy(
        "|O", (1,), bytes(80)
    ): r"holds Python objects, which are never read; save it as an array of numbers$",
    npy([("a", "<f8")], (1,), bytes(80)): r"holds records; an array of numbers is needed$",
    npy("<f8,<f8", (1,), bytes(80)): r"holds records; an array of numbers is needed$",
    npy("(9,)<f8", (1,), bytes(80)): r"holds records; an array of numbers is needed$",
    npy(
        [("a", "|O")], (1,), bytes(80)
    ): r"holds Python objects, which are never read; save it as an array of",
    npy("<f5", (1,), bytes(80)): NO_ARRAY,
    npy(8, (1,), bytes(80)): NO_ARRAY,
    npy("|S0", (10**18,)): NO_ARRAY,
}


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_what_is_no_array_is_refused(tmp_path, number):
    content, sentence = list(REFUSED.items())[number]
    path = tmp_path / "X.npy"
    path.write_bytes(content)
    with pytest.raises(InvalidDataError, match=rf"^{path} .*{sentence}"):
        files.open_npy(path)
    data = zipped(tmp_path / "data.npz", ("X.npy", content))
    with pytest.raises(InvalidDataError, match=rf"^{data} (holds|is) "):
        files.open_npz(data)


def test_a_cut_file_is_refused_at_every_length(tmp_path):
    path, data = tmp_path / "X.npy", tmp_path / "data.npz"
    np.savez(data, X=ARRAYS[0], y=ARRAYS[1])
    for file, opened in ((path, files.open_npy), (data, files.open_npz)):
        content = saved(ARRAYS[0]) if file == path else data.read_bytes()
        for length in range(len(content)):
            file.write_bytes(content[:length])
            with pytest.raises(InvalidDataError, match=rf"^{file} is "):
                opened(file)
    data.write_bytes(data.read_bytes()[:400])
    with pytest.raises(
        InvalidDataError, match=r"is not a whole \.npz file \(File is not a zip file\); write it again$"
    ):
        files.open_npz(data)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_npz_gives_no_other_numbers(tmp_path, save):
    path = tmp_path / "data.npz"
    save(path, X=ARRAYS[0], y=ARRAYS[1])
    content = path.read_bytes()
    refused = 0
    for place in range(len(content)):
        for change in (1, 0x80):
            damaged = bytearray(content)
            damaged[place] ^= change
            path.write_bytes(damaged)
            try:
                found = files.open_npz(path)
            except InvalidDataError as error:
                refused += str(error).startswith(f"{path} ")
            else:
                assert same(list(found.values()), ARRAYS[: len(found)])
    assert refused > len(content)


def test_pickles_are_never_opened(tmp_path):
    marker, path, data = (tmp_path / name for name in ("marker", "X.npy", "data.npz"))
    objects = np.array([Trap(marker)], object)
    content = saved(objects, allow_pickle=True)
    path.write_bytes(content)
    np.savez(data, X=ARRAYS[0], objects=objects)
    with pytest.raises(InvalidDataError, match=rf"^{path} holds Python objects"):
        files.open_npy(path)
    with pytest.raises(InvalidDataError, match=rf"^{data} holds 'objects.npy', which holds Python objects"):
        files.open_npz(data)
    path.write_bytes(pickle.dumps(Trap(marker)))
    for opened in (files.open_npy, files.open_npz):
        with pytest.raises(InvalidDataError, match=rf"^{path} is not a whole \.np[yz] file"):
            opened(path)
    assert not marker.exists()
    pickle.loads(path.read_bytes()).close()
    assert marker.exists()  # the trap is one


def test_zips_of_something_else_are_refused(tmp_path):
    path, one = tmp_path / "data.npz", saved(ARRAYS[0])
    for content in (b"", b"a,b\n" * 9, one):
        path.write_bytes(content)
        with pytest.raises(InvalidDataError, match=rf"^{path} is not a whole \.npz file \(File is not a zip"):
            files.open_npz(path)
    zipped(path, ("X.npy", one), ("[Content_Types].xml", b"<xml/>"))
    with pytest.raises(InvalidDataError, match=r"holds '\[Content_Types\]\.xml', which is not an array$"):
        files.open_npz(path)
    zipped(path, ("X.npy", one), ("X.npy", one))
    with pytest.raises(InvalidDataError, match=r"holds 'X\.npy' twice$"):
        files.open_npz(path)
    zipped(path, ("X.npy", one), compression=zipfile.ZIP_LZMA)
    with pytest.raises(
        InvalidDataError, match=r"holds 'X\.npy' encrypted, or compressed in a way that is not read$"
    ):
        files.open_npz(path)
    zipped(path, ("X.npy", one + b"more"))
    with pytest.raises(
        InvalidDataError, match=r"is damaged: 'X\.npy' has 228 bytes, and its header declares 224$"
    ):
        files.open_npz(path)
    zipped(path)
    assert files.open_npz(path) == {}


def _with_sizes(path: Path, **fields: int) -> Path:
    """The zip with other numbers in its directory's first entry."""
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\1\2")
    for name, value in fields.items():
        struct.pack_into("<L", content, entry + {"compressed": 20, "size": 24, "place": 42}[name], value)
    path.write_bytes(content)
    return path


def test_no_file_takes_memory_that_it_does_not_fill(tmp_path):
    def named(number: int) -> Path:
        return tmp_path / f"{number}"

    for number, content in enumerate(REFUSED):
        named(number).write_bytes(content)
    last = len(REFUSED)
    with open(named(last), "wb") as file:  # 3 GB of holes, all of them header
        file.write(header(b"{}", 2, 2_900_000_000))
        file.truncate(3 * 10**9)
    refusals("npy", [named(number) for number in range(last + 1)])

    one, zeros = saved(ARRAYS[0]), npy("<f8", (10**7,), bytes(80_000_000))
    deflated = dict(compression=zipfile.ZIP_DEFLATED)
    hostile = [
        zipped(tmp_path / "bomb", ("X.npy", zeros), **deflated),
        zipped(tmp_path / "claims", ("X.npy", npy("<f8", (10**12,), bytes(80)))),
        zipped(tmp_path / "claims deflated", ("X.npy", npy("<f8", (10**12,), bytes(80))), **deflated),
        _with_sizes(
            zipped(tmp_path / "sizes", ("X.npy", npy("<f8", (5 * 10**8,), bytes(80)))), size=4_000_000_080
        ),
        _with_sizes(
            zipped(tmp_path / "both sizes", ("X.npy", npy("<f8", (5 * 10**8,), bytes(80)))),
            size=4_000_000_080,
            compressed=4_000_000_080,
        ),
        _with_sizes(zipped(tmp_path / "place", ("X.npy", one)), place=2**31),
        _with_sizes(
            zipped(tmp_path / "header", ("X.npy", header(b" " * 60_000_000, 2)), **deflated), size=60_000_012
        ),
        zipped(tmp_path / "many", *((f"{i:0100}.npy", b"") for i in range(30_000))),
    ]
    lines = refusals("npz", hostile)
    assert lines[0].startswith("would need too much memory: 'X.npy' makes 80000")
    size = hostile[4].stat().st_size
    assert lines[4] == f"is cut short or damaged: its members take more than its {size} bytes"
    assert lines[-1].startswith("is not a whole .npz file (EOF: ")
