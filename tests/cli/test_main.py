"""The command line, as a person types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastgd import __version__
from fastgd.cli import warmup
from fastgd.cli.main import main
from tests.conftest import JIT_IS_OFF
from tests.lesson_programs import FULL_BATCH, SLIDES, STOCHASTIC, printed

ROOT = Path(__file__).parents[2]
XS, YS = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]
SAMPLES = "5000" if JIT_IS_OFF else "200000"


def test_the_lesson_is_the_lessons_program(capsys):
    assert main(["lesson"]) == 0
    assert capsys.readouterr().out == printed(FULL_BATCH, XS, YS) + "\n"
    assert main(["lesson", "--sgd"]) == 0
    assert capsys.readouterr().out == printed(STOCHASTIC, XS, YS) + "\n"


def test_the_lesson_with_two_digits_is_the_slides_in_full(capsys):
    assert main(["lesson", "--digits", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    slides = SLIDES.splitlines()
    dots = slides.index("…………")
    assert lines[:dots] == slides[:dots]
    assert lines[-11:] == slides[-11:]
    assert len(lines) == 102


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_lessons_pictures(tmp_path, capsys, ending):
    pytest.importorskip("matplotlib")
    file = tmp_path / f"lesson.{ending}"
    assert main(["lesson", "--sgd", "--plot", str(file)]) == 0
    start = {"png": b"\x89PNG", "svg": b"<?xml"}[ending]
    assert file.read_bytes().startswith(start)
    assert capsys.readouterr().out.startswith("Predict (before training)")


def test_without_arguments_the_lesson_then_a_fit_of_many_samples(capsys):
    assert main(["--samples", SAMPLES]) == 0
    out = capsys.readouterr().out
    assert SLIDES in out
    assert f"{int(SAMPLES):,} synthetic samples" in out
    table = {line[:26].strip(): line[26:].split() for line in out.splitlines() if " ms" in line}
    assert list(table) == [
        "a plain read",
        "gradient_descent",
        "sgd in order",
        "sgd, blocks shuffled",
        "plain Python, full batch",
        "plain Python, sgd",
    ]
    assert [line[0] for line in table.values()] == ["1", "100", "100", "100", "1", "1"]  # epochs
    if int(SAMPLES) > 4096:
        reads = [line[1] for line in table.values()]  # "auto" takes one for statistics, one for max‖x‖²
        assert reads == ["1", "1", "2", "2", "1", "1"]
    assert all(float(line[-1]) > 0 for line in table.values())
    assert "full batch converges at learning rates below " in out
    truth = float(out.split("true w ")[1].split(";")[0])
    assert float(out.split("found by gradient_descent ")[1].split(",")[0]) == pytest.approx(truth, abs=0.2)


@pytest.mark.skipif(JIT_IS_OFF, reason="nothing is compiled under NUMBA_DISABLE_JIT")
def test_warmup_says_where_the_kernels_are(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTGD_CACHE_DIR", str(tmp_path))
    (tmp_path / "strict.descend-0a0a0a0a0a0a0a0a0a0a0a0a.kernel").write_bytes(bytes(200_000))
    (tmp_path / "strict.cost-0a0a0a0a0a0a0a0a0a0a0a0a.kernel").write_bytes(bytes(100_000))
    monkeypatch.setattr(warmup, "warmup", lambda progress: 1.25)
    assert main(["warmup"]) == 0
    assert capsys.readouterr().out == f"2 kernels, 0.3 MB in {tmp_path}; 1.2 s\n"


def test_python_dash_m_and_the_installed_command_agree():
    done = subprocess.run(
        [sys.executable, "-m", "fastgd", "--version"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == f"fastgd {__version__}\n"


def test_help_names_every_option(capsys):
    for arguments, words in (
        (["--help"], ["--samples", "--version", "lesson", "10 million", "fit", "predict", "diagnose"]),
        (["lesson", "--help"], ["--sgd", "--digits", "--plot"]),
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        out = capsys.readouterr().out
        assert all(word in out for word in words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lesson", "--digits", "two"], "argument --digits: 'two' is not a whole number"),
        (["lesson", "--digits", "-1"], "argument --digits: -1 is not between 0 and 17"),
        (["--samples", "0"], "argument --samples: 0 is not between 1 and"),
        (["leson"], "invalid choice: 'leson'"),
        (["lesson", "--plot", ""], "argument --plot: a file name is needed"),
        (["--samples", "5", "lesson"], "--samples belongs to the fit"),
        (["lesson", "--sdg"], "unrecognized arguments: --sdg"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "message"),
    [("no/such/folder/lesson.png", "No such file or directory"), ("lesson.bmpx", "'bmpx' is not supported")],
)
def test_a_picture_that_cannot_be_written_ends_with_2_and_a_sentence(tmp_path, capsys, file, message):
    pytest.importorskip("matplotlib")
    assert main(["lesson", "--plot", str(tmp_path / file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("fastgd: ")
    assert message in error
    assert "Traceback" not in error


def test_without_matplotlib_the_install_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["lesson", "--plot", "lesson.png"]) == 2
    assert capsys.readouterr().err == "fastgd: plots need matplotlib: pip install 'fastgd[plot]'\n"


@pytest.mark.parametrize(
    ("command", "first"),
    [
        ("-m fastgd lesson | head -n 1", "Predict (before training) 4 4.0"),
        ("-m fastgd lesson >&-", None),
        ("-m fastgd --samples 9 | grep -m 1 '^[?][?]*$'", "????"),
    ],
    ids=["closed pipe", "no output", "ASCII terminal"],
)
def test_odd_terminals_are_no_error(command, first):
    done = shell(command)
    assert done.stdout.splitlines()[:1] == ([first] if first else [])
    assert done.stderr == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full is Linux's")
def test_a_full_disk_is_told_once():
    done = shell("-m fastgd lesson >/dev/full")
    told = "fastgd: reading or writing failed: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)


def shell(command):
    """Python with these arguments, as a terminal of few letters runs it."""
    return subprocess.run(
        f"'{sys.executable}' {command}",
        shell=True,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_lesson_moves(tmp_path, capsys):
    pytest.importorskip("PIL")
    from PIL import Image

    file = tmp_path / "lesson.gif"
    assert main(["lesson", "--epochs", "3", "--animate", str(file)]) == 0
    assert capsys.readouterr().out.count("Epoch:") == 3
    with Image.open(file) as picture:
        assert picture.n_frames == 4  # the start, and each epoch
    assert main(["lesson", "--animate", str(tmp_path / "lesson.txt")]) == 2
    assert "name a file that ends in .gif or .mp4" in capsys.readouterr().err
