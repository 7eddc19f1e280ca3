"""After `warmup` the usual calls compile nothing."""

from __future__ import annotations

import ast

import pytest

import fastgd
from fastgd import warm
from tests.conftest import JIT_IS_OFF
from tests.helpers import WITHOUT_NUMBA, output

USUAL_CALLS = """
import itertools, sys, warnings
import numpy as np
import fastgd
from fastgd.kernels import _jit

def compiled():
    return {
        (module, name, str(signature))
        for module in list(sys.modules) if module.startswith("fastgd.kernels.")
        for name, kernel in list(vars(sys.modules[module]).items()) if isinstance(kernel, _jit.Kernel)
        for signature in kernel.signatures
    }

def calls(d, n, dtype):
    rng = np.random.default_rng(1)
    X = (9 * rng.standard_normal((n, d or 1))).astype(dtype)
    y = (X.sum(axis=1) + 1).astype(dtype)
    w = np.ones(d) if d else 1.0
    X = X if d else X[:, 0]
    rate = 1e-6
    for fit in (fastgd.gradient_descent, fastgd.sgd):
        for how in ({}, {"method": "summary"}, {"method": "stream"}):
            for also in ({}, {"tol": "auto"}, {"history": None}):
                for to in ({}, {"fit_intercept": True}, {"standardize": True, "fit_intercept": True}):
                    fit(X, y, n_epochs=4, learning_rate=rate, **how, **also, **to)
        fit(X, y, n_epochs=4)
    fastgd.sgd(X, y, track_cost=True, learning_rate=rate, n_epochs=2)
    for solver in ("gradient_descent", "sgd"):
        fastgd.sweep(X, y, learning_rates=[rate, rate / 2], solver=solver, n_epochs=3)
        fastgd.diagnose(X, y, solver=solver)
    for intercept in (0.0, 2.0):
        fastgd.forward(X, w, intercept=intercept)
        for ask in (fastgd.loss, fastgd.cost, fastgd.gradient, fastgd.cost_and_gradient):
            ask(X, y, w, intercept=intercept)

seconds = fastgd.warmup()
before = compiled()
warnings.simplefilter("ignore")
fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
fastgd.sgd([1, 2, 3], [2, 4, 6], w0=1, learning_rate=0.01, history="samples")
for d, n, dtype in itertools.product((None, 1, 3, 10, 40), (2, 300, 9000), ("f8", "f4", "i4")):
    calls(d, n, dtype)
print((seconds > 0.0, len(before), sorted(compiled() - before)))
"""


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled under NUMBA_DISABLE_JIT")
def test_after_warmup_the_usual_calls_compile_nothing():
    took_time, n_compiled, new = ast.literal_eval(output(USUAL_CALLS))
    assert took_time
    assert n_compiled > 40
    assert new == []


def test_where_nothing_is_compiled_there_is_nothing_to_do():
    code = "import fastgd, sys; print(type(fastgd.warmup()), 'fastgd.kernels.gram' in sys.modules)"
    assert output(code, NUMBA_DISABLE_JIT="1") == "<class 'float'> False"
    assert output(WITHOUT_NUMBA + code) == "<class 'float'> False"


def test_warmup_changes_nothing_for_the_caller(recwarn):
    if not JIT_IS_OFF:
        assert isinstance(fastgd.warmup(), float)
    assert not recwarn


class Bar:
    n = 0

    def __init__(self, total, what, unit):
        self.total = total

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.is_closed = True

    def update(self):
        self.n += 1


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled under NUMBA_DISABLE_JIT")
def test_a_bar_counts_the_calls(monkeypatch):
    done, bars = [], []
    monkeypatch.setattr(warm, "_calls", lambda dtype, d: [lambda: done.append((dtype, d))] * 2)
    monkeypatch.setattr(warm, "bar", lambda *options: bars.append(Bar(*options)) or bars[-1])
    fastgd.warmup(progress=True)
    assert len(done) == 2 * 2 * len(warm.COLUMNS)
    assert [(bar.total, bar.n, bar.is_closed) for bar in bars] == [(len(done), len(done), True)]
    fastgd.warmup()
    assert len(bars) == 1
