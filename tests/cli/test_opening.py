"""A run's life on the command line: interrupts, the bar, a reader that stops."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import fastgd
from fastgd.cli import fit as fit_command
from fastgd.cli.main import main
from fastgd.kernels import compiling
from fastgd.solver.fit import fit
from tests.cli.trips import FEW, PYTHON, TABLE, X

ROOT = Path(__file__).parents[2]


def test_an_interrupted_run_tells_what_was_kept_and_goes_on(run, told, monkeypatch):
    def stop(state):
        if state.epoch == 2:
            raise KeyboardInterrupt

    def interrupted(*problem):
        problem[-1].callback = stop
        return fit(*problem)

    arguments = [
        "fit", "trips.csv", "--target", "fare", *FEW, "--loss", "huber", "--epochs", 6, "--tol", "none",
    ]  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(fit_command, "fit_rows", interrupted)
        code, out, err = run(*arguments)
        assert (code, out) == (130, "")
        assert err.startswith("fastgd: interrupted after 3 epochs; nothing was kept (--checkpoint FILE keeps")
        code, out, err = run(*arguments, "--checkpoint", "run.npz", "--json")
        assert (code, out) == (130, "")
        assert err == (
            "fastgd: interrupted after 3 epochs; the same command with --resume run.npz goes on from there\n"
        )
    ref = told(*arguments)
    found = told(*arguments, "--resume", "run.npz")
    assert (found["weights"], found["cost_history"]) == (ref["weights"], ref["cost_history"])
    code, _, err = run(*arguments[:-3], 7, "--tol", "none", "--resume", "run.npz")
    assert code == 2
    assert err.startswith("fastgd: run.npz ")


def test_a_checkpoint_of_other_data_is_refused(run):
    """Of which the first rows, their number and the size of the file are the same."""
    arguments = [
        "fit",
        "trips.csv",
        "--target",
        "fare",
        *FEW,
        "--loss",
        "huber",
        "--epochs",
        4,
        "--tol",
        "none",
    ]
    assert run(*arguments, "--checkpoint", "run.npz")[0] == 0
    assert run(*arguments, "--resume", "run.npz")[0] == 0
    lines = Path("trips.csv").read_text().split("\n")
    half = len(lines) // 2
    assert half > 100
    lines[half:] = [line.replace("1", "2") for line in lines[half:]]
    Path("trips.csv").write_text("\n".join(lines))
    code, out, err = run(*arguments, "--resume", "run.npz")
    assert (code, out) == (2, "")
    assert err.startswith("fastgd: run.npz is the checkpoint of another run: sampled values is ")
    assert "(other data)" in err
    assert err.count("\n") == 1


def test_blocks_of_a_table_that_cannot_be_shuffled(told, run):
    n = 9000
    x = np.arange(n) % 7.0
    parquet.write_table(pa.table({"x": x, "y": x > 3}), "long.parquet")
    arguments = [
        "fit", "long.parquet", "--target", "y", "--loss", "log_loss", "--solver", "sgd", "--tol", "none",
    ]  # fmt: skip
    code, _, err = run(*arguments, "--shuffle", "--epochs", 1, "--seed", 1)
    assert code == 2
    assert err.endswith("; pass --shuffle rows, which holds them in memory\n")
    found = told(*arguments, "--shuffle", "rows", "--seed", 3, "--epochs", 1)
    ref = fastgd.sgd(
        x[:, None], x > 3, loss="log_loss", shuffle=True, seed=3, n_epochs=1, **PYTHON | dict(tol=None)
    )
    assert found["weights"] == {"x": ref.w[0]}


def command(*arguments):
    return [sys.executable, "-m", "fastgd", *map(str, arguments)]


@pytest.mark.skipif(os.name == "nt", reason="a terminal of Unix")
def test_a_bar_on_a_terminal_unless_it_is_not_wanted():
    pytest.importorskip("tqdm")
    import pty
    import termios

    arguments = command(
        "fit", "trips.csv", "--target", "fare", *FEW, "--epochs", 50, "--tol", "none", "--json"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    for more, expected in (([], True), (["--no-progress"], False)):
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (25, 100))
        done = subprocess.run(
            [*arguments, *more], env=env, stdout=subprocess.PIPE, stderr=slave, timeout=120, check=True
        )
        os.close(slave)
        shown = b""
        try:
            while part := os.read(master, 4096):
                shown += part
        except OSError:  # the end, on Linux
            pass
        os.close(master)
        assert json.loads(done.stdout)["epochs"] == 50
        assert (b"gradient_descent" in shown and b"50/50" in shown) == expected
        assert expected or shown == b""


def test_without_tqdm_a_terminal_has_no_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert main(["fit", "trips.csv", "--target", "fare", "--epochs", "2", "--allow-unconverged"]) == 0
    assert sys.stderr.getvalue().replace(f"fastgd: {compiling.NOTICE}\n", "") == ""


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
def test_who_reads_may_have_seen_enough(model):
    csv.write_csv(pa.concat_tables([TABLE] * 50), "long.csv")
    done = subprocess.run(
        f"'{sys.executable}' -m fastgd predict m.npz long.csv --quiet | head -n 2",
        shell=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == [repr(value) for value in model.predict(X[:2]).tolist()]
    assert done.stderr == ""


LEAVING = """
import sys, threading, time
import fastgd.{module}
def interrupted():
    threading.Thread(target=time.sleep, args=(60,)).start()  # as C++ that cannot be asked to end
    print("part", end="")
    raise KeyboardInterrupt({text!r})
{patch}
from fastgd.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "patch", "text", "told"),
    [
        (
            "cli.fit",
            "fastgd.cli.fit.run = lambda options: interrupted()",
            "interrupted here",
            "interrupted here",
        ),
        ("cli.main", "fastgd.cli.main.main = interrupted", "", "interrupted"),
    ],
    ids=["in a command", "while modules load"],
)
def test_ctrl_c_is_one_sentence_and_130_whatever_the_threads_do(module, patch, text, told):
    program = LEAVING.format(module=module, patch=patch, text=text)
    done = subprocess.run(
        [sys.executable, "-c", program, "fit", "trips.csv", "--target", "fare"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "part", f"fastgd: {told}\n")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_ctrl_c_while_a_table_is_read(name):
    pytest.importorskip("pandas")
    table = pa.concat_tables([TABLE] * 2000)
    (csv.write_csv if name == "t.csv" else parquet.write_table)(table, name)
    program = (
        "import signal, threading, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastgd.data.tables import TableSource\n"
        "begin = TableSource.chunks\n"
        "def chunks(self):\n"
        "    threading.Timer(0.0, signal.raise_signal, [signal.SIGINT]).start()\n"
        "    yield from begin(self)\n"
        "TableSource.chunks = chunks\n"
        "from fastgd.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "fit", name, "--target", "fare"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 130, done.stderr
    said = done.stderr.replace(f"fastgd: {compiling.NOTICE}\n", "")
    assert said.startswith("fastgd: interrupted")
    assert said.count("\n") == 1
