"""Options, names and places in messages, in the spelling of each interface."""

from __future__ import annotations

from fastgd.checks import InvalidDataError, RowPlace
from fastgd.cli.report import COMMAND
from fastgd.wording import (
    PYTHON,
    SHOWN,
    SHOWN_OF_A_NAME,
    Aside,
    Option,
    Words,
    cell,
    column_text,
    listed,
    shown,
)

TEXT = ("pass ", Option("missing", "drop"), ", or ", Option("features", ["a b", "c"]), Aside(" (in Python)"))


def test_each_face_spells_options():
    assert PYTHON.join(TEXT) == 'pass missing="drop", or features=["a b", "c"] (in Python)'
    assert COMMAND.join(TEXT) == "pass --missing drop, or --features 'a b,c'"
    assert [words.option("n_epochs", 7) for words in (PYTHON, COMMAND)] == ["n_epochs=7", "--epochs 7"]
    assert [words.option("standardize", True) for words in (PYTHON, COMMAND)] == [
        "standardize=True",
        "--standardize",
    ]
    error = InvalidDataError("is odd", what="X", column=1, name="a", remedy=TEXT, at=RowPlace("t.csv", 3, 5))
    assert error.worded(COMMAND) == (
        "row 3 of t.csv (line 5): column \"a\" is odd; pass --missing drop, or --features 'a b,c'"
    )


def test_an_interface_renames_options():
    words = Words({"learning_rate": "eta0"})
    assert words.option("learning_rate") == "eta0="
    assert words.join((Option("learning_rate", 0.123456789), "; ", Option("tol", "auto"))) == (
        'eta0=0.123457; tol="auto"'
    )


def test_names_are_cut_and_control_characters_escaped():
    assert shown("a\nb") == '"a\\nb"'
    assert len(shown("x" * 1000)) == SHOWN_OF_A_NAME + 2
    names = [f"c{k}" for k in range(SHOWN + 3)]
    assert listed(names).endswith(f'"c{SHOWN - 1}" and 3 more')
    assert listed(names[:2]) == '"c0", "c1"'


def test_places_of_cells():
    assert [cell("X", 2, "miles"), cell("y", 3, None), cell("w0")] == ["X[2, 'miles']", "y[3]", "w0"]
    assert [column_text("7"), column_text("fare")] == ["column 7", 'column "fare"']
