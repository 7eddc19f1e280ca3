"""The page as Python writes it: its numbers, its rows, its names, its size."""

from __future__ import annotations

import base64
import hashlib
import sys
from fractions import Fraction
from importlib import resources

import numpy as np
import pandas as pd
import pytest

import fastgd
from tests.page.pages import X_DATA, Y_DATA, Elements, lesson, page_of

HOSTILE = '</script><script>document.title = "taken"</script> <b onclick="x">&amp; \u2028 "a" <!-- <script'


def exact_cost(X, y, theta, weights=None):
    """(1/Σ s) Σ s (x·θ − y)² in rational numbers."""
    weights = [1.0] * len(y) if weights is None else weights
    total = Fraction(0)
    for row, target, s in zip(np.reshape(X, (len(y), -1)).tolist(), y, weights, strict=True):
        row = [*row, 1.0][: len(theta)]
        score = sum((Fraction(a) * Fraction(b) for a, b in zip(row, theta, strict=True)), Fraction(0))
        total += Fraction(s) * (score - Fraction(target)) ** 2
    return float(total / sum(map(Fraction, weights)))


def cost_in(bowl, theta):
    delta = np.subtract(theta, bowl["centre"])
    return bowl["cost"] + delta @ bowl["gradient"] + delta @ np.array(bowl["hessian"]) @ delta / 2


def test_the_page_of_the_lesson_has_its_numbers(tmp_path):
    numbers = Elements(lesson(tmp_path)).numbers
    assert numbers["bowl"]["centre"] == [2.0]
    assert numbers["bowl"]["hessian"] == [[pytest.approx(28 / 3, rel=1e-15)]]
    assert (numbers["start"], numbers["rate"], numbers["epochs"], numbers["n"]) == ([1.0], 0.01, 100, 3)
    assert 1 / numbers["eigenvalues"][1] == pytest.approx(3 / 14, rel=1e-15)
    assert numbers["rows"] == {"x": [[1.0], [2.0], [3.0]], "y": Y_DATA, "weights": None, "among": 3}
    assert (numbers["features"], numbers["target"], numbers["parameters"]) == (["x"], "y", ["w"])


@pytest.mark.parametrize("case", ["one weight", "two weights", "an intercept", "weights"])
def test_the_bowl_is_the_cost_of_all_rows(tmp_path, case):
    rng = np.random.default_rng(3)
    X = rng.normal(1.0, 2.0, (800, 2 if case == "two weights" else 1))
    y = X.sum(axis=1) + 3.0 + rng.normal(size=800)
    weights = rng.integers(0, 4, 800).astype(float) if case == "weights" else None
    has_intercept = case in ("an intercept", "weights")
    page = page_of(tmp_path, X, y, fit_intercept=has_intercept, sample_weight=weights)
    numbers = Elements(page).numbers
    assert numbers["n"] == 800
    assert numbers["start"] == [0.0] * len(numbers["bowl"]["centre"])
    for theta in rng.normal(0.0, 3.0, (5, len(numbers["bowl"]["centre"]))):
        expected = exact_cost(X, y, theta.tolist(), weights)
        assert cost_in(numbers["bowl"], theta) == pytest.approx(expected, rel=1e-12)
    best = numbers["bowl"]["centre"]
    roots = np.ones(800) if weights is None else weights**0.5
    design = np.hstack([X, np.ones((800, int(has_intercept)))])
    expected = np.linalg.lstsq(design * roots[:, None], y * roots, rcond=None)[0]
    np.testing.assert_allclose(best, expected, rtol=1e-10)


def test_every_source_has_the_same_page(tmp_path):
    rng = np.random.default_rng(4)
    X = pd.DataFrame({"hours": rng.normal(size=9000), "age": rng.normal(size=9000)})
    y = pd.Series(X["hours"] - X["age"] + rng.normal(size=9000), name="points")
    X.assign(points=y).to_csv(tmp_path / "rows.csv", index=False)
    sources = [
        (X, y),
        (fastgd.chunks(lambda: ((X[k : k + 700], y[k : k + 700]) for k in range(0, 9000, 700))),),
        (fastgd.read_table(tmp_path / "rows.csv", target="points"),),
    ]
    first, *others = [Elements(page_of(tmp_path, *source)).numbers for source in sources]
    assert first["features"] == ["hours", "age"]
    assert first["parameters"] == ["w of hours", "w of age"]
    assert first["title"] == "Gradient descent: points from hours and age"
    for other in others:
        assert {**other, "target": 0, "title": 0} == {**first, "target": 0, "title": 0}
    assert others[1]["target"] == "points"


def test_the_drawn_rows_are_spread_evenly_and_keep_their_order(tmp_path):
    X, y = np.arange(100_000.0), np.arange(100_000.0) ** 0.5
    rows = Elements(page_of(tmp_path, X, y)).numbers["rows"]
    x = np.array(rows["x"])[:, 0]
    assert len(x) == len(rows["y"]) == 500
    assert (x[0], x[-1]) == (0.0, 99_999.0)
    assert set(np.diff(x)) <= {200.0, 201.0}
    assert rows["y"] == (x**0.5).tolist()
    assert rows["among"] == 100_000


def test_up_to_500_rows_are_all_there(tmp_path):
    X, y = np.arange(500.0)[::-1], np.ones(500)
    rows = Elements(page_of(tmp_path, X, y, fit_intercept=True)).numbers["rows"]
    assert rows["x"] == [[x, 1.0] for x in X]


def test_a_stream_that_is_read_once_shows_some_of_its_first_rows(tmp_path):
    pa = pytest.importorskip("pyarrow")
    x = np.arange(400_000.0)
    table = pa.table({"x": x, "y": 2 * x})
    stream = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=1000))
    numbers = Elements(page_of(tmp_path, fastgd.read_table(stream, target="y"))).numbers
    assert numbers["n"] == 400_000
    assert numbers["bowl"]["centre"] == [pytest.approx(2.0)]
    rows = numbers["rows"]
    assert 500 < rows["among"] < 400_000
    assert rows["x"][0][0] == 0.0
    assert rows["x"][-1][0] == rows["among"] - 1


def test_a_summary_has_no_rows(tmp_path):
    summary = fastgd.summarize(X_DATA, Y_DATA)
    numbers = Elements(page_of(tmp_path, summary)).numbers
    assert numbers["rows"] is None
    assert numbers["mean"] == 2.0
    assert numbers["deviation"] == pytest.approx((2 / 3) ** 0.5)


def test_names_are_text_wherever_they_stand(tmp_path):
    X = pd.DataFrame({HOSTILE: [1.0, 2.0, 3.0]})
    page = Elements(page_of(tmp_path, X, pd.Series(Y_DATA, name=HOSTILE), title=HOSTILE))
    tags = [tag for tag, _ in page.found]
    assert tags.count("script") == 5
    assert tags.count("b") == 0
    assert page.texts["title"] == page.texts["h1"] == [HOSTILE]
    assert page.numbers["features"] == [HOSTILE]
    assert page.numbers["target"] == HOSTILE


def test_the_page_asks_for_nothing_and_runs_its_own_scripts_alone(tmp_path):
    page = Elements(lesson(tmp_path))
    for tag, attributes in page.found:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert not {"src", "href", "action"} & set(attributes)
    (policy,) = [a["content"] for tag, a in page.found if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    for script in page.texts["script"][1:]:
        code = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{code}'" in policy


def test_the_page_is_small(tmp_path):
    X = np.random.default_rng(0).normal(size=(20_000, 2))
    assert page_of(tmp_path, X, X.sum(axis=1)).stat().st_size < 6_000_000


def test_the_parts_of_the_page_are_in_the_package():
    names = {part.name for part in resources.files("fastgd.page").iterdir()}
    assert {"page.html", "page.css", "page.js", "pictures.js", "lesson.js"} <= names


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(path=None), TypeError, "path is missing: name the file to write"),
        (dict(X=np.ones((3, 3))), ValueError, "X has 3 columns, and the page shows 1 or 2: choose"),
        (dict(X=np.ones((3, 2)), fit_intercept=True), ValueError, "3 parameters .*leave the intercept out"),
        (dict(X=[0.0, 0.0, 0.0]), ValueError, "X is 0 in every row"),
        (dict(X=[1.0, float("nan"), 2.0]), ValueError, r"X\[1\] is NaN"),
        (dict(w0=[1.0]), ValueError, r"w0 has shape \(1,\)"),
        (dict(w0=1e150), ValueError, "the cost at w0 is too large to draw"),
        (dict(learning_rate=0.0), ValueError, "learning_rate must be positive"),
        (dict(n_epochs=10_001), ValueError, "n_epochs"),
        (dict(digits=18), ValueError, "digits"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused_and_an_old_page_stays(tmp_path, change, error, message):
    pytest.importorskip("plotly")
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(error, match=message):
        fastgd.explore(**dict(X=X_DATA, y=Y_DATA, path=path) | change)
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_without_plotly_the_error_names_the_extra_before_any_row_is_read(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)

    def rows():
        raise AssertionError("read")
        yield

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastgd\[html\]'"):
        fastgd.explore("no data", rows, tmp_path / "page.html")
