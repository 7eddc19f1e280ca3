"""The result of fits by group: predictions, tables, text, pickle."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import fastgd

X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0], [1.0, 1.0], [2.0, 0.0], [0.0, 3.0]])
BY = ["b", "b", "b", "b", "a", "a", "b"]
Y = np.where(np.array(BY) == "a", X @ [1.0, -1.0] + 7.0, X @ [2.0, 3.0] + 1.0)


@pytest.fixture
def fits():
    of_groups = fastgd.summarize_groups(X, Y, by=BY)
    return fastgd.gradient_descent(of_groups, fit_intercept=True, precondition=True, l2=1e-12, n_epochs=4)


def test_each_row_is_predicted_by_its_group(fits):
    np.testing.assert_allclose(fits.predict(X[::-1], BY[::-1]), Y[::-1], atol=1e-9)
    np.testing.assert_allclose(fits.predict([[10.0, 1.0]], ["b"]), [24.0])
    with pytest.raises(fastgd.InvalidDataError, match=r"by\[1\] is 'c', which is no group of the fit"):
        fits.predict(X[:2], ["a", "c"])
    with pytest.raises(fastgd.InvalidDataError, match=r"X has shape \(2, 1\); it must be \(n, 2\)"):
        fits.predict(X[:2, :1], ["a", "b"])
    with pytest.raises(fastgd.InvalidDataError, match="by has length 1 and X has 2 rows"):
        fits.predict(X[:2], ["a"])


def test_integer_keys_outside_those_of_the_fit():
    fits = fastgd.gradient_descent(
        fastgd.summarize_groups([1.0, 2.0], [2.0, 6.0], by=[4, 6]), precondition=True
    )
    assert fits.predict([1.0, 1.0, 2.0], [6, 4, 4]).tolist() == [3.0, 2.0, 4.0]
    with pytest.raises(fastgd.InvalidDataError, match=r"by\[1\] is 5, which"):
        fits.predict([1.0, 1.0], [6, 5])


def test_columns_are_selected_by_name():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["p", "q"]).assign(k=BY, m=1)
    of_groups = fastgd.summarize_groups(frame, Y, by=["k", "m"])
    fits = fastgd.gradient_descent(of_groups, fit_intercept=True, precondition=True, l2=1e-12, n_epochs=4)
    assert list(fits) == [("a", 1), ("b", 1)]
    np.testing.assert_allclose(fits.predict(frame[["m", "q", "k", "p"]], ["k", "m"]), Y, atol=1e-9)
    table = fits.to_frame()
    assert list(table.columns[:4]) == ["p", "q", "intercept", "cost"]
    assert table.loc[("b", 1), "q"] == fits.w[1, 1]
    assert table.loc[("a", 1), "n_samples"] == 2


def test_it_is_a_mapping_of_fits(fits):
    assert list(fits) == ["a", "b"]
    assert (len(fits), "a" in fits, "c" in fits) == (2, True, False)
    one = fits["b"]
    assert isinstance(one, fastgd.FitResult)
    np.testing.assert_allclose(one.w, fits.w[1], rtol=1e-12)
    assert len(one.cost_history) == one.n_epochs + 1
    assert one.n_samples == fits.n_samples[1] == 5
    with pytest.raises(KeyError, match="'c' is not one of the 2 groups 'a', 'b'"):
        fits["c"]
    again = pickle.loads(pickle.dumps(fits))
    np.testing.assert_array_equal(again.w, fits.w)
    np.testing.assert_array_equal(again["b"].w, one.w)


def test_text_and_html(fits):
    assert repr(fits).startswith("GroupedFit(2 groups, 2 weights, ")
    assert repr(fits).endswith("converged, 1 not determined by their rows)")
    html = fits._repr_html_()
    assert html.count("<tr>") == 3
    assert "<th>group</th><th>intercept</th><th>0</th><th>1</th><th>cost</th>" in html
    many = fastgd.gradient_descent(
        fastgd.summarize_groups(np.arange(1.0, 51.0), np.ones(50), by=np.arange(50))
    )
    assert "and 30 more" in many._repr_html_()


def test_to_frame_needs_pandas(fits, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match="pip install pandas"):
        fits.to_frame()
