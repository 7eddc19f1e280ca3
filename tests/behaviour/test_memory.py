"""Memory: the data plus at most 50 MB (and, with very many columns, some vectors of their length)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import JIT_IS_OFF

ROOT = Path(__file__).parents[2]

PROGRAM = """
import numpy as np
import fastgd
from fastgd.engine.blocks import block_rows

def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

def work(X, y, method="auto"):
    how = dict(n_epochs=1, learning_rate=1e-9, history=None, n_threads=8, method=method)
    fastgd.cost_and_gradient(X, y, np.zeros(X.shape[1]) if X.ndim == 2 else 0.0, n_threads=8)
    fastgd.gradient_descent(X, y, **how)
    fastgd.sgd(X, y, **how)

shape, dtype, order = {case}
d = int(np.prod(shape[1:]))
small = np.ones((3 * block_rows(d), *shape[1:]), dtype, order=order)
for method in ("stream", "summary") if d <= 20 else ("stream",):  # the compiler's own memory
    work(small, np.ones(len(small), dtype), method)
X, y = np.ones(shape, dtype, order=order), np.ones(shape[0], dtype)
with open("/proc/self/clear_refs", "w") as clear:
    clear.write("5")
before = peak()
work(X, y)
print(peak() - before)
"""
CASES = [
    "(8_000_000,), 'f8', 'C'",
    "(8_000_000,), 'i2', 'C'",
    "(600_000, 20), 'f8', 'F'",
    "(60, 300_000), 'f4', 'C'",
    "(20, 500_000), 'i4', 'C'",
]


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.skipif(JIT_IS_OFF, reason="the same memory, hours of Python")
@pytest.mark.parametrize("case", CASES)
def test_a_fit_needs_little_beside_its_data(case):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{case}", case)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 50
