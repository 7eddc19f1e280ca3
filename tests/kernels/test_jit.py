"""The disk cache of machine code: stale never runs, broken is rebuilt, unwritable works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import JIT_IS_OFF
from tests.kernels.processes import PACKAGE, output, run, surroundings

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="there is no machine code under NUMBA_DISABLE_JIT")

LESSON = """
import warnings
warnings.simplefilter("error")
import fastgd
fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01, backend="numba")
print(repr(fit.w), fit.backend)
"""
EXPECTED = "1.9999444396553017 numba"
COUNT = """
from fastgd.kernels import strict
print(sum(strict.descend.stats.cache_hits.values()), sum(strict.descend.stats.cache_misses.values()))
"""


@pytest.fixture(scope="module")
def warm_cache(tmp_path_factory) -> Path:
    cache = tmp_path_factory.mktemp("warm")
    assert output(LESSON, cache) == EXPECTED
    return cache


@pytest.fixture
def cache(warm_cache, tmp_path) -> Path:
    """A warm cache of the test's own."""
    return Path(shutil.copytree(warm_cache, tmp_path / "cache"))


def test_the_next_process_compiles_nothing(cache):
    before = {file.name: file.stat().st_mtime_ns for file in cache.iterdir()}
    assert output(LESSON + COUNT, cache).splitlines() == [EXPECTED, "1 0"]
    assert {file.name: file.stat().st_mtime_ns for file in cache.iterdir()} == before
    assert output(LESSON + COUNT, cache / "empty").splitlines() == [EXPECTED, "0 1"]


EDITS = {
    "kernels/strict.py": (
        "w[j] -= rates[epoch] * gradient[j]",
        "w[j] -= 2 * rates[epoch] * gradient[j]",
        ["1.999999998936207 numba", "4.666666666666667"],  # twice the rate: 2 − (1 − 0.56/3)¹⁰⁰
    ),
    "kernels/arithmetic.py": (
        "        return product\n    return r**two",
        "        return 2 * product\n    return 2 * r**two",
        [EXPECTED, "9.333333333333334"],  # twice the cost, the same steps
    ),
}


@pytest.mark.parametrize("file", EDITS)
def test_an_edit_in_any_file_that_a_kernel_depends_on_is_never_missed(tmp_path, file):
    """`strict.descend` calls `square` of arithmetic.py: Numba's own cache would keep the old one."""
    source, cache = tmp_path / "source", tmp_path / "cache"
    shutil.copytree(PACKAGE, source / "fastgd", ignore=shutil.ignore_patterns("__pycache__"))
    code = LESSON + "print(fit.cost_history[0])"
    assert output(code, cache, source=source).splitlines() == [EXPECTED, "4.666666666666667"]
    path = source / "fastgd" / file
    text = path.read_text()
    old, new, changed = EDITS[file]
    assert old in text
    path.write_text(text.replace(old, new))
    assert output(code, cache, source=source).splitlines() == changed
    path.write_text(text)
    assert output(code, cache, source=source).splitlines() == [EXPECTED, "4.666666666666667"]


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "flipped", "directory"])
def test_damaged_files_are_rebuilt_with_one_warning(cache, damage):
    for file in cache.iterdir():
        content = file.read_bytes()
        file.unlink()
        if damage == "directory":
            file.mkdir()
            continue
        middle = len(content) // 2
        file.write_bytes(
            {
                "truncated": content[:middle],
                "garbage": b"not machine code" * 100,
                "empty": b"",
                "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            }[damage]
        )
    done = run(LESSON.replace('"error"', '"always"'), cache)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == EXPECTED
    if damage != "directory":
        assert done.stderr.count("RuntimeWarning") == 1
        assert "is damaged" in done.stderr
        assert output(LESSON + COUNT, cache).splitlines() == [EXPECTED, "1 0"]


def test_a_valid_file_that_does_not_unpickle_is_rebuilt(cache):
    import hashlib

    for file in cache.iterdir():
        code = b"a pickle it is not"
        file.write_bytes(file.read_bytes()[:32] + hashlib.sha256(code).digest() + code)
    done = run(LESSON.replace('"error"', '"always"'), cache)
    assert done.stdout.strip() == EXPECTED
    assert done.stderr.count("RuntimeWarning") == 1
    assert "cannot be used" in done.stderr


@pytest.mark.parametrize("where", ["below a file", "no such device"])
def test_a_directory_that_cannot_be_written_is_warned_of_once(tmp_path, where):
    (tmp_path / "file").write_text("")
    cache = tmp_path / "file" / "cache" if where == "below a file" else Path("/proc/nowhere/cache")
    done = run(LESSON.replace('"error"', '"always"'), cache)
    assert done.stdout.strip() == EXPECTED
    assert done.stderr.count("RuntimeWarning") == 1
    assert f"cannot write compiled kernels to {cache}" in done.stderr
    assert "every process compiles them again; set FASTGD_CACHE_DIR" in done.stderr


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a folder away")
def test_a_directory_of_another_user_is_not_trusted(cache):
    os.chown(cache, 12345, 12345)
    done = run(LESSON.replace('"error"', '"always"') + COUNT, cache)
    assert done.stdout.splitlines() == [EXPECTED, "0 1"]
    assert "belongs to another user" in done.stderr


def test_eight_processes_starting_cold_together(tmp_path):
    environment = surroundings(tmp_path / "cache")
    children = [
        subprocess.Popen([sys.executable, "-c", LESSON], env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    assert [child.communicate(timeout=300)[0].strip() for child in children] == [EXPECTED] * 8
    assert output(LESSON + COUNT, tmp_path / "cache").splitlines() == [EXPECTED, "1 0"]
    assert not [file for file in (tmp_path / "cache").iterdir() if file.suffix != ".kernel"]


def test_numbas_settings_and_the_users_own_functions_are_left_alone(tmp_path):
    code = """
import os
before = dict(os.environ)
import numba
settings = numba.config.CACHE_DIR
import fastgd
fastgd.cost([1.0], [1.0], 1.0)
assert dict(os.environ) == before
assert numba.config.CACHE_DIR == settings
from numba.core.caching import NullCache
@numba.njit
def mine(x): return x + 1
assert mine(1) == 2 and type(mine._cache) is NullCache
print("ok")
"""
    assert output(code, tmp_path / "cache") == "ok"


@pytest.mark.parametrize("option", ["NUMBA_BOUNDSCHECK=1", "NUMBA_LOOP_VECTORIZE=0", "NUMBA_OPT=1"])
def test_other_options_have_machine_code_of_their_own(cache, option):
    name, value = option.split("=")
    assert output(LESSON + COUNT, cache, **{name: value}).splitlines() == [EXPECTED, "0 1"]


def test_an_edit_under_a_running_process_is_never_stored(tmp_path):
    """A kernel file is edited after the first kernel was compiled, loaded in that state, and put back."""
    source, cache = tmp_path / "source", tmp_path / "cache"
    shutil.copytree(PACKAGE, source / "fastgd", ignore=shutil.ignore_patterns("__pycache__"))
    sgd = """
import fastgd, pathlib
x = [1.0] * 5000
fastgd.gradient_descent(x, x, learning_rate=0.1, n_epochs=1, backend="numba")
EDIT
print(fastgd.sgd(x, x, learning_rate=0.1, n_epochs=1, backend="numba").w)
"""
    edit = """
file = pathlib.Path(fastgd.__file__).parent / "kernels" / "in_order.py"
text = file.read_text()
file.write_text(text.replace("w[0] += moved", "w[0] = 12345.0"))
"""
    path = source / "fastgd" / "kernels" / "in_order.py"
    text = path.read_text()
    assert output(sgd.replace("EDIT", edit), cache, source=source) == "12345.0"
    path.write_text(text)
    assert float(output(sgd.replace("EDIT", ""), cache, source=source)) == pytest.approx(1.0)


def test_the_folder_follows_numbas_when_none_is_named(tmp_path):
    done = run(LESSON, Path(""), FASTGD_CACHE_DIR="", NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout.strip() == EXPECTED
    assert list((tmp_path / "fastgd").glob("strict.descend-*.kernel"))


def test_code_that_was_compiled_before_changes_no_bit(tmp_path):
    """Numba compiles a power once, with the fastmath flags of whoever asks first: the user, for example."""
    fit = """
import numpy as np
import fastgd
rng = np.random.default_rng(0)
for _ in range(8):
    X = rng.standard_normal((4097, 5))
    y = X.sum(axis=1) + rng.standard_normal(4097)
    print(fastgd.gradient_descent(X, y, n_epochs=6, l1=0.1).cost_history.tobytes().hex())
"""
    before = """
import numba
assert numba.njit(error_model="numpy", FLAGS)(lambda r: r ** 2)(2.0) == 4.0
"""
    strict, fast = (before.replace("FLAGS", f"fastmath={flags}") for flags in (False, True))
    assert output(strict + fit, tmp_path / "strict") == output(fast + fit, tmp_path / "fast")
