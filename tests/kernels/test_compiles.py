"""How many kernels the first call of its kind compiles from an empty cache: no more than are counted here.

The next process loads them without Numba's registries, which are for compiling and take half a second.

Nor do these kernels call functions of Numba's own. Numba compiles such a function in each process that
compiles, once, with the fastmath flags of whoever asks first. So the call would take longer, and the bits of
a kernel would depend on what was compiled before.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from fastgd.kernels._jit import kernel
from tests.conftest import JIT_IS_OFF
from tests.kernels.processes import output

pytestmark = pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled under NUMBA_DISABLE_JIT")

COUNT = """
import sys, warnings
import numpy as np
import fastgd
from fastgd.kernels import _jit

names = []
load = _jit.PartCache.load_overload
def counted(self, sig, context):
    names.append(self._name)
    return load(self, sig, context)
_jit.PartCache.load_overload = counted
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal((9000, 5))
y = X.sum(axis=1)
CALL
print(len(names), "numba.np.arraymath" in sys.modules, *names)
"""

NUMBAS_OWN = re.compile(rb"NumbaEnv5numba(\w+?)B\d")
CALLS = {
    "the lesson": ("fastgd.gradient_descent([1.0], [2.0], learning_rate=0.01, backend='numba')", 7),
    "gradient_descent": ("fastgd.gradient_descent(X, y)", 16),
    "standardize and nesterov": ("fastgd.gradient_descent(X, y, standardize=True, nesterov=True)", 23),
    "sgd of one column": ("fastgd.sgd(X[:, 0], y)", 30),
    "sgd of five columns": ("fastgd.sgd(X, y)", 32),
    "log_loss": ("fastgd.gradient_descent(X, y > 0.0, loss='log_loss')", 21),
    "groups": (
        "fastgd.gradient_descent(fastgd.summarize_groups(X, y, by=np.arange(9000) % 7), fit_intercept=True)",
        28,
    ),
    "make_linear": ("fastgd.make_linear(9000, 5)", 9),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_first_call_compiles_no_more_kernels(call, tmp_path):
    code, most = CALLS[call]
    number, compiles, *names = output(COUNT.replace("CALL", code), tmp_path).split()
    assert 0 < int(number) <= most, names
    assert compiles == "True"
    number, compiles, *names = output(COUNT.replace("CALL", code), tmp_path).split()
    assert int(number) == len(list(tmp_path.rglob("*.kernel"))), names
    assert compiles == "False"
    assert functions_of_numba(tmp_path) == set()


def functions_of_numba(folder):
    """Names of Numba's functions that kernels on the disk call."""
    return {name for file in folder.rglob("*.kernel") for name in NUMBAS_OWN.findall(file.read_bytes())}


@kernel
def in_descending_order(numbers):
    return np.sort(numbers)[::-1]


def test_functions_of_numba_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path))
    np.testing.assert_array_equal(in_descending_order(np.array([1.0, 3.0, 2.0])), [3.0, 2.0, 1.0])
    assert any(b"sort" in name for name in functions_of_numba(tmp_path))
