"""What a process loads, and what it does without Numba."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastgd

ROOT = Path(__file__).parents[2]


def output(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_fastgd_loads_nothing_else():
    code = (
        "import sys; import fastgd; print([m for m in ('numpy', 'numba', 'matplotlib') if m in sys.modules])"
    )
    assert output(code) == "[]"


def test_numba_loads_at_the_first_computation():
    code = """
import sys, fastgd
fastgd.gradient_descent, fastgd.sgd, fastgd.cost, fastgd.FitResult, fastgd.make_linear
before = "numba" in sys.modules
fastgd.cost([1.0], [1.0], 1.0)
print(before, "numba" in sys.modules, "matplotlib" in sys.modules)
"""
    expected = "False True False"
    assert output(code) == expected


WITHOUT_NUMBA = """
import importlib.abc, importlib.util, sys
class NoNumba(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else find_spec(name, *rest)
sys.meta_path.insert(0, NoNumba())
import fastgd
"""


def test_without_numba_the_twins_run_and_say_so():
    code = (
        WITHOUT_NUMBA
        + """
x, y = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
fit, by_sample = (f(x, y, w0=1.0, learning_rate=0.01) for f in (fastgd.gradient_descent, fastgd.sgd))
print(fit.backend, by_sample.backend, fit.w, fit.predict(4.0) == 4 * fit.w, fastgd.cost(x, y, 1.0))
X, y, w = fastgd.make_linear(5, 2, seed=1)
print(X.shape, fastgd.gradient(X, y, w).tolist())
"""
    )
    lines = output(code).splitlines()
    assert lines[0] == "python python 1.9999444396553017 True 4.666666666666667"
    assert lines[1] == "(5, 2) [0.0, 0.0]"


def test_asking_for_a_missing_numba_gives_the_install_line():
    code = (
        WITHOUT_NUMBA
        + """
for call, w in ((fastgd.cost, [1.0]), (fastgd.sgd, [])):
    try:
        call([1.0], [1.0], *w, backend="numba")
    except ModuleNotFoundError as error:
        print(error)
"""
    )
    assert output(code).splitlines() == ['backend="numba" needs Numba: pip install numba'] * 2


def test_public_names():
    assert set(dir(fastgd)) >= set(fastgd.__all__)
    for name in fastgd.__all__:
        assert getattr(fastgd, name) is not None
    with pytest.raises(AttributeError, match="module 'fastgd' has no attribute 'sweeep'"):
        _ = fastgd.sweeep


def test_every_public_function_says_what_it_does():
    for name in fastgd.__all__:
        thing = getattr(fastgd, name)
        if callable(thing):
            assert len(thing.__doc__) > 60, name
