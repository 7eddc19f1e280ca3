"""Arrays in files: the bits of memory, the speed aside; what is missing is refused before it is read."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd import InvalidDataError
from fastgd.data import conversion
from fastgd.data.arrays import mapping_of, refuse_cut_short
from tests.conftest import JIT_IS_OFF

ROOT = Path(__file__).parents[2]
N, D = 4500, 3


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "numbers"
    path.write_bytes(np.arange(N * D, dtype=float).tobytes())
    return path


class TestCutShort:
    """The cut lies within the last page: to read behind it gives zeros, and the test lives to see them."""

    def cut(self, path, nbytes=8):
        os.truncate(path, path.stat().st_size - nbytes)

    @pytest.mark.parametrize(
        "ask",
        [
            fastgd.gradient_descent,
            fastgd.sgd,
            fastgd.diagnose,
            lambda X, y: fastgd.cost_and_gradient(X, y, np.zeros(D)),
            lambda X, y: fastgd.sweep(X, y, learning_rates=[1e-9]),
        ],
        ids=["gradient_descent", "sgd", "diagnose", "cost_and_gradient", "sweep"],
    )
    def test_is_refused(self, file, ask):
        X = np.memmap(file, float, "r", shape=(N, D))
        self.cut(file)
        with pytest.raises(
            InvalidDataError,
            match=f"^X lies in a file that was cut short: it has {N * D * 8 - 8} bytes and the array needs "
            f"{N * D * 8}; write it anew$",
        ):
            ask(X, np.ones(N))

    def test_of_targets_and_weights_too(self, file):
        mapped = np.memmap(file, float, "r")[-N:]
        self.cut(file)
        with pytest.raises(InvalidDataError, match="^y lies in a file that was cut short"):
            fastgd.gradient_descent(np.ones((N, D)), mapped)
        with pytest.raises(InvalidDataError, match="^sample_weight lies in a file that was cut short"):
            fastgd.gradient_descent(np.ones((N, D)), np.ones(N), sample_weight=mapped)

    def test_what_is_left_can_be_used(self, file):
        X, y = np.memmap(file, float, "r", shape=(N, D)), np.ones(N)
        expected = fastgd.cost(np.array(X[: N - 1]), y[1:], np.ones(D))
        self.cut(file)
        assert fastgd.cost(X[: N - 1], y[1:], np.ones(D)) == expected
        assert fastgd.cost(X[: N - 1][::-1][::-1], y[1:], np.ones(D)) == expected
        assert fastgd.cost(X[:, :2], y, np.ones(2)) > 0.0
        for part in (X, X[::-1], X[1:], X[:, 1:], X.T, X[N - 1 :], np.asarray(X)[::-1, ::-1], X.view("i8")):
            with pytest.raises(InvalidDataError, match="cut short"):
                refuse_cut_short("part", part)
        refuse_cut_short("nothing", X[N:])

    @pytest.mark.parametrize("offset", [8, mmap.ALLOCATIONGRANULARITY, mmap.ALLOCATIONGRANULARITY * 2 + 24])
    def test_of_what_begins_within_the_file(self, file, offset):
        length = N * D - offset // 8
        mapped = np.memmap(file, float, "r", offset=offset)
        assert len(mapped) == length
        for array in (mapped, mapped[5:], np.asarray(mapped)[5:], mapped[5:][::-1], mapped[-1:]):
            assert mapping_of(array)[1] == offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
            refuse_cut_short("y", array)
        self.cut(file, 24)
        refuse_cut_short("y", mapped[:-3])
        for array in (mapped, mapped[:-2], mapped[::-1], np.asarray(mapped)[-3:-2]):
            with pytest.raises(InvalidDataError, match=f"has {N * D * 8 - 24} bytes"):
                refuse_cut_short("y", array)

    def test_of_an_npy_file(self, tmp_path):
        np.save(tmp_path / "X.npy", np.ones((D, N), np.int16).T)
        X = np.load(tmp_path / "X.npy", mmap_mode="r")
        refuse_cut_short("X", X)
        self.cut(tmp_path / "X.npy", 1)
        refuse_cut_short("X", X[:-1])
        with pytest.raises(InvalidDataError, match="cut short"):
            fastgd.gradient_descent(X, np.ones(N))

    def test_of_a_mapping_that_numpy_did_not_make(self, file):
        with open(file, "rb") as stream:
            mapping = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        arrays = [
            np.frombuffer(mapping),
            np.frombuffer(memoryview(mapping)),
            np.ndarray(N * D, float, mapping),
        ]
        for array in arrays:
            assert mapping_of(array) == (mapping, 0)
            refuse_cut_short("y", array)
        self.cut(file)
        for array in arrays:
            with pytest.raises(InvalidDataError, match="cut short"):
                refuse_cut_short("y", array)

    def test_a_file_that_was_deleted_is_whole(self, file):
        X = np.memmap(file, float, "r", shape=(N, D))
        expected = fastgd.cost(np.array(X), np.ones(N), np.ones(D))
        try:
            file.unlink()
        except PermissionError:
            pytest.skip("this system keeps files that are in use")
        assert fastgd.cost(X, np.ones(N), np.ones(D)) == expected

    def test_memory_is_no_file(self):
        for array in (np.ones(3), np.ones((3, 3))[1:], np.frombuffer(bytes(16)), mmap.mmap(-1, 16)):
            values = np.asarray(np.frombuffer(array)) if isinstance(array, mmap.mmap) else array
            refuse_cut_short("X", values)
        assert mapping_of(np.ones(3)[1:]) is None


def test_the_row_of_a_nan_far_inside(tmp_path):
    n, row = (20_000, 14_001) if JIT_IS_OFF else (10_000_000, 7_000_001)
    X = np.memmap(tmp_path / "X", np.float32, "w+", shape=(n, 1))  # a file of holes, which read as zeros
    y = np.memmap(tmp_path / "y", np.int8, "w+", shape=(n,))
    X[row] = np.nan
    with pytest.raises(InvalidDataError, match=rf"^X\[{row}, 0\] is NaN"):
        fastgd.gradient_descent(X, y, learning_rate=0.1, n_epochs=2)


def whole(values, path, order, offset=0):
    mapped = np.memmap(path, values.dtype, "w+", offset, values.shape, order)
    mapped[...] = values
    mapped.flush()
    return np.memmap(path, values.dtype, "r", offset, values.shape, order)


DTYPES = ["f4", "f8", "i2", "u1", "i8", "f2", "?", ">f8", ">i2"]
LAYOUTS = {
    "C": lambda X, path: whole(X, path, "C"),
    "Fortran": lambda X, path: whole(X, path, "F"),
    "at an odd place": lambda X, path: whole(X, path, "C", 1),
    "Fortran, behind a header": lambda X, path: whole(X, path, "F", mmap.ALLOCATIONGRANULARITY + 128),
    "every other row": lambda X, path: whole(np.repeat(X, 2, axis=0), path, "C")[::2],
    "rows of a Fortran file": lambda X, path: whole(np.vstack([X[:9], X, X[:3]]), path, "F")[9:-3],
    "every other column of a Fortran file": lambda X, path: whole(np.repeat(X, 2, axis=1), path, "F")[:, ::2],
    "backwards": lambda X, path: whole(X[::-1, ::-1], path, "C")[::-1, ::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES[1:3] if JIT_IS_OFF else DTYPES)
def test_the_bits_are_those_of_memory(rng, tmp_path, monkeypatch, dtype, layout):
    monkeypatch.setattr(conversion, "LEAST_NUMBERS", 1)
    n, d = (4200, 3) if JIT_IS_OFF else (20_000, 11)
    X = (rng.random((n, d)) * 9).astype(dtype)
    y = np.arange(n, dtype=np.int16) % 7
    mapped = LAYOUTS[layout](X, tmp_path / "X"), whole(y, tmp_path / "y", "C")
    assert mapping_of(mapped[0]) is not None
    assert not mapped[0].flags.writeable
    plain = X.astype(np.float32 if dtype == "f4" else np.float64), y.astype(float)
    how = dict(learning_rate=1e-4, n_epochs=2)
    for method in ("summary", "stream"):
        ours = fastgd.gradient_descent(*mapped, method=method, **how)
        memory = fastgd.gradient_descent(*plain, method=method, **how)
        assert ours.w.tobytes() == memory.w.tobytes()
        assert ours.cost_history.tobytes() == memory.cost_history.tobytes()
    ours, memory = fastgd.sgd(*mapped, **how), fastgd.sgd(*plain, **how)
    assert ours.w.tobytes() == memory.w.tobytes()


PROGRAM = """
import resource
import sys
import numpy as np
import fastgd

def anonymous(field="RssAnon"):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))

path, dtype, order = {case}
def work(X, y):
    how = dict(learning_rate=1e-9, n_epochs=3, n_threads=4, history=None)
    fastgd.cost_and_gradient(X, y, np.zeros(10), n_threads=4)
    for method in ("summary", "stream"):
        fastgd.gradient_descent(X, y, method=method, **how)
    fastgd.sgd(X, y, **how)

rows = {bytes} // (10 * np.dtype(dtype).itemsize)
work(np.ones((120_000, 10), dtype, order=order), np.ones(120_000, dtype))  # the compiler's own memory
X = np.memmap(path, dtype, "w+", shape=(rows, 10), order=order)
y = np.memmap(path + "y", dtype, "w+", shape=(rows,))
before = anonymous()
cap = anonymous("VmData") + {allowed}
resource.setrlimit(resource.RLIMIT_DATA, (cap, cap))
try:
    np.ones(X.shape, dtype)
except MemoryError:
    work(X, y)
    print(anonymous() - before)
"""
BYTES, ALLOWED = 320_000_000, 300_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's /proc and its RLIMIT_DATA")
@pytest.mark.skipif(JIT_IS_OFF, reason="the same memory, hours of Python")
@pytest.mark.parametrize("dtype", ["f4", "f8", "i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_is_copied_whole(tmp_path, dtype, order):
    """Under a cap on the memory that it may ask for, which a copy of X would exceed."""
    program = PROGRAM.replace("{case}", repr((str(tmp_path / "X"), dtype, order)))
    done = subprocess.run(
        [sys.executable, "-c", program.replace("{bytes}", str(BYTES)).replace("{allowed}", str(ALLOWED))],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < ALLOWED
