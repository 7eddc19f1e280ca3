"""`fastgd lesson --html`: the page of the lesson's samples and of a file."""

from __future__ import annotations

import pytest

from tests.page.pages import Elements

pytest.importorskip("plotly", reason="a page needs Plotly: pip install 'fastgd[html]'")


@pytest.fixture
def small(here):
    (here / "pay.csv").write_text("hours,age,points\n1,20,2.5\n2,30,4\n3,25,6.5\n")
    (here / "bad.csv").write_text("hours,points\n1,2\n2,nan\n3,6\n")
    return here


def test_the_page_of_the_lesson(run, here):
    code, out, err = run("lesson", "--html", "page.html", "--digits", 4)
    assert (code, out, err) == (0, "page.html: open it in a browser\n", "")
    numbers = Elements(here / "page.html").numbers
    assert numbers["rows"]["x"] == [[1.0], [2.0], [3.0]]
    assert (numbers["rate"], numbers["start"], numbers["digits"]) == (0.01, [1.0], 4)


@pytest.mark.parametrize(
    ("options", "parameters", "rows"),
    [
        ([], ["w of hours", "w of age"], [[1.0, 20.0], [2.0, 30.0], [3.0, 25.0]]),
        (["--features", "age"], ["w of age"], [[20.0], [30.0], [25.0]]),
        (["--features", "hours", "--intercept"], ["w of hours", "intercept"], [[1, 1], [2, 1], [3, 1]]),
    ],
)  # fmt: skip
def test_the_page_of_a_file(run, small, options, parameters, rows):
    code, _, err = run("lesson", "--html", "page.html", "pay.csv", "--target", "points", *options)
    assert (code, err) == (0, "")
    numbers = Elements(small / "page.html").numbers
    assert numbers["parameters"] == parameters
    assert numbers["target"] == "points"
    assert numbers["rows"]["x"] == rows
    assert numbers["rows"]["y"] == [2.5, 4.0, 6.5]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--html", "p.html", "trips.csv", "--target", "fare"], "the page shows 1 or 2: choose at most two"),
        (["--html", "p.html", "bad.csv", "--target", "points"], "bad.csv"),
        (["--html", "none/p.html"], "there is no folder"),
        (["--html", "pay.csv", "pay.csv", "--target", "points"], "--html would write over pay.csv"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_in_one_sentence(run, small, arguments, message):
    code, out, err = run("lesson", *arguments)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.count("\n") == 1
    assert not (small / "p.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pay.csv"], "belong to --html"),
        (["--intercept"], "--intercept belongs to --html"),
        (["--html", "p.html", "--sgd"], "--sgd, --plot and --animate belong to the printed run"),
        (["--html", "p.html", "pay.csv"], "DATA needs --target"),
        (["--html", "p.html", "--target", "points"], "--target and --features belong to DATA"),
    ],
)
def test_options_that_contradict_each_other(run, capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        run("lesson", *arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err
