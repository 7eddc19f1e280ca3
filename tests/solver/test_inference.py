"""`fastgd.inference` beside statsmodels on real data, copies of rows, the jackknife the long way, sums."""

from __future__ import annotations

import functools
import itertools
import sys
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

import fastgd
from fastgd import InvalidDataError, inference
from tests.conftest import JIT_IS_OFF

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sm = pytest.importorskip("statsmodels.api")

ROBUST = ["HC0", "HC1", "HC3", "cluster"]


def from_statsmodels(name, target, drop=()):
    frame = getattr(sm.datasets, name).load_pandas().data
    frame = frame.drop(columns=list(drop)).dropna().astype(float)
    return frame.drop(columns=target).to_numpy(), frame[target].to_numpy()


@functools.cache
def real(name):
    if name == "diabetes":
        return load_diabetes(return_X_y=True, scaled=False)
    if name == "statecrime":
        return from_statsmodels(name, "murder")
    if name == "engel":
        return from_statsmodels(name, "foodexp")
    if name == "star98":
        return from_statsmodels(name, "NABOVE", ["PERMINTE_AVYRSEXP_AVSAL"])
    return from_statsmodels("copper", "WORLDCONSUMPTION")


DATA = ["diabetes", "statecrime", "engel", "star98", "copper"]


def agree(ours, theirs, what, tolerance=1e-9):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, err_msg=what)


def both(name, cov_type, has_intercept, weights=None):
    """Our result, and statsmodels' with the intercept as its last column."""
    X, y = real(name)
    groups = np.arange(len(y)) % 24
    Z = np.column_stack([X, np.ones(len(y))]) if has_intercept else X
    model = sm.OLS(y, Z) if weights is None else sm.WLS(y, Z, weights=weights)
    is_cluster = cov_type == "cluster"
    theirs = model.fit(
        cov_type="nonrobust" if cov_type == "classical" else cov_type,
        cov_kwds=dict(groups=groups) if is_cluster else {},
        use_t=True,
    )
    options = dict(clusters=groups) if is_cluster else {}
    ours = inference(X, y, fit_intercept=has_intercept, sample_weight=weights, cov_type=cov_type, **options)
    return ours, theirs


class TestBesideStatsmodels:
    @pytest.mark.parametrize("is_weighted", [False, True])
    @pytest.mark.parametrize("has_intercept", [False, True])
    @pytest.mark.parametrize("cov_type", ["classical", *ROBUST])
    @pytest.mark.parametrize("name", DATA[:2] if JIT_IS_OFF else DATA)
    def test_every_number(self, name, cov_type, has_intercept, is_weighted):
        weights = np.random.default_rng(3).uniform(0.2, 3.0, len(real(name)[1])) if is_weighted else None
        ours, theirs = both(name, cov_type, has_intercept, weights)
        agree(ours.estimates, theirs.params, "estimates")
        agree(ours.standard_errors, theirs.bse, "standard errors")
        agree(ours.t, theirs.tvalues, "t")
        agree(ours.p, theirs.pvalues, "p", 1e-7)  # p of a large t has digits in proportion
        ends = np.abs(theirs.params) + np.abs(theirs.bse)  # an end may be near 0
        assert (np.abs(ours.intervals - theirs.conf_int()).max(axis=1) <= 1e-8 * ends).all()
        scale = np.sqrt(np.outer(np.diag(theirs.cov_params()), np.diag(theirs.cov_params())))
        assert np.abs((ours.covariance - theirs.cov_params()) / scale).max() < 1e-8
        agree(ours.residual_std, np.sqrt(theirs.mse_resid), "residual standard deviation")
        assert ours.df_residual == theirs.df_resid
        assert ours.df == (23 if cov_type == "cluster" else theirs.df_resid)
        if has_intercept or not theirs.k_constant:
            agree(ours.r_squared, theirs.rsquared, "R²")
            agree(ours.adjusted_r_squared, theirs.rsquared_adj, "adjusted R²")
            agree(ours.f, theirs.fvalue, "F", 1e-7)
            agree(ours.f_p, theirs.f_pvalue, "p of F", 1e-5)

    @pytest.mark.parametrize("level", [0.5, 0.99])
    def test_levels(self, level):
        X, y = real("diabetes")
        theirs = sm.OLS(y, X).fit(use_t=True).conf_int(1.0 - level)
        agree(inference(X, y, confidence_level=level).intervals, theirs, "intervals")


class TestFrequencies:
    @pytest.mark.parametrize("has_intercept", [False, True])
    @pytest.mark.parametrize("cov_type", ["classical", *ROBUST])
    def test_a_weight_counts_rows(self, rng, cov_type, has_intercept):
        X, y = rng.normal(2.0, 3.0, size=(400, 3)), rng.normal(size=400)
        y += X.sum(axis=1)
        s, groups = rng.integers(0, 4, 400), rng.integers(0, 12, 400)
        copies = np.repeat(np.arange(400), s)

        def clusters(rows):
            return dict(clusters=groups[rows]) if cov_type == "cluster" else {}

        how = dict(fit_intercept=has_intercept, cov_type=cov_type)
        ours = inference(X, y, sample_weight=s, weights="frequency", **how, **clusters(slice(None)))
        there = inference(X[copies], y[copies], **how, **clusters(copies))
        for what in ("standard_errors", "intervals", "r_squared", "adjusted_r_squared", "f", "df", "vif"):
            agree(getattr(ours, what), getattr(there, what), what)
        assert ours.n_samples == np.count_nonzero(s) < there.n_samples

    def test_analytic_weights_have_no_unit_and_frequencies_do(self, rng):
        X, y = rng.normal(size=(80, 2)), rng.normal(size=80)
        s = fastgd.summarize(X, y)
        agree(inference(3.0 * s).standard_errors, inference(s).standard_errors, "standard errors", 1e-13)
        with pytest.warns(RuntimeWarning, match="multiplied by a number, so their sum is no number of rows"):
            tripled = inference(3.0 * s, weights="frequency")
        assert tripled.df == 238.0


class TestJackknife:
    @pytest.mark.parametrize("has_intercept", [False, True])
    @pytest.mark.parametrize("n", [30, 500, 5000])
    def test_the_long_way(self, rng, n, has_intercept):
        X, y = rng.normal(1.0, 2.0, size=(n, 3)), rng.normal(size=n)
        s = rng.integers(0, 3, n).astype(float)
        groups = min(n, 64)
        fold = np.arange(n) % groups if n <= 4096 else np.arange(n) // 32 % groups
        Z = np.column_stack([X, np.ones(n)]) if has_intercept else X
        root = np.sqrt(s)[:, None]
        counted = [k for k in range(groups) if s[fold == k].any()]
        thetas = []
        for k in counted:
            rest = fold != k
            thetas.append(np.linalg.lstsq((root * Z)[rest], root[rest, 0] * y[rest], rcond=None)[0])
        K = len(thetas)
        moved = np.array(thetas) - np.mean(thetas, axis=0)
        ours = inference(X, y, sample_weight=s, fit_intercept=has_intercept, cov_type="jackknife")
        agree(ours.covariance, (K - 1) / K * moved.T @ moved, "covariance", 1e-8)
        assert ours.df == K - 1
        summary = fastgd.summarize(X, y, sample_weight=s, folds=groups)
        there = inference(summary, fit_intercept=has_intercept, cov_type="jackknife")
        agree(there.covariance, ours.covariance, "of a summary", 1e-12)

    def test_digits_of_columns_far_from_zero(self, rng):
        X, y = rng.normal(size=(400, 2)), rng.normal(size=400)
        near = inference(X, y, fit_intercept=True, cov_type="jackknife")
        X = np.round(X * 2**20) / 2**20
        near = inference(X, y, fit_intercept=True, cov_type="jackknife")
        far = inference(X + 2.0**30, y, fit_intercept=True, cov_type="jackknife")
        agree(far.standard_errors[:2], near.standard_errors[:2], "standard errors", 1e-9)

    @pytest.mark.parametrize("groups", [None, 2, 9])
    def test_too_few_groups(self, rng, groups):
        s = fastgd.summarize(rng.normal(size=(50, 2)), rng.normal(size=50), folds=groups)
        with pytest.raises(InvalidDataError, match=f"needs 10 groups .* are {groups or 0} folds"):
            inference(s, cov_type="jackknife")

    def test_a_column_that_one_group_alone_has(self, rng):
        X, y = rng.normal(size=(100, 2)), rng.normal(size=100)
        X[:, 1] = np.arange(100) == 7
        message = "^without group 7 of 64, column 1 depends on others"
        with pytest.raises(InvalidDataError, match=message):
            inference(X, y, cov_type="jackknife")


class TestSources:
    @pytest.mark.parametrize("cov_type", ["classical", *ROBUST, "jackknife"])
    def test_chunks_and_float32(self, rng, many, cov_type):
        n = many // 10
        X, y = rng.normal(1.0, 1.0, size=(n, 3)).astype(np.float32), rng.normal(size=n)
        options = dict(clusters=np.arange(n) % 37) if cov_type == "cluster" else {}
        cuts = [0, 1, n // 7, n // 2, n]

        def chunks():
            for a, b in itertools.pairwise(cuts):
                yield X[a:b], y[a:b]

        ours = inference(fastgd.chunks(chunks), fit_intercept=True, cov_type=cov_type, **options)
        there = inference(X, y, fit_intercept=True, cov_type=cov_type, **options)
        assert ours.covariance.tobytes() == there.covariance.tobytes()
        doubled = inference(X.astype(float), y, fit_intercept=True, cov_type=cov_type, **options)
        agree(there.standard_errors, doubled.standard_errors, "float32", 1e-12)

    @pytest.mark.parametrize("cov_type", ["classical", *ROBUST, "jackknife"])
    def test_bits_do_not_depend_on_threads(self, rng, threads_for_all, many, cov_type):
        X, y = rng.normal(size=(many, 4)), rng.normal(size=many)
        options = dict(clusters=np.arange(many) % 50) if cov_type == "cluster" else {}
        one, three = (inference(X, y, cov_type=cov_type, n_threads=k, **options) for k in (1, 3))
        assert one.covariance.tobytes() == three.covariance.tobytes()
        assert len(threads_for_all) > 1 or JIT_IS_OFF

    @pytest.mark.parametrize("has_intercept", [False, True])
    def test_rows_a_summary_and_a_sum(self, rng, has_intercept):
        X, y = rng.normal(3.0, 1.0, size=(9000, 4)), rng.normal(size=9000)
        rows = inference(X, y, fit_intercept=has_intercept)
        whole = fastgd.summarize(X, y)
        parts = [fastgd.summarize(X[a:b], y[a:b]) for a, b in [(0, 1), (1, 40), (40, 7000), (7000, 9000)]]
        for s in (whole, sum(parts[::-1]), sum([*parts, whole]) - whole):
            ours = inference(s, fit_intercept=has_intercept)
            agree(ours.covariance, rows.covariance, "covariance", 1e-10)
            agree(ours.intervals, rows.intervals, "intervals", 1e-10)
            assert ours.n_samples == 9000

    def test_a_sum_that_has_lost_its_digits_warns(self):
        x = np.arange(40.0)
        steep, flat = fastgd.summarize(x, 1e9 * x), fastgd.summarize(x[:3], [1.0, 2.5, 3.0])
        with pytest.warns(RuntimeWarning, match="digits of the residual sum of squares"):
            inference((steep + flat) - steep)


class TestAliases:
    @pytest.mark.parametrize("cov_type", ["classical", *ROBUST, "jackknife"])
    def test_the_later_columns_are_left_out(self, rng, cov_type):
        X, y = rng.normal(1.0, 1.0, size=(300, 3)), rng.normal(size=300)
        a, b, c = X.T
        options = dict(clusters=np.arange(300) % 9) if cov_type == "cluster" else {}
        wide = np.column_stack([a, np.full(300, 5.0), b, 2.0 * a - b, 0.0 * a, c, a + b + c])
        ours = inference(wide, y, fit_intercept=True, cov_type=cov_type, **options)
        there = inference(X, y, fit_intercept=True, cov_type=cov_type, **options)
        kept = [0, 2, 5, 7]
        assert ours.aliased == ("1", "3", "4", "6")
        for what in ("estimates", "standard_errors", "p", "intervals", "vif"):
            agree(getattr(ours, what)[kept], getattr(there, what), what, 1e-8)
            assert np.isnan(getattr(ours, what)[[1, 3, 4, 6]]).all()
        assert (ours.df, ours.df_residual) == (there.df, there.df_residual)
        agree(ours.f, there.f, "F", 1e-8)

    def test_an_intercept_alone(self, rng):
        y = rng.normal(size=50)
        ours = inference(np.ones((50, 2)), y, fit_intercept=True)
        assert ours.aliased == ("0", "1")
        agree(ours.estimates[2], y.mean(), "mean")
        agree(ours.standard_errors[2], y.std(ddof=1) / np.sqrt(50), "standard error")
        assert np.isnan(ours.f)

    def test_without_an_intercept_a_constant_column_stays(self, rng):
        X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
        ours = inference(np.column_stack([X, np.ones(60)]), y)
        agree(ours.standard_errors, inference(X, y, fit_intercept=True).standard_errors, "standard errors")
        assert ours.aliased == ()


class TestRefused:
    X, y = np.random.default_rng(1).normal(size=(40, 3)), np.arange(40.0)

    @pytest.mark.parametrize(
        ("given", "error", "message"),
        [
            (
                dict(X=X[:3], y=y[:3]),
                InvalidDataError,
                "3 rows leave no degrees of freedom for 3 coef",
            ),
            (dict(cov_type="HC2"), ValueError, "^cov_type must be 'classical' or 'HC0'"),
            (dict(weights="counts"), ValueError, "^weights must be 'analytic' or 'frequency'"),
            (dict(confidence_level=95), ValueError, "^confidence_level must be between 0 and 1, not 95$"),
            (dict(cov_type="cluster"), ValueError, 'clusters and cov_type="cluster" go together'),
            (dict(clusters=y), ValueError, 'clusters and cov_type="cluster" go together'),
            (
                dict(X=X[:9], y=y[:9], cov_type="jackknife"),
                InvalidDataError,
                "10 groups .* are 9 rows$",
            ),
            (dict(X=fastgd.summarize(X, y)), TypeError, "a Summary has targets and weights of its own"),
            (dict(y=None), TypeError, "^y is missing"),
            (dict(X=np.where(X[5, 1] == X, np.nan, X)), InvalidDataError, r"^X\[5, 1\] is NaN; drop"),
            (dict(y=y * 1e160, cov_type="HC1"), InvalidDataError, "its squares overflow; scale it$"),
        ],
    )
    def test_with_one_sentence(self, given, error, message):
        with pytest.raises(error, match=message):
            inference(**dict(X=self.X, y=self.y) | given)

    @pytest.mark.parametrize("cov_type", ROBUST)
    def test_a_summary_where_rows_are_needed(self, cov_type):
        options = dict(clusters=self.y) if cov_type == "cluster" else {}
        with pytest.raises(ValueError, match=f'a Summary has no rows, and cov_type="{cov_type}" needs them'):
            inference(fastgd.summarize(self.X, self.y), cov_type=cov_type, **options)

    @pytest.mark.parametrize("clusters", ["g", [0, 1, 0]])
    def test_clusters_of_a_summary(self, clusters):
        summary = fastgd.summarize([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])
        with pytest.raises(ValueError, match='^a Summary has no rows, and cov_type="cluster" needs them'):
            fastgd.inference(summary, cov_type="cluster", clusters=clusters)

    def test_a_fit(self):
        fit = fastgd.gradient_descent(self.X, self.y, n_epochs=1)
        with pytest.raises(TypeError, match="X is a FitResult, which holds no rows: pass X and y of the fit"):
            inference(fit, self.y)

    @pytest.mark.parametrize("has_intercept", [False, True])
    def test_a_row_of_leverage_1(self, has_intercept):
        X = np.column_stack([self.X, np.arange(40) == 23])
        with pytest.raises(InvalidDataError, match=r"^X\[23\] has leverage 1: .*use cov_type=\"HC1\"$"):
            inference(X, self.y, fit_intercept=has_intercept, cov_type="HC3")
        assert np.isfinite(inference(X, self.y, cov_type="HC1").standard_errors).all()

    def test_a_row_of_leverage_1_and_weight_0(self):
        X = np.column_stack([self.X, np.arange(40) == 23])
        s = 1.0 - (np.arange(40) == 23)
        for weights in ("analytic", "frequency"):
            ours = inference(X, self.y, sample_weight=s, weights=weights, cov_type="HC3")
            assert ours.aliased == ("3",)
            agree(
                ours.standard_errors[:3],
                inference(X[s > 0, :3], self.y[s > 0], cov_type="HC3").standard_errors,
                "HC3",
            )

    def test_a_process_without_scipy(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "scipy", None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install 'fastgd\[stats\]'"):
            inference(self.X, self.y)
