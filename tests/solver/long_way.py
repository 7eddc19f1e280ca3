"""Penalised least squares the long way: from the rows, with residuals in extended precision."""

from __future__ import annotations

import itertools

import numpy as np


def centred(X, y, s, fit_intercept):
    """√s·(x − mean), √s·(y − mean), and the means, which are 0 without an intercept."""
    X, y, s = (values.astype(np.longdouble) for values in (X, y, s))
    mean, y_mean = (s @ X / s.sum(), s @ y / s.sum()) if fit_intercept else (np.zeros(X.shape[1]), 0.0)
    root = np.sqrt(s)
    return (X - mean) * root[:, None], (y - y_mean) * root, mean, y_mean


def without_l1(A, b, ridge):
    """The least |A w − b|² + ridge·|w|², as least squares with d more rows, in columns of length 1."""
    d = A.shape[1]
    more, right = np.vstack([A, np.sqrt(ridge) * np.eye(d)]), np.append(b, np.zeros(d))
    length = np.linalg.norm(more.astype(float), axis=0)
    unit, w = (more / length).astype(float), np.zeros(d, np.longdouble)
    for _ in range(4):
        rest = (right - more @ w).astype(float)
        w = w + np.linalg.lstsq(unit, rest, rcond=None)[0] / length
    return w


def with_l1(A, b, ridge, lam):
    """The least |A w − b|² + ridge·|w|² + 2·lam·Σ|w|: of all patterns of signs the one that is an optimum.

    With A⁺ the pseudo-inverse of the columns of weights that are not 0, w = A⁺b − lam (AᵀA)⁻¹ signs.
    """
    d = A.shape[1]
    A, b = np.vstack([A, np.sqrt(ridge) * np.eye(d)]).astype(float), np.append(b, np.zeros(d)).astype(float)
    best, least = np.zeros(d), np.inf
    for signs in itertools.product((-1.0, 0.0, 1.0), repeat=d):
        signs, w = np.array(signs), np.zeros(d)
        on = signs != 0.0
        if on.any():
            R = np.linalg.qr(A[:, on])[1]
            back = np.linalg.solve(R, np.linalg.solve(R.T, signs[on]))
            w[on] = np.linalg.lstsq(A[:, on], b, rcond=None)[0] - lam * back
        value = np.sum((A @ w - b) ** 2) + 2.0 * lam * np.abs(w).sum()
        if (w * signs >= 0.0).all() and value < least:
            best, least = w, value
    return best


def fit(X, y, s, l1, l2, fit_intercept):
    A, b, mean, y_mean = centred(X, y, s, fit_intercept)
    lam, ridge = 0.5 * s.sum() * l1, 0.5 * s.sum() * l2
    w = with_l1(A, b, ridge, lam) if l1 else without_l1(A, b, ridge)
    return w, y_mean - mean @ w


def cost(X, y, s, w, intercept):
    return s @ (y - X @ w - intercept) ** 2 / s.sum()


def costs(X, y, s, folds, l1, l2, fit_intercept):
    """The cost on each fold, (n_l1, n_l2, n_folds)."""
    out = np.empty((len(l1), len(l2), folds.max() + 1))
    for (i, a), (j, b), k in itertools.product(enumerate(l1), enumerate(l2), range(folds.max() + 1)):
        kept = folds != k
        model = fit(X[kept], y[kept], s[kept], a, b, fit_intercept)
        out[i, j, k] = cost(X[~kept], y[~kept], s[~kept], *model)
    return out
