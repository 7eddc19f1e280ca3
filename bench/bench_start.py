"""New processes: the import, and the first result with a cold and a warm kernel cache."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastgd
from bench.harness import measure_calls

ROOT = Path(fastgd.__file__).parents[1]
LESSON = ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])
FIRST_RESULT = f"import fastgd; print(repr(fastgd.gradient_descent(*{LESSON}, w0=1.0, learning_rate=0.01).w))"


def run(code, cache):
    """The output of a new Python process."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FASTGD_CACHE_DIR": str(cache)}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


MODULES = ["numpy", "fastgd", "numba", "sklearn.linear_model"]


def is_installed(module):
    return importlib.util.find_spec(module.partition(".")[0]) is not None


@pytest.mark.parametrize("module", ["nothing", *filter(is_installed, MODULES)])
def test_import(benchmark, module, tmp_path):
    code = f"import {module}; print({module}.__name__)" if module != "nothing" else "print('nothing')"
    assert run(code, tmp_path).strip() == module
    measure_calls(benchmark, "start: import", module, run, args=(code, tmp_path), rounds=5)


@pytest.mark.parametrize("cache", ["warm", "empty"])
def test_first_result(benchmark, cache, tmp_path):
    expected = repr(fastgd.gradient_descent(*LESSON, w0=1.0, learning_rate=0.01).w)
    folders = (tmp_path / str(i) for i in range(1000))
    warm = next(folders)
    assert run(FIRST_RESULT, warm).strip() == expected
    measure_calls(
        benchmark,
        "start: first result of 3 samples",
        f"fastgd, {cache} cache",
        run,
        setup=lambda: ((FIRST_RESULT, warm if cache == "warm" else next(folders)), {}),
        rounds=5,
    )
