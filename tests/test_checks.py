"""Checks of parameters: what passes, and the sentence when it does not."""

from __future__ import annotations

import functools
import os
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import fastgd
from fastgd import checks
from fastgd.cli.main import main
from fastgd.data.files import open_npy, open_npz


@pytest.mark.parametrize("value", [0, 5, np.int64(5), np.uint8(5)])
def test_whole_numbers(value):
    assert checks.whole("n", value, 0) == int(value)
    assert type(checks.whole("n", value, 0)) is int


@pytest.mark.parametrize("value", [5.0, "5", None, True, np.True_, [5]])
def test_what_is_no_whole_number(value):
    with pytest.raises(TypeError, match="^n must be a whole number, not "):
        checks.whole("n", value, 0)


@pytest.mark.parametrize(("value", "message"), [(-1, "at least 0, not -1"), (11, "at most 10, not 11")])
def test_whole_numbers_out_of_range(value, message):
    with pytest.raises(ValueError, match=f"^n must be {message}$"):
        checks.whole("n", value, 0, 10)


@pytest.mark.parametrize("value", [1, 2.5, np.float32(0.5), np.int8(3), np.array(1.5)])
def test_numbers(value):
    assert checks.number("rate", value) == float(value)


@pytest.mark.parametrize("value", ["1", b"1", None, True, np.True_, 1j, np.complex64(1), [1.0]])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="^rate must be a number, not "):
        checks.number("rate", value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -np.inf, 10**400])
def test_numbers_that_are_not_finite(value):
    with pytest.raises(ValueError, match="^rate must be finite, not "):
        checks.number("rate", value)


def test_choices_are_of_the_same_type():
    assert checks.choice("history", None, ("epochs", None)) is None
    assert checks.choice("flag", True, (True, False)) is True
    with pytest.raises(ValueError, match="^flag must be True or False, not 1$"):
        checks.choice("flag", 1, (True, False))
    with pytest.raises(ValueError, match="^history must be 'epochs' or None, not 'epoch'$"):
        checks.choice("history", "epoch", ("epochs", None))


@pytest.mark.skipif(os.name == "nt", reason="pipes of Unix")
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a device", "a socket"])
@pytest.mark.parametrize("name", ["t.npy", "t.npz", "t.csv", "t.csv.gz", "t.parquet", "t.arrow", "model"])
def test_what_is_no_regular_file_is_refused_before_it_is_opened(tmp_path, monkeypatch, capsys, kind, name):
    monkeypatch.chdir(tmp_path)
    if kind == "a folder":
        os.mkdir(name)
    elif kind == "a pipe":
        os.mkfifo(name)
    elif kind == "a device":
        os.symlink("/dev/null", name)
    else:
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(name)
        bound.close()
    command = ["predict", name, "x.csv"] if name == "model" else ["fit", name, "--target", "y"]
    assert main(command) == 2
    if kind == "a folder" and name.startswith(("t.csv", "t.parquet", "t.arrow")):
        assert capsys.readouterr().err == f"fastgd: the folder {name} has no files\n"
        return
    sentence = f"{name} is not a regular file but {kind}: "
    assert capsys.readouterr().err.startswith(f"fastgd: {sentence}")
    calls = {"model": fastgd.load, "t.npy": open_npy, "t.npz": open_npz}
    with pytest.raises(fastgd.InvalidDataError, match=f"^{sentence}"):
        calls.get(name, functools.partial(fastgd.read_table, target="y"))(name)


@pytest.mark.skipif(os.name == "nt", reason="pipes of Unix")
def test_a_pipe_among_the_files_of_a_folder_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    os.mkfifo(tmp_path / "b.csv")
    os.mkfifo(tmp_path / "_hidden")
    with pytest.raises(
        fastgd.InvalidDataError, match="b.csv is not a regular file but a pipe: write its content"
    ):
        fastgd.read_table(tmp_path, target="y")


ESCAPE = "\x1b[31mred\r\u202e"
SHOWN = r"\x1b[31mred\r\u202e"


def test_names_from_outside_cannot_move_a_terminal_s_cursor(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name, other = f"{ESCAPE}.csv", f"no {ESCAPE}.csv"
    Path(name).write_text(f'"{ESCAPE}",z,y\n1,2,3\n2,5,4\n4,1,7\n5,2,1\n', newline="")
    for command in (
        ["fit", name, "--target", "y", "--save", f"{ESCAPE}.npz"],
        ["fit", name, "--target", ESCAPE, "--epochs", "1", "--no-standardize"],
        ["diagnose", name, "--target", "y"],
        ["fit", name, "--target", "no"],
        ["fit", other, "--target", "y"],
        ["fit", f"{ESCAPE}.npy", "--target", "y"],
        ["fit", name, "--target", "y", "--save", f"{ESCAPE}/m.npz"],
        ["predict", f"{ESCAPE}.npz", other],
        ["predict", other, name],
    ):
        main(command)
        out, err = capsys.readouterr()
        assert SHOWN in out + err, command
        assert (out + err).replace("\n", "").isprintable(), command
    with pytest.raises(SystemExit):
        main(["fit", name, "--target", "y", ESCAPE])
    assert SHOWN in (err := capsys.readouterr().err)
    assert err.replace("\n", "").isprintable()


def test_names_in_errors_of_python_are_escaped(tmp_path):
    name = tmp_path / f"{ESCAPE}.csv"
    name.write_text(f'"{ESCAPE}",y\n1,2\n2,x\n', newline="")
    assert SHOWN in repr(fastgd.read_table(name, target="y"))
    frame = {ESCAPE: [1.0, np.nan], "z": [2.0, 3.0]}
    calls = [
        lambda: fastgd.read_table(name, target="z"),
        lambda: fastgd.read_table(tmp_path / f"no {ESCAPE}", target="z"),
        lambda: fastgd.gradient_descent(fastgd.read_table(name, target="y")),
        lambda: fastgd.gradient_descent(pa.table(frame), [1.0, 2.0]),
        lambda: fastgd.gradient_descent(pa.table({ESCAPE: ["a", "b"]}), [1.0, 2.0]),
        lambda: fastgd.load(tmp_path / f"no {ESCAPE}"),
        lambda: fastgd.load(name),
        lambda: fastgd.gradient_descent([1.0, 2.0], [1.0, 2.0], checkpoint=tmp_path / ESCAPE / "run.npz"),
    ]
    for call in calls:
        with pytest.raises((ValueError, OSError)) as caught:
            call()
        assert SHOWN in str(caught.value).replace("\\\\", "\\")
        assert str(caught.value).isprintable()
