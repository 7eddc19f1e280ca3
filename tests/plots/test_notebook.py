"""The HTML of a fit: well-formed, small, escaped, and with the curve of its costs."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import fastgd
from tests.plots.drawn import X, Y, lesson

SVG = "{http://www.w3.org/2000/svg}"


def curve(html):
    """The points of the curve in the picture: its longest path, in points from the top left."""
    paths = [one.get("d", "") for one in ElementTree.fromstring(html).iter(f"{SVG}path")]
    numbers = [re.findall(r"-?[\d.]+", path) for path in paths if "Z" not in path.upper()]
    return np.array(max(numbers, key=len), float).reshape(-1, 2)


def test_the_curve_is_that_of_the_costs():
    fit = lesson(n_epochs=20)
    x, y = curve(fit._repr_html_()).T
    assert len(x) == 21
    np.testing.assert_allclose(np.diff(x), x[1] - x[0], rtol=1e-4)
    heights = (y - y[-1]) / (y[0] - y[-1])
    costs = (fit.cost_history - fit.cost_history[-1]) / (fit.cost_history[0] - fit.cost_history[-1])
    np.testing.assert_allclose(heights, costs, atol=1e-4)


@pytest.mark.parametrize("n_epochs", [100, 100_000])
@pytest.mark.parametrize("d", [1, 300])
def test_it_is_small_and_the_same_each_time(n_epochs, d):
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(50, d))
    fit = fastgd.sgd(columns, rng.normal(size=50), n_epochs=max(20, n_epochs // d), shuffle=True, seed=1)
    html = fit._repr_html_()
    assert "<svg" in html
    assert len(html.encode()) <= 30_000
    assert html == fit._repr_html_()


def test_names_are_escaped():
    frame = pd.DataFrame({"<script>alert(1)</script>": X, 'a"&b': [1.0, 0.0, 2.0]})
    html = fastgd.gradient_descent(frame, Y)._repr_html_()
    assert "<script" not in html
    texts = [one.text for one in ElementTree.fromstring(html).iter("td")]
    assert texts[::2] == ["<script>alert(1)</script>", 'a"&b']


@pytest.mark.parametrize("options", [{"learning_rate": 0.3}, {"learning_rate": 1e60}, {"w0": 1e200}])
def test_a_run_that_diverges_has_its_first_costs_or_the_table(options):
    fit = lesson(on_divergence="ignore", n_epochs=2000, **options)
    html = fit._repr_html_()
    ElementTree.fromstring(html)
    assert ("diverges: drawn up to epoch" in html) == ("w0" not in options)


def test_without_costs_or_matplotlib_there_is_the_table_alone(monkeypatch):
    assert lesson(history=None)._repr_html_().startswith("<table>")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert lesson()._repr_html_().startswith("<table>")


def test_pyplot_is_not_imported():
    program = (
        "import sys, fastgd\n"
        "assert '<svg' in fastgd.gradient_descent([1.0], [2.0], backend='python')._repr_html_()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
