"""Files as they come: each kind has the weights of the same rows in a plain file."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import sys
import zipfile

import numpy as np
import pytest

HEADER = ["miles", "minutes", "fare"]
X = np.round(np.random.default_rng(0).uniform(1.0, 2000.0, (60, 2)), 1)
Y = np.round(3.0 + X @ [1.5, 0.25] + np.random.default_rng(1).normal(size=60), 2)
ROWS = [[f"{value:.2f}" for value in (*row, y)] for row, y in zip(X, Y, strict=True)]


def text(rows=ROWS, header=HEADER, delimiter=",", end="\n"):
    lines = [header, *rows] if header else rows
    return "".join(delimiter.join(line) + end for line in lines)


@pytest.fixture
def weights(told):
    """The weights of a fit of plain rows, in the order of the columns."""
    with open("plain.csv", "w") as file:
        file.write(text())
    found = told("fit", "plain.csv", "--target", "fare")
    return [*found["weights"].values(), found["intercept"]]


def zipped(data, *names):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        for name in names:
            archive.writestr(name, data)
    return room.getvalue()


PLAIN = text().encode()
THOUSANDS = [['"' + f"{float(cell):,.2f}" + '"' for cell in row] for row in ROWS]
COMMAS = [[cell.replace(".", ",") for cell in row] for row in ROWS]
MARKED = [*ROWS[:7], ["?", "1.0", "2.0"], *ROWS[7:20], ["3.0", "-999", "1.0"], *ROWS[20:]]
FILES = {
    "bom.csv": (codecs.BOM_UTF8 + PLAIN, []),
    "utf16.csv": (text().encode("utf-16"), []),
    "windows.csv": (text(end="\r\n").encode(), []),
    "rows.csv.gz": (gzip.compress(PLAIN), []),
    "rows.csv.bz2": (bz2.compress(PLAIN), []),
    "rows.csv.xz": (lzma.compress(PLAIN), []),
    "rows.zip": (zipped(PLAIN, "inside.csv"), []),
    "blank lines.csv": (b"\n" + PLAIN.replace(b"\n", b"\n\n"), []),
    "semicolons.csv": (text(COMMAS, delimiter=";").encode(), []),
    "tabs.tsv": (text(delimiter="\t").encode(), []),
    "spaces.txt": (text(delimiter="  ").encode(), ["--format", "csv", "--delimiter", "space"]),
    "title.csv": (b"Trips of a month\nall of them\n" + PLAIN, ["--skip-rows", "2"]),
    "thousands.csv": (text(THOUSANDS).encode(), ["--thousands", ","]),
    "marks.csv": (text(MARKED).encode(), ["--na", "?,-999", "--missing", "drop"]),
    "with columns.csv": (
        text([[*row, "7", str(k)] for k, row in enumerate(ROWS)], [*HEADER, "id", "temp_1"]).encode(),
        ["--exclude", "id,temp_*"],
    ),
    "pattern.csv": (
        text([[*row, "7"] for row in ROWS], [*HEADER, "id"]).encode(), ["--features", "mi*"],
    ),
    "spaced names.csv": (text(header=[" miles", "minutes ", " fare "]).encode(), []),
    "no ending": (PLAIN, ["--format", "csv"]),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_as_it_comes(told, weights, name):
    content, options = FILES[name]
    with open(name, "wb") as file:
        file.write(content)
    found = told("fit", name, "--target", "fare", *options)
    assert [*found["weights"], found["rows"]] == ["miles", "minutes", 60]
    np.testing.assert_allclose([*found["weights"].values(), found["intercept"]], weights, rtol=1e-9)


def test_without_a_header_columns_have_numbers(told, weights):
    with open("bare.csv", "w") as file:
        file.write(text(header=None))
    for target in ("2", "-1"):
        found = told("fit", "bare.csv", "--no-header", f"--target={target}")
        assert [*found["weights"], found["target"]] == ["0", "1", "-1" if target == "-1" else "2"]
        np.testing.assert_allclose([*found["weights"].values(), found["intercept"]], weights, rtol=1e-9)


def test_an_encoding(told, weights):
    with open("latin.csv", "wb") as file:
        file.write(text(header=["Länge", "minutes", "fare"]).encode("latin-1"))
    found = told("fit", "latin.csv", "--target", "fare", "--encoding", "latin-1")
    assert [*found["weights"]] == ["Länge", "minutes"]
    np.testing.assert_allclose([*found["weights"].values()], weights[:2], rtol=1e-9)


@pytest.mark.parametrize("given", [["2024-1.csv", "2024-2.csv"], ["2024-*.csv"], ["2024.zip/*.csv"]])
def test_several_files(told, weights, given):
    parts = text(ROWS[:25]), text(ROWS[25:])
    for k, part in enumerate(parts, 1):
        with open(f"2024-{k}.csv", "w") as file:
            file.write(part)
    with zipfile.ZipFile("2024.zip", "w") as archive:
        for k, part in enumerate(parts, 1):
            archive.writestr(f"{k}.csv", part)
    found = told("fit", *given, "--target", "fare")
    np.testing.assert_allclose([*found["weights"].values(), found["intercept"]], weights, rtol=1e-9)


class Pipe:
    """Standard input that holds these bytes."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)

    def isatty(self):
        return False


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_standard_input(told, run, monkeypatch, weights, loss):
    ref = told("fit", "plain.csv", "--target", "fare", "--loss", loss)
    monkeypatch.setattr(sys, "stdin", Pipe(PLAIN))
    found = told("fit", "-", "--target", "fare", "--loss", loss, "--save", "m.npz")
    assert found["weights"] == ref["weights"]
    expected = run("predict", "m.npz", "plain.csv")[1]
    monkeypatch.setattr(sys, "stdin", Pipe(PLAIN))
    assert run("predict", "m.npz", "-")[1] == expected
    ref = told("evaluate", "m.npz", "plain.csv")
    monkeypatch.setattr(sys, "stdin", Pipe(gzip.compress(PLAIN)))
    found = told("evaluate", "m.npz", "-")
    assert (found["rows"], found["r2"]) == (60, ref["r2"])


def test_arrays_from_standard_input(told, monkeypatch, weights):
    room = io.BytesIO()
    np.save(room, np.column_stack([X, Y]))
    monkeypatch.setattr(sys, "stdin", Pipe(room.getvalue()))
    found = told("fit", "-", "--format", "npy", "--target", "2")
    np.testing.assert_allclose([*found["weights"].values(), found["intercept"]], weights, rtol=1e-9)


def test_missing_marks_in_categories_and_labels(told, run):
    rows = [[str(k % 7), "Oslo" if k % 3 else "Rome", "yes" if k % 7 > 3 else "no"] for k in range(60)]
    with open("whole.csv", "w") as file:
        file.write(text(rows, ["age", "city", "left"]))
    with open("marked.csv", "w") as file:
        file.write(text([["3", "?", "yes"], *rows, ["4", "Rome", "?"]], ["age", "city", "left"]))
    options = ["--target", "left", "--loss", "log_loss", "--l2", "0.1", "--categories", "city"]
    ref = told("fit", "whole.csv", *options)
    found = told("fit", "marked.csv", *options, "--na", "?", "--missing", "drop")
    assert [*found["weights"]] == ["age", "city=Rome"]
    assert found["accuracy"] == ref["accuracy"] == 1.0  # age tells the label
    np.testing.assert_allclose([*found["weights"].values()], [*ref["weights"].values()], rtol=1e-9)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (text(MARKED), [], 'line 9: "?" in column "miles" is not a number; pass --na ? if it stands'),
        ("My trips\n" + text(), [], "pass --skip-rows 1"),
        (text(header=None), [], "pass --no-header"),
        (text(), ["--exclude", "milse"], 'has no column "milse": did you mean "miles"?'),
        (text(), ["--features", "temp_*"], 'has no column that matches "temp_*"'),
        (text(), ["--skip-rows", "100"], "has 61 lines, and all are skipped"),
        (text(header=["Länge", "b", "fare"]).encode("latin-1"), [], "pass --encoding latin-1"),
    ],
)
def test_a_file_that_needs_an_option_says_which(run, content, options, message):
    with open("odd.csv", "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())
    code, out, err = run("fit", "odd.csv", "--target", "fare", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
