"""A run that was killed and resumed is the run that nothing interrupted, to the bit."""

from __future__ import annotations

import os
import random
import signal
import time

import numpy as np
import pytest

import fastgd
from fastgd.solver import checkpoint
from tests.conftest import JIT_IS_OFF
from tests.crashes import CASES, GD, SGD, bits, fate, fit_of, problem, small_runs  # noqa: F401 - fixtures

pytestmark = pytest.mark.usefixtures("small_runs")


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_killed_anywhere_and_resumed_it_is_the_run_that_nothing_interrupted(case, fate, tmp_path):  # noqa: F811
    fit, path = fit_of(case), tmp_path / "run.npz"
    whole = bits(fit())
    assert bits(fate.run(lambda: fit(checkpoint=path))) == whole
    moments = fate.moments
    assert bits(fit(resume=path)) == whole  # from its end
    for moment in range(moments):
        path.unlink(missing_ok=True)
        assert fate.run(lambda: fit(checkpoint=path), moment, 1 + moment % 3) is None
        if path.exists():
            assert bits(fit(resume=path)) == whole


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_read_twice_however_often_it_is_killed(case, fate, tmp_path):  # noqa: F811
    fit, path = fit_of(case), tmp_path / "run.npz"
    whole = bits(fit())
    fate.of_reads = True
    fate.run(lambda: fit(checkpoint=path))
    moments = fate.moments
    path.unlink()
    lives, got = 0, None
    while got is None and lives <= moments + 1:
        resume = path if path.exists() else None
        if resume:  # dies at once, and leaves what it has found
            fate.of_reads = False
            fate.run(lambda: fit(checkpoint=path, resume=path), lives % 3)
            fate.of_reads = True
        got = fate.run(lambda: fit(checkpoint=path, resume=resume), 1)  # noqa: B023
        lives += 1
    assert got is not None, f"still not at its end after {lives} lives of one run each"
    assert bits(got) == whole


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::fastgd.ConvergenceWarning")
@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("chunks")])
def test_interrupted_anywhere_the_whole_epochs_are_there_and_nothing_is_lost(case, fate, tmp_path):  # noqa: F811
    fit, path = fit_of(case), tmp_path / "run.npz"
    whole = fit()
    fate.run(lambda: fit(checkpoint=path))
    fate.how = KeyboardInterrupt
    last = -1
    for moment in range(0, fate.moments, 1 + fate.moments // 8):
        path.unlink(missing_ok=True)
        with pytest.raises(KeyboardInterrupt) as caught:
            fate.run(lambda: fit(checkpoint=path), moment, 10**9)  # written at the interrupt alone
        got = caught.value.result
        assert last <= got.n_epochs <= whole.n_epochs
        last = got.n_epochs
        for name, more in [("w", 1), ("intercept", 1), ("cost", 1), ("loss", 0), ("validation", 0)]:
            kept, expected = (getattr(one, f"{name}_history") for one in (got, whole))
            if kept is not None and (last or name == "w"):
                assert kept.tobytes() == expected[: last + more].tobytes()
        got.save(tmp_path / "result.npz")  # whose parts are of one size:
        assert fastgd.load(tmp_path / "result.npz").n_epochs == last
        assert bits(fit(resume=path)) == bits(whole)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("solver", [GD, SGD])
def test_killed_at_ten_random_moments_the_bits_are_those_of_one_run(tmp_path, monkeypatch, solver):
    """By SIGKILL, in a child that goes on from the checkpoint of the one before; in reads and between."""
    monkeypatch.undo()  # the grid and the disk as they are
    checkpoint.block_rows.cache_clear()
    X, y = problem()
    repeat = 3 if JIT_IS_OFF else 300
    X, y = np.tile(X, (repeat, 1)), np.tile(y, repeat)
    how = dict(n_epochs=20 if JIT_IS_OFF else 250, method="stream", learning_rate=0.001)
    began = time.monotonic()
    whole = bits(solver(X, y, **how))
    lasts = time.monotonic() - began
    path, moments, kills = tmp_path / "run.npz", random.Random(7), 0
    while True:
        resume = path if path.exists() else None
        child = os.fork()
        if not child:
            try:
                solver(X, y, **how, checkpoint=path, checkpoint_every=0.003, resume=resume)
                os._exit(0)
            finally:
                os._exit(1)
        if kills < 10:
            time.sleep(moments.uniform(0.0, 0.25) * lasts)
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0
            if kills == 10:
                break
            path.unlink()  # it was done before: from the start again
            continue
        kills += 1
    assert bits(solver(X, y, **how, resume=path)) == whole
