"""Fits before and after processes and threads are made: the same result, and nothing waits for ever."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import JIT_IS_OFF

ROOT = Path(__file__).parents[2]
SECONDS = 60

FITS = """
import multiprocessing
import os
import sys
import threading
import numpy as np
import fastgd
from fastgd import engine

n = {rows}  # with their targets, enough for the pool
if {is_small}:
    engine.LEAST_RUN_NUMBERS = engine.LEAST_THREAD_NUMBERS = 1

def fit(seed):
    X, y, _ = fastgd.make_linear(n, 3, noise=0.1, seed=seed)
    w = fastgd.gradient_descent(X, y, learning_rate=0.1, n_epochs=3, method="stream", n_threads=4).w
    return (w.tobytes(), fastgd.sgd(X, y, learning_rate=0.01, n_epochs=2).w.tobytes())

def tell(queue, seed):
    queue.put((seed, fit(seed)))
"""
PROCESSES = """
if __name__ == "__main__":
    expected = {seed: fit(seed) for seed in (1, 2)}
    context = multiprocessing.get_context(sys.argv[1])
    queue = context.Queue()
    children = [context.Process(target=tell, args=(queue, seed)) for seed in expected]
    for child in children:
        child.start()
    told = dict(queue.get() for _ in children)
    for child in children:
        child.join()
    assert told == expected
    assert {seed: fit(seed) for seed in expected} == expected
    print("the same", [child.exitcode for child in children])
"""
THREADS = """
if __name__ == "__main__":
    seeds = range(8)
    expected = {seed: fit(seed) for seed in seeds}
    found = {}
    def user(seed):
        found[seed] = fit(seed)
    users = [threading.Thread(target=user, args=(seed,)) for seed in seeds]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()
    assert found == expected
    print("the same")
"""
FORKED_AMID_FITS = """
if __name__ == "__main__":
    expected = fit(1)
    stop = threading.Event()
    def user():
        while not stop.is_set():
            assert fit(1) == expected
    users = [threading.Thread(target=user) for _ in range(2)]
    for thread in users:
        thread.start()
    codes = []
    for _ in range(5):
        child = os.fork()
        if child == 0:
            os._exit(0 if fit(1) == expected else 1)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    stop.set()
    for thread in users:
        thread.join()
    print(codes)
"""


def run(tmp_path, program, *arguments):
    script = tmp_path / "program.py"
    fits = FITS.replace("{rows}", "5000" if JIT_IS_OFF else "600_000").replace("{is_small}", str(JIT_IS_OFF))
    script.write_text(fits + program)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_fit_in_other_processes_after_a_fit(tmp_path, method):
    assert run(tmp_path, PROCESSES, method) == "the same [0, 0]\n"


def test_eight_threads_fit_data_of_their_own(tmp_path):
    assert run(tmp_path, THREADS) == "the same\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_children_forked_while_threads_fit(tmp_path):
    assert run(tmp_path, FORKED_AMID_FITS) == "[0, 0, 0, 0, 0]\n"
