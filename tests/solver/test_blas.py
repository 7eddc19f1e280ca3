"""NumPy's BLAS is held to one thread, and what the user had is restored."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

from fastgd.solver import blas, linalg

FITS_AT_ONCE = """
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from threadpoolctl import ThreadpoolController

import fastgd
from fastgd.solver import linalg

rng = np.random.default_rng(0)
X = rng.standard_normal((900, 300))
low = X[:, :150] @ rng.standard_normal((150, 300))
G, H = X.T @ X, low.T @ low


def threads():
    return [library["num_threads"] for library in ThreadpoolController().select(user_api="blas").info()]


def bits(_):
    values = [linalg.factor(G).solve(G[0] + G[1]), linalg.factor(H).solve(H[0]), linalg.eigenvalues(G)]
    fit = fastgd.gradient_descent(X, low[:, 0], n_epochs=3, fit_intercept=True, l2=0.1)
    found = fastgd.diagnose(low, X[:, 0])
    return [value.tobytes() for value in [*values, fit.w, fit.learning_rates, found.optimum]]


def check():
    alone = bits(0)
    with ThreadPoolExecutor(8) as pool:
        assert all(found == alone for found in pool.map(bits, range(8)))
    return threads()


bits(0)  # loads what a fit loads: SciPy has a BLAS of its own
before = threads()
assert max(before) > 1, before
assert check() == before
child = os.fork()
if child == 0:
    os._exit(0 if check() == before else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print("the same")
"""


def run(program, *flags, **environment):
    command = [sys.executable, *flags, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_fits_at_once_have_the_same_bits_and_leave_the_threads_of_blas_as_they_were():
    three = dict.fromkeys(("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"), "3")
    done = run(FITS_AT_ONCE, "-W", "ignore", **three)
    assert (done.returncode, done.stdout.strip()) == (0, "the same"), done.stderr


def test_one_column_never_loads_threadpoolctl():
    program = """
import sys
import numpy as np
from fastgd.solver import linalg
assert linalg.factor(np.array([[4.0]])).solve(np.array([2.0])).tolist() == [0.5]
assert linalg.extreme_eigenvalues(np.array([[4.0]])) == (4.0, 4.0)
assert "threadpoolctl" not in sys.modules
linalg.eigenvalues(np.eye(2))
assert "threadpoolctl" in sys.modules
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_the_error_names_what_to_install():
    program = """
import sys
import numpy as np
sys.modules["threadpoolctl"] = None
from fastgd.solver import linalg
linalg.factor(np.eye(2))
"""
    assert "ImportError: fastgd needs threadpoolctl 3.5 or newer" in run(program).stderr


class Library:
    """A BLAS that keeps its own number of threads."""

    def get_num_threads(self):
        return 4


class Controller:
    def __init__(self, libraries):
        self.lib_controllers = libraries

    def select(self, user_api):
        assert user_api == "blas"
        return self

    def limit(self, limits):
        assert limits == 1
        return warnings.catch_warnings()


@pytest.mark.parametrize("libraries", [[], [Library()]])
def test_a_blas_that_cannot_be_held_is_warned_of_once(monkeypatch, libraries):
    monkeypatch.setattr("threadpoolctl.ThreadpoolController", lambda: Controller(libraries))
    for name, value in (("_controller", None), ("_libraries", []), ("_warned", False)):
        monkeypatch.setattr(blas, name, value)
    with pytest.warns(RuntimeWarning, match="BLAS is not held to one thread: .*set OPENBLAS_NUM_THREADS=1"):
        linalg.factor(np.eye(2))
    assert linalg.eigenvalues(np.eye(2)).tolist() == [1.0, 1.0]
