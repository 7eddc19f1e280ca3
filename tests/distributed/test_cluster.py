"""Workers that die, a scheduler that is gone, and interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import dask.array
import distributed
import numpy as np
import pytest

import fastgd
from fastgd.data.arrays import ArrayRows
from fastgd.distributed import cluster
from fastgd.engine import reduce, scan
from fastgd.solver.inputs import as_dataset
from tests.distributed.partitions import QUIET, UNIT, assert_same_bits, lot, put


class TestFaults:
    def test_a_killed_worker(self, tmp_path):
        """In the middle of a read; another worker makes its rows anew."""
        X, y = lot(4 * UNIT, 2)
        flag = str(tmp_path / "killed")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, **QUIET) as both,
            distributed.Client(both, set_as_default=False) as client,
            client.as_current(),
        ):
            dX = dask.array.from_array(X, chunks=(6000, 2)).persist()
            dy = dask.array.from_array(y, chunks=6000).persist()
            rows = as_dataset(dX, dy)

            def kill_once(start):
                if start >= 2 * UNIT and not os.path.exists(flag):
                    open(flag, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)

            def task(start, X, y, weights):
                from fastgd.kernels import fused

                kill_once(start + len(y) - UNIT)
                return fused.run(X, y, np.array([0.3, 0.1]), 512)

            def step(start, X, y, weights, state):
                kill_once(start + len(y) - UNIT)
                for x, target in zip(X[:, 0].tolist(), y.tolist(), strict=True):
                    state[0] += 1e-3 * x * state[0] + target

            there = reduce.reduce(rows, task, None)
            assert os.path.exists(flag)
            here = reduce.reduce(ArrayRows(X, y), task, None)
            assert there.tobytes() == here.tobytes()
            os.unlink(flag)
            state = np.ones(1)
            scan.scan(rows, step, [state])
            assert os.path.exists(flag)
            expected = np.ones(1)
            scan.scan(ArrayRows(X, y), step, [expected])
            assert state.tobytes() == expected.tobytes()
            assert_same_bits(fastgd.gradient_descent(dX, dy), fastgd.gradient_descent(X, y))

    def test_the_scheduler_is_gone(self, tmp_path):
        file, root = tmp_path / "scheduler.json", str(Path(fastgd.__file__).parents[1])
        environment = os.environ | {"PYTHONPATH": root, "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}
        start = [sys.executable, "-m"]
        common = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0"]
        quiet = dict(env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        both = [
            subprocess.Popen([*start, "distributed.cli.dask_scheduler", "--port", "0", *common], **quiet),
            subprocess.Popen(
                [*start, "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "1", *common], **quiet
            ),
        ]
        client = None
        try:
            while not file.exists():
                time.sleep(0.01)
            client = distributed.Client(scheduler_file=str(file), set_as_default=False)
            with client.as_current():
                client.wait_for_workers(1)
                X, y = lot(2 * UNIT, 1)
                dX, dy = put(client, X, [5000]), put(client, y, [5000])
                rows = as_dataset(dX, dy)

                def task(start, X, y, weights):
                    time.sleep(1.0)
                    return np.array([X.sum()])

                threading.Timer(0.3, both[0].kill).start()
                with pytest.raises(RuntimeError, match="connection to the Dask scheduler .* is lost"):
                    reduce.reduce(rows, task, None)
                with pytest.raises(RuntimeError, match="is lost: connect a new Client"):
                    fastgd.gradient_descent(dX, dy)
        finally:
            for process in both:
                process.kill()
                process.wait()
            if client is not None:
                client.close(timeout=1)

    def test_an_interrupt(self, client, data):
        X, y = data
        rows = as_dataset(put(client, X, [5000]), put(client, y, [5000]))

        def task(start, X, y, weights):
            time.sleep(0.3)
            return np.array([X.sum()])

        threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            reduce.reduce(rows, task, None)
        assert_same_bits(
            fastgd.gradient_descent(put(client, X, [5000]), put(client, y, [5000])),
            fastgd.gradient_descent(X, y),
        )

    def test_a_task_that_fails(self, client, data):
        rows = as_dataset(*(put(client, part, [5000]) for part in data))

        def task(start, X, y, weights):
            raise ZeroDivisionError(f"at row {start}")

        with pytest.raises(ZeroDivisionError, match="at row"):
            reduce.reduce(rows, task, None)

    def test_workers_of_another_kind(self, client, data, monkeypatch):
        here = cluster.environment()
        monkeypatch.setattr(cluster, "environment", lambda: here | {"NumPy": "1.0", "processor": "abacus"})
        with pytest.warns(
            UserWarning, match=r"same bits.*NumPy .*\(here 1\.0\) on tcp.* and 1 more; .*abacus"
        ):
            rows = as_dataset(*(put(client, part, [5000], [0, 1]) for part in data))
        assert rows.n == len(data[1])

    def test_no_workers(self):
        X = dask.array.ones(10, chunks=5)
        with (
            distributed.LocalCluster(n_workers=0, **QUIET) as none,
            distributed.Client(none, set_as_default=False) as client,
            client.as_current(),
            pytest.raises(RuntimeError, match="no workers yet"),
        ):
            fastgd.gradient_descent(X, X)

    def test_an_asynchronous_client(self):
        client = types.SimpleNamespace(asynchronous=True)
        with pytest.raises(RuntimeError, match="asynchronous"):
            cluster.Cluster(client)
