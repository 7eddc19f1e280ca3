"""Data and usage that cannot be: one sentence, and exit code 2."""

from __future__ import annotations

import builtins
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import fastgd
from fastgd.cli.main import main
from tests.cli.trips import FEW, GD, TABLE, N, X, Y, rows


def csv_of(**changed):
    """The trips, with another text in some lines."""
    lines = Path("trips.csv").read_text().splitlines()
    for line, text in changed.items():
        lines[int(line[1:]) - 1] = text
    return "\n".join(lines) + "\n"


BAD_FITS = {
    "text": (
        lambda: csv_of(_200="1,x,0,5,1"),
        [],
        'trips.csv, line 200: "x" in column "minutes" is not a number',
    ),
    "short row": (lambda: csv_of(_9="1,2"), [], "trips.csv, line 9 has 2 fields, and the header 5"),
    "too large": (
        lambda: csv_of(_9="1e999,2,3,4,1"),
        [],
        'row 7 of trips.csv (line 9): column "miles" is infinite; drop such rows or fill them',
    ),
    "target too large": (
        lambda: csv_of(_9="1,2,3,1e999,1"),
        [],
        'row 7 of trips.csv (line 9): column "fare" is infinite; drop such rows or fill them',
    ),
    "missing": (
        lambda: csv_of(_9="1,,0,5,1", _10="1,,0,,1"),
        [],
        'trips.csv: "minutes" has 2 missing values, "fare" 1; pass --missing drop, or fill them',
    ),
    "classes": (
        lambda: csv_of(),
        ["--loss", "log_loss"],
        'trips.csv: column "fare" holds 281 labels, "5.58" (1), "6.85" (1), "7.04" (1), "7.39" (1), '
        '"7.48" (1) and 276 more; log_loss needs two',
    ),
    "weight": (
        lambda: csv_of(_9="1,2,0,5,-1"),
        ["--weight", "times"],
        'row 7 of trips.csv (line 9): column "times" is -1; weights must be finite and not negative',
    ),
    "empty": (lambda: "", [], "trips.csv is empty"),
    "header only": (lambda: "miles,minutes,night,fare,times\n", [], "trips.csv has no rows"),
    "open quote": (lambda: csv_of(_9='1,"2,3,4,1'), [], "trips.csv"),
}


@pytest.mark.parametrize("case", BAD_FITS)
def test_bad_tables_are_one_sentence(run, case):
    text, arguments, message = BAD_FITS[case]
    Path("trips.csv").write_text(text())
    code, out, err = run("fit", "trips.csv", "--target", "fare", *FEW, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"fastgd: {message}")
    assert err.count("\n") == 1


def test_missing_rows_can_be_dropped(told):
    Path("trips.csv").write_text(csv_of(_9="1,,0,5,1", _10="1,2,0,,1"))
    found = told(
        "fit", "trips.csv", "--target", "fare", *FEW, "--missing", "drop", "--tol", "none", "--epochs", 4
    )
    kept = np.delete(np.arange(N), [7, 8])
    ref = fastgd.gradient_descent(X[kept], Y[kept], **GD | dict(n_epochs=4, tol=None))
    assert (found["rows"], found["rows_left_out"]) == (N - 2, 2)
    assert list(found["weights"].values()) == ref.w.tolist()


def test_columns_of_text_are_named_with_the_remedy_as_it_is_typed(run):
    table = TABLE.append_column("who", pa.array(["me"] * N)).rename_columns(
        ["miles", "min, utes", "night", "fare", "times", "who"]
    )
    csv.write_csv(table, "more.csv")
    code, _, err = run("fit", "more.csv", "--target", "fare", "--weight", "times")
    assert code == 2
    assert '"who" (text, "me" in line 2)' in err
    remedy = """--features 'miles,"min, utes",night'"""
    assert err.endswith(f"; name those to use, {remedy}, or encode text by levels, --categories who\n")
    names = 'miles,"min, utes",night'
    assert run("fit", "more.csv", "--target", "fare", "--features", names)[0] == 0


def test_other_bad_data(run, here):
    parquet.write_table(TABLE, "t.parquet")
    whole = Path("t.parquet").read_bytes()
    Path("t.parquet").write_bytes(whole[: len(whole) // 2])
    np.save("t.npy", rows())
    whole = Path("t.npy").read_bytes()
    Path("cut.npy").write_bytes(whole[:-9])
    np.save("objects.npy", np.array([[1, None]]), allow_pickle=True)
    np.save("text.npy", np.array([["a", "b"]]))
    np.save("line.npy", np.arange(3.0))
    bad = rows()
    bad[5, 1], bad[6, 3] = np.inf, np.nan
    np.save("bad.npy", bad)
    np.savez("odd.npz", X=X, y=Y[:-1])
    shutil.copy("trips.csv", "trips.xlsx")
    for arguments, message in [
        (["t.parquet", "--target", "fare"], "t.parquet cannot be read, it is damaged or cut short"),
        (["cut.npy", "--target", "0"], "cut.npy is cut short"),
        (["objects.npy", "--target", "0"], "objects.npy holds Python objects, which are never read"),
        (["text.npy", "--target", "0"], "text.npy holds text (<U1); it must hold real numbers"),
        (["line.npy", "--target", "0"], "line.npy has shape (3,); it must have rows and columns"),
        (["bad.npy", "--target", "3"], "row 5 of bad.npy: column 1 is infinite; drop such rows"),
        (["bad.npy", "--target", "3", "--features", "0"], "row 6 of bad.npy: column 3 is NaN; drop such"),
        (["t.npy", "--target", "fare"], "t.npy has no names of columns: give the number of one, 0 to 4"),
        (["t.npy", "--target", "5"], "t.npy has no column 5; it has columns 0 to 4"),
        (["t.npy", "--target", "0", "--features", "0,1"], "the target, column 0, is among the features"),
        (["t.npy", "--target", "0", "--features", "1,1"], "column 1 is twice among the features"),
        (["t.npy", "--target", "0", "--weight", "0"], "the weight, column 0, is the target too"),
        (["t.npy", "--target", "0", "--missing", "drop"], "--missing drop is for tables"),
        (["odd.npz", "--target", "z"], 'odd.npz has no array "z"; it has X, y'),
        (["odd.npz", "--target", "y"], "y has 299 rows and X has 300; they must agree"),
        (["trips.xlsx", "--target", "fare"], "trips.xlsx has an unknown ending"),
        (["none.csv", "--target", "fare"], "there is no file or folder none.csv"),
        (["none.npy", "--target", "0"], "none.npy: No such file or directory"),
        (["trips.csv", "--target", "fair"], 'trips.csv has no column "fair": did you mean "fare"?'),
        (["trips.csv", "--target", "fare", "--features", "mile"], 'trips.csv has no column "mile"'),
        (["trips.csv", "--target", "fare", "--features", "fare"], 'the target "fare" is among the features'),
        (["trips.csv", "--target", "fare", "--l1", "-1"], "l1 must not be negative, not -1.0"),
        (["trips.csv", "--target", "fare", "--save", "no/m.npz"], "there is no folder"),
        (["trips.csv", "--target", "fare", "--save", "trips.csv"], "--save would write over trips.csv"),
        (["trips.csv", "--target", "fare", "--resume", "none.npz"], "none.npz: No such file or directory"),
    ]:
        code, out, err = run("fit", *arguments)
        assert (code, out) == (2, ""), arguments
        assert err.startswith(f"fastgd: {message}"), err
        assert err.count("\n") == 1


LABELS = {
    "one class": ("1", "1", 'holds 1 label, "1" ({n}); log_loss needs two'),
    "one word": ("no", "no", 'holds 1 label, "no" ({n}); log_loss needs two'),
    "three": ("maybe", "yes", 'holds 3 labels, "maybe" ({0}), "no" ({few}), "yes" ({1}); log_loss needs two'),
}


@pytest.mark.parametrize("case", LABELS)
@pytest.mark.parametrize("n", [40, 9000])
def test_labels_that_log_loss_cannot_take(run, case, n):
    no, yes, sentence = LABELS[case]
    labels = [yes if i % 40 > 20 else no for i in range(n)]
    if case == "three":
        labels[::40] = ["no"] * (n // 40)
    Path("games.csv").write_text("x,won\n" + "".join(f"{i % 40},{one}\n" for i, one in enumerate(labels)))
    code, out, err = run("fit", "games.csv", "--target", "won", "--loss", "log_loss")
    assert (code, out) == (2, "")
    counts = {"n": f"{n:,}", "few": n // 40}
    told = sentence.format(*(f"{labels.count(one):,}" for one in (no, yes)), **counts)
    assert err == f'fastgd: games.csv: column "won" {told}\n'


def test_a_third_label_after_the_first_rows(run):
    rows = [f"{k},{k % 2}" for k in range(400_000)]
    Path("games.csv").write_text("x,won\n" + "\n".join([*rows, "1,2"]) + "\n")
    code, _, err = run("fit", "games.csv", "--target", "won", "--loss", "log_loss")
    assert code == 2
    assert 'column "won" is 2; log_loss takes y of 0 and 1: encode the classes as 0 and 1' in err


def test_one_class_of_rows_that_count_or_in_arrays(run):
    Path("games.csv").write_text("x,won,s\n1,0,0\n2,1,1\n3,1,2\n")
    code, _, err = run("fit", "games.csv", "--target", "won", "--weight", "s", "--loss", "log_loss")
    assert (code, "holds one class only, 1" in err) == (2, True)
    np.save("t.npy", [[1.0, 1.0], [2.0, 1.0]])
    np.savez("t.npz", X=[[1.0], [2.0]], y=[1.0, 1.0])
    for name, target, column in (("t.npy", "1", "1"), ("t.npy", "-1", "1"), ("t.npz", "y", '"y"')):
        code, _, err = run("fit", name, "--target", target, "--loss", "log_loss")
        assert code == 2
        assert err.startswith(f"fastgd: {name}: column {column} holds one class only, 1")
    assert run("fit", "games.csv", "--target", "won")[0] == 0  # squared errors take it


@pytest.mark.parametrize("more", [[], ["--delimiter", "semicolon", "--decimal", ","]])
def test_a_spreadsheet_s_file_is_recognised_or_forced(run, told, more):
    text = Path("trips.csv").read_text().replace(",", ";").replace(".", ",")
    want = told("fit", "trips.csv", "--target", "fare")["weights"]
    Path("trips.csv").write_text(text)
    assert told("fit", "trips.csv", "--target", "fare", *more)["weights"] == want
    _, _, err = run("diagnose", "trips.csv", "--target", "fare", *more)
    said = (
        "fastgd: trips.csv is read with semicolons between fields, decimal commas (--delimiter and --decimal"
    )
    assert err.startswith(said) if not more else err == ""
    code, _, err = run("fit", "trips.csv", "--target", "fare", "--delimiter", "tab")
    assert code == 2
    assert err.endswith("; it is read with tabs between fields: pass --delimiter for others\n")
    Path("prices.csv").write_text('x,y\n"1,250",2\n"12,500",3\n')
    assert run("fit", "prices.csv", "--target", "y", "--features", "x")[2].endswith(
        'pass --decimal ",", or --thousands "," if it separates thousands\n'
    )
    np.save("t.npy", rows())
    assert run("fit", "t.npy", "--target", 0, "--decimal", ",")[2].endswith("leave out --decimal\n")


NO_PYARROW = "tables in files need pyarrow: pip install 'fastgd[io]'"


@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("pyarrow", ["fit", "trips.csv", "--target", "fare"], NO_PYARROW),
        ("pyarrow", ["predict", "m.npz", "trips.csv"], NO_PYARROW),
        (
            "pyarrow",
            ["predict", "m.npz", "x.npy", "--out", "p.parquet"],
            "--out of .parquet needs pyarrow: pip install 'fastgd[io]'",
        ),
        (
            "matplotlib",
            ["fit", "trips.csv", "--target", "fare", "--plot", "p.png"],
            "plots need matplotlib: pip install 'fastgd[plot]'",
        ),
    ],
)  # fmt: skip
def test_without_an_extra_its_install_line(run, model, monkeypatch, module, arguments, message):
    np.save("x.npy", X)
    imported = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    code, out, err = run(*arguments)
    assert (code, out, err) == (2, "", f"fastgd: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "trips.csv"], "the following arguments are required: --target"),
        (["fit", "a.csv", "--target", "y", "--features", ""], "argument --features: '' is no list of names"),
        (["fit", "a.csv", "--target", "y", "--features", "a,,b"], "is no list of names, a,b,c"),
        (["fit", "a.csv", "--target", "y", "--epochs", "0"], "argument --epochs: 0 is not between 1 and"),
        (["fit", "a.csv", "--target", "y", "--learning-rate", "x"], "'x' is neither \"auto\" nor a number"),
        (["fit", "a.csv", "--target", "y", "--tol", "x"], "'x' is neither \"auto\" nor \"none\""),
        (["fit", "a.csv", "--target", "y", "--solver", "adam"], "argument --solver: invalid choice: 'adam'"),
        (["fit", "a.csv", "--target", "y", "--shuffle"], "--shuffle belongs to --solver sgd"),
        (["fit", "a.csv", "--target", "y", "--seed", "1"], "--seed belongs to --shuffle"),
        (["fit", "a.csv", "--target", "y", "--solver", "sgd", "--nesterov"], "--nesterov belongs to"),
        (["fit", "a.csv", "--target", "y", "--checkpoint-every", "9"], "belongs to --checkpoint"),
        (
            ["diagnose", "a.csv", "--target", "y", "--solver", "sgd", "--l2", "1"],
            "--l2 of diagnose belongs to --solver gd",
        ),
        (["predict", "m.npz"], "the following arguments are required: DATA"),
    ],
)  # fmt: skip
def test_wrong_usage_ends_with_2_and_a_sentence(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


DATA_OPTIONS = [
    "DATA", "--target", "--features", "--weight", "--missing", "--solver", "--learning-rate", "--l2",
    "--standardize", "--no-standardize", "--delimiter", "--decimal", "--format", "--na", "--no-header",
    "--thousands", "--skip-rows", "--encoding", "--exclude",
]  # fmt: skip
HELP = {
    "fit": [
        *DATA_OPTIONS, "--loss", "--l1", "--epochs", "1000", "100,000", "--intercept", "--no-intercept",
        "--tol", "--nesterov", "--no-nesterov", "--shuffle", "--seed", "--save", "--checkpoint",
        "--checkpoint-every", "--resume", "--json", "--plot", "--strict", "--allow-unconverged",
        "--no-progress", "Exit code 1", "the default",
    ],
    "predict": ["model", "DATA", "--features", "--missing", "--out", ".parquet", "log-odds"],
    "diagnose": [*DATA_OPTIONS, "--json", "--no-intercept"],
}  # fmt: skip


@pytest.mark.parametrize("command", HELP)
def test_help_names_every_option(capsys, command):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = " ".join(capsys.readouterr().out.split())  # a line may end within words
    assert [word for word in HELP[command] if word not in out] == []
