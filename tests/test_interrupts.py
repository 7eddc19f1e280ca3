"""Ctrl-C: answered at once, and nothing keeps running behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
import signal
import time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
import numpy as np
import fastgd
X, y = {data}
call = lambda n_epochs: fastgd.{name}(X, y, learning_rate=1e-9, n_epochs=n_epochs, history=None{more})
call(1)
print("ready", flush=True)
try:
    call(10**10)
except KeyboardInterrupt:
    caught = time.time()
    cpu = time.process_time()
    time.sleep(0.2)
    print(caught, time.process_time() - cpu, flush=True)
"""
STREAM, SUMMARY = ", method='stream'", ", method='summary'"
CASES = {
    "full batch, streamed": ("np.ones(3_000_000), np.ones(3_000_000)", "gradient_descent", STREAM),
    "full batch, converted": ("np.ones(500_000, int), np.ones(500_000, int)", "gradient_descent", STREAM),
    "full batch, statistics": ("np.ones((5000, 7)), np.ones(5000)", "gradient_descent", SUMMARY),
    "full batch, one block": ("np.ones(4000), np.ones(4000)", "gradient_descent", ""),
    "sgd, streamed": ("np.ones((200_000, 30)), np.ones(200_000)", "sgd", STREAM),
    "sgd, maps": ("np.ones((9000, 3)), np.ones(9000)", "sgd", SUMMARY),
    "sgd, maps of blocks": ("np.ones(900_000), np.ones(900_000)", "sgd", SUMMARY + ", shuffle='blocks'"),
    "sgd, shuffled": ("np.ones(900_000), np.ones(900_000)", "sgd", ", shuffle=True"),
    "sgd, one block": ("np.ones((200, 200)), np.ones(200)", "sgd", ""),
    "plain Python": ("np.ones(4000), np.ones(4000)", "sgd", ", backend='python'"),
}


@pytest.mark.skipif(os.name == "nt", reason="SIGINT is sent to a process here")
@pytest.mark.parametrize("case", CASES)
def test_an_interrupt_is_answered_and_nothing_runs_on(case):
    data, name, more = CASES[case]
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(data=data, name=name, more=more)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sent = time.time()
        child.send_signal(signal.SIGINT)
        try:
            out, _ = child.communicate(timeout=60)
        finally:
            child.kill()
    caught, cpu_afterwards = map(float, out.split())
    # 0.3 s is the promise; a loaded machine is given the rest.
    assert caught - sent < 1.0
    assert cpu_afterwards < 0.05
