"""The page in a browser: sliders are moved, and the numbers that it shows are those of fits.

Playwright talks to the browser through a pipe, so nothing listens. The browser has no network.
"""

from __future__ import annotations

import contextlib
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import fastgd
from tests.page.pages import X_DATA, Y_DATA, lesson, page_of

BROWSERS = "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"
DESKTOP, TELEPHONE = (1280, 800), (390, 844)
HOSTILE = '</script><script>document.title = "taken"</script><b onclick="x">wide</b> &lt;'

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install '.[browser]'")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser on the path: none of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=found)
        yield running
        running.close()


@contextlib.contextmanager
def opened(browser, path, size=DESKTOP):
    """The page in a window of this size. It must ask for nothing and report no error."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    with contextlib.closing(context):
        context.set_offline(True)
        page, asked, errors = context.new_page(), [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(path.as_uri())
        page.wait_for_selector("#costs .main-svg")
        yield page
        assert errors == []
        assert asked == [path.as_uri()]


def type_in(page, **values):
    """Type numbers beside the sliders."""
    for name, value in values.items():
        page.fill(f"#{name.replace('_', '-')}-number", repr(value))
    settle(page)


def settle(page):
    """Wait until the run is shown."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def choose(page, method):
    page.check(f"[value={method}]")
    settle(page)


def shown(page):
    """The last parameters and the cost, with all their digits."""
    values = "rows => rows.map((row) => row.querySelector('data').value)"
    cells = page.eval_on_selector_all("#numbers tr", values)
    return [float(cell) for cell in cells]


def ranges(page, picture):
    """The ends of both axes of a picture."""
    layout = page.evaluate("(id) => document.getElementById(id).layout", picture)
    return [layout[axis]["range"] for axis in ("xaxis", "yaxis")]


def drawn(page, picture, name):
    """The points of a curve, in the numbers of its axes. Gaps are None."""
    curves = page.evaluate("(id) => document.getElementById(id).data", picture)
    (curve,) = [curve for curve in curves if curve.get("name") == name]
    return list(curve["x"]), list(curve["y"])


def test_the_page_shows_the_run_of_the_lesson(browser, tmp_path):
    fit = fastgd.gradient_descent(X_DATA, Y_DATA, w0=1.0, learning_rate=0.01)
    with opened(browser, lesson(tmp_path)) as page:
        assert page.inner_text("#trace") == fit.trace(digits=2)
        assert shown(page) == pytest.approx([fit.w, fit.cost_history[-1]], rel=1e-9)
        assert "below the limit 0.2143" in page.inner_text("#verdict")
        assert page.inner_text(".limit").endswith("limit 0.2143")
        x, y = drawn(page, "bowl", "each epoch")
        np.testing.assert_allclose(x, fit.w_history, rtol=1e-12)
        np.testing.assert_allclose(y, fit.cost_history, rtol=1e-9)
        x, y = drawn(page, "costs", "cost")
        assert x == list(range(101))
        np.testing.assert_allclose(y, fit.cost_history, rtol=1e-9)
        assert drawn(page, "data", "rows") == (X_DATA, Y_DATA)
        x, y = drawn(page, "data", "after 100 epochs")
        np.testing.assert_allclose(y, np.array(x) * fit.w, rtol=1e-12)


def test_sliders_move_by_keys_and_the_numbers_are_those_of_fits(browser, tmp_path):
    with opened(browser, lesson(tmp_path)) as page:
        page.focus("#rate")
        for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight"):
            page.keyboard.press(key)
        page.focus("#start-0")
        page.keyboard.press("ArrowLeft")
        page.focus("#epochs")
        page.keyboard.press("ArrowRight")
        settle(page)
        assert [page.input_value(f"#{name}-number") for name in ("rate", "start-0", "epochs")] == [
            "0.012", "0.99", "101"
        ]  # fmt: skip
        options = dict(w0=0.99, learning_rate=0.012, n_epochs=101)
        fit = fastgd.gradient_descent(X_DATA, Y_DATA, **options)
        assert shown(page) == pytest.approx([fit.w, fit.cost_history[-1]], rel=1e-9)
        choose(page, "momentum")
        page.focus("#momentum")
        page.keyboard.press("ArrowLeft")
        settle(page)
        fit = fastgd.gradient_descent(X_DATA, Y_DATA, momentum=0.89, **options)
        assert shown(page) == pytest.approx([fit.w, fit.cost_history[-1]], rel=1e-9)
        choose(page, "sgd")
        fit = fastgd.sgd(X_DATA, Y_DATA, **options)
        assert shown(page)[0] == fit.w
        assert page.inner_text("#trace") == fit.trace(digits=2)
        assert "limit 0.1111" in page.inner_text("#verdict")


def test_the_mark_stands_where_the_slider_is_at_the_limit(browser, tmp_path):
    with opened(browser, lesson(tmp_path)) as page:
        limit = fastgd.diagnose(X_DATA, Y_DATA).stability_limit
        slider = page.query_selector("#rate").bounding_box()
        mark = page.query_selector(".limit span").bounding_box()
        low, high = (float(page.get_attribute("#rate", name)) for name in ("min", "max"))
        thumb = 16.0
        expected = slider["x"] + thumb / 2 + (slider["width"] - thumb) * (limit - low) / (high - low)
        assert mark["x"] + mark["width"] / 2 == pytest.approx(expected, abs=3.0)
        assert low < limit < high


def test_beyond_the_limit_the_pictures_keep_their_scale(browser, tmp_path):
    with opened(browser, lesson(tmp_path)) as page:
        for rate, method in ((0.25, "batch"), (2.0, "batch"), (0.4, "sgd"), (1e6, "sgd"), (0.45, "momentum")):
            choose(page, method)
            type_in(page, rate=rate)
            for picture in ("bowl", "data", "costs"):
                ends = np.ravel(ranges(page, picture))
                assert np.isfinite(ends).all()
                assert np.abs(ends).max() < 110.0
            assert max(y for y in drawn(page, "bowl", "each epoch")[1] if y is not None) < 1e10
            text = page.inner_text("#verdict")
            assert "is above the limit" in text
            outside = r"The pictures keep the scale .* \d+ of \d+ epochs? lies? outside"
            assert re.search(f"{outside}|After 0 epochs", text)
        choose(page, "batch")
        type_in(page, rate=2.0, epochs=1000)
        with pytest.raises(fastgd.DivergenceError) as error:
            fastgd.gradient_descent(X_DATA, Y_DATA, w0=1.0, learning_rate=2.0, n_epochs=1000)
        text = page.inner_text("#verdict")
        done = int(re.search(r"After (\d+) epochs the cost becomes too large", text)[1])
        assert abs(done - error.value.result.n_epochs) <= 1
        assert page.eval_on_selector("#epochs-done", "data => Number(data.value)") == done


def test_a_wrong_number_changes_nothing(browser, tmp_path):
    with opened(browser, lesson(tmp_path)) as page:
        before = shown(page)
        for rate in ("", "-1", "0"):
            page.fill("#rate-number", rate)
            settle(page)
            assert shown(page) == before
            is_wrong = "field => field.value === '' || !field.validity.valid"
            assert page.eval_on_selector("#rate-number", is_wrong)


@pytest.mark.parametrize("size", [DESKTOP, (800, 1000), TELEPHONE, (320, 568)])
def test_two_weights_of_many_rows_fit_any_width(browser, tmp_path, size):
    rng = np.random.default_rng(7)
    X = pd.DataFrame({"miles": rng.gamma(2.0, 1.0, 20_000), HOSTILE: rng.gamma(3.0, 1.0, 20_000)})
    y = pd.Series(2.0 * X["miles"] + X[HOSTILE] + rng.normal(size=20_000), name="fare")
    path = page_of(tmp_path, X, y, learning_rate=0.02, n_epochs=30)
    fit = fastgd.gradient_descent(X, y, learning_rate=0.02, n_epochs=30)
    with opened(browser, path, size) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == size[0]
        np.testing.assert_allclose(shown(page), [*fit.w, fit.cost_history[-1]], rtol=1e-9)
        assert page.inner_text("#trace") == fit.trace(digits=2)
        x, y_of_steps = drawn(page, "bowl", "each epoch")
        np.testing.assert_allclose(np.column_stack([x, y_of_steps]), fit.w_history, rtol=1e-9, atol=1e-12)
        x, y_of_rings = (np.array(part, float) for part in drawn(page, "bowl", "equal cost"))
        rings = np.split(np.column_stack([x, y_of_rings]), np.flatnonzero(np.isnan(x)))
        for ring in (rings[1][1:], rings[20][1:]):
            costs = [fastgd.cost(X, y, w) for w in ring[::12]]
            assert len(costs) == 11
            np.testing.assert_allclose(costs, costs[0], rtol=1e-9)
        assert "20,000 rows" in page.inner_text("#about")
        assert "500 rows" in page.inner_text("#about")
        for picture in ("bowl", "data", "costs"):
            box = page.query_selector(f"#{picture} .main-svg").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0]


def test_names_are_shown_as_they_are_and_do_nothing(browser, tmp_path):
    X = pd.DataFrame({HOSTILE: X_DATA})
    path = page_of(tmp_path, X, pd.Series(Y_DATA, name="<i>y</i>"), title=HOSTILE)
    with opened(browser, path) as page:
        assert page.title() == HOSTILE
        assert page.text_content("h1") == HOSTILE
        assert page.text_content("label[for=start-0]") == f"start: w of {HOSTILE}"
        assert page.text_content("#numbers th") == f"w of {HOSTILE}"
        assert page.text_content("#bowl .xtitle") == f"w of {HOSTILE}"[:39] + "…"
        assert page.text_content("#data .ytitle") == "<i>y</i>"
        assert page.query_selector("b, i, [onclick]") is None


def test_every_control_has_a_label_and_takes_keys(browser, tmp_path):
    with opened(browser, page_of(tmp_path, [[1.0], [2.0]], [3.0, 4.0], fit_intercept=True)) as page:
        of_field = "(f.ariaLabel || [...f.labels].map((label) => label.textContent).join()).trim()"
        names = page.eval_on_selector_all("input", f"fields => fields.map((f) => {of_field})")
        assert len(names) == 14
        assert all(names)
        assert len(set(names)) == len(names)
        reached = set()
        for _ in range(20):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.id || document.activeElement.value"))
        assert {"batch", "rate", "rate-number", "start-0", "start-1", "epochs", "log", "trace"} <= reached


def test_a_summary_has_a_page_without_rows(browser, tmp_path):
    summary = fastgd.summarize([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]], [3.0, 1.0, 4.0])
    with opened(browser, page_of(tmp_path, summary, n_epochs=50)) as page:
        assert page.is_disabled("[value=sgd]")
        assert not page.is_visible("#data")
        assert "SGD needs rows" in page.inner_text("#about")
        choose(page, "momentum")
        fit = fastgd.gradient_descent(
            summary, learning_rate=float(page.input_value("#rate-number")), n_epochs=50, momentum=0.9
        )
        np.testing.assert_allclose(shown(page), [*fit.w, fit.cost_history[-1]], rtol=1e-9)


def test_the_logarithmic_axis(browser, tmp_path):
    with opened(browser, lesson(tmp_path)) as page:
        page.check("#log")
        settle(page)
        assert page.evaluate("document.getElementById('costs').layout.yaxis.type") == "log"
        low, high = ranges(page, "costs")[1]
        assert low < np.log10(1.5e-8) < np.log10(4.6) < high
