"""New processes: the import, and the first result with a cold and a warm kernel cache."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import fastgd
from bench.harness import SMOKE, measure_calls

ROOT = Path(fastgd.__file__).parents[1]
LESSON = ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0])


BYTECODE = tempfile.TemporaryDirectory()


def run(code, cache):
    """The output of a new Python process, which finds bytecode as after an install."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FASTGD_CACHE_DIR": str(cache)}
    environment |= {"PYTHONPYCACHEPREFIX": BYTECODE.name, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


MODULES = ["numpy", "fastgd", "numba", "sklearn.linear_model"]


def is_installed(module):
    return importlib.util.find_spec(module.partition(".")[0]) is not None


@pytest.mark.parametrize("module", ["nothing", *filter(is_installed, MODULES)])
def test_import(benchmark, module, tmp_path):
    code = f"import {module}; print({module}.__name__)" if module != "nothing" else "print('nothing')"
    assert run(code, tmp_path).strip() == module
    measure_calls(benchmark, "start: import", module, run, args=(code, tmp_path), rounds=1 if SMOKE else 5)


@pytest.mark.parametrize("program", ["fastgd lesson", "import numpy"])
def test_lesson(benchmark, program, tmp_path):
    """The command, which loads neither Numba nor kernels, beside the import that it needs."""
    code = program
    if program == "fastgd lesson":
        code = (
            "import sys; from fastgd.__main__ import main; sys.argv = ['fastgd', 'lesson']; sys.exit(main())"
        )
        assert run(code, tmp_path).splitlines()[1] == "Epoch: 0 w= 1.0933333333333333 loss= 4.666666666666667"
    measure_calls(
        benchmark, "start: the lesson", program, run, args=(code, tmp_path), rounds=1 if SMOKE else 5
    )


BY_HAND = """
import numba, numpy as np
@numba.njit(cache=True)
def descend(x, y, w, rate, n_epochs):
    for _ in range(n_epochs):
        gradient = 0.0
        for i in range(len(x)):
            gradient += 2 * x[i] * (x[i] * w - y[i])
        w -= rate * (gradient / len(x))
    return w
print(repr(descend(np.array(LESSON[0]), np.array(LESSON[1]), 1.0, 0.01, 100)))
"""


def first_fit(backend):
    options = f"w0=1.0, learning_rate=0.01, backend={backend!r}"
    return f"import fastgd; print(repr(fastgd.gradient_descent(*{LESSON}, {options}).w))"


FIRST_RESULTS = {
    "fastgd": first_fit("auto"),
    "fastgd, compiled": first_fit("numba"),
    "@njit(cache=True) by hand": BY_HAND.replace("LESSON", str(LESSON)),
}


@pytest.mark.parametrize("cache", ["warm", "empty"])
@pytest.mark.parametrize("name", FIRST_RESULTS)
def test_first_result(benchmark, name, cache, tmp_path):
    """Numba keeps the loop by hand beside its file, so the program is a file in the folder of its cache."""
    expected = fastgd.gradient_descent(*LESSON, w0=1.0, learning_rate=0.01).w
    code, folders = FIRST_RESULTS[name], (tmp_path / str(i) for i in range(1000))

    def folder():
        made = next(folders)
        made.mkdir()
        (made / "program.py").write_text(code)
        return made

    warm = folder()
    assert float(run_file(warm)) == expected
    measure_calls(
        benchmark, "start: first result of 3 samples", f"{name}, {cache} cache", run_file,
        setup=lambda: ((warm if cache == "warm" else folder(),), {}), rounds=1 if SMOKE else 5,
    )  # fmt: skip


def run_file(folder):
    """The output of program.py of this folder, which has the kernel cache too."""
    return run(f"import runpy; runpy.run_path({str(folder / 'program.py')!r})", folder)


DATA = """
import warnings, numpy as np, fastgd
X = np.random.default_rng(0).standard_normal((9000, 5))
y = X.sum(axis=1)
warnings.simplefilter("ignore")
"""
FIRST_CALLS = {
    "gradient_descent, 9000 x 5": "fastgd.gradient_descent(X, y)",
    "sgd, 9000 x 5": "fastgd.sgd(X, y)",
    "log_loss, 9000 x 5": "fastgd.gradient_descent(X, y > 0.0, loss='log_loss')",
}


@pytest.mark.parametrize("cache", ["warm", "empty"])
@pytest.mark.parametrize("name", FIRST_CALLS)
def test_first_call(benchmark, name, cache, tmp_path):
    code = DATA + FIRST_CALLS[name]
    folders = (tmp_path / str(i) for i in range(1000))
    warm = next(folders)
    run(code, warm)
    measure_calls(
        benchmark, "start: first call", f"{name}, {cache} cache", run,
        setup=lambda: ((code, warm if cache == "warm" else next(folders)), {}), rounds=1 if SMOKE else 3,
    )  # fmt: skip


@pytest.mark.parametrize("cache", ["warm", "empty"])
def test_main_command(benchmark, cache, tmp_path):
    """The command of README's first screen."""
    code = "import sys; from fastgd.__main__ import main; sys.argv = ['fastgd']; sys.exit(main())"
    code = code.replace("['fastgd']", "['fastgd', '--samples', '20000']") if SMOKE else code
    folders = (tmp_path / str(i) for i in range(1000))
    warm = next(folders)
    run(code, warm)
    measure_calls(
        benchmark, "start: the command fastgd", f"{cache} cache", run,
        setup=lambda: ((code, warm if cache == "warm" else next(folders)), {}), rounds=1,
    )  # fmt: skip
