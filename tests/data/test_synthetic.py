"""make_linear: its bits against the plain loops, its numbers against the normal distribution."""

import math
import os

import numpy as np
import pytest
from scipy import stats

from fastgd import reference
from fastgd.data import backend
from fastgd.data.synthetic import make_linear
from fastgd.engine import blocks

INTERPRETED = os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")
MANY = 20_000 if INTERPRETED else 2_000_000
SHAPES = [None, 1, 2, 3, 7, 64, 257]


def data_bytes(data):
    return [np.asarray(part).tobytes() for part in data]


# The generator


def test_elementary_functions_are_exact_to_rounding():
    rng = np.random.default_rng(0)
    for u in [
        1.0,
        1 - 2.0**-53,
        2.0**-53,
        0.5,
        math.sqrt(0.5),
        *rng.random(2000),
        *2.0 ** -rng.uniform(0, 53, 2000),
    ]:
        assert reference.log(u) == pytest.approx(math.log(u), rel=4e-16, abs=0)
    for x in [2.0**-54, math.pi / 4, *rng.uniform(0, math.pi / 4, 2000)]:
        assert reference.sine(x) == pytest.approx(math.sin(x), rel=4e-16, abs=0)
        assert reference.cosine(x) == pytest.approx(math.cos(x), rel=4e-16, abs=0)


def test_the_angle_reaches_the_eight_octants():
    x, y = np.array([reference.normal_pair(p, 0, 0, 0) for p in range(2000)]).T
    octant = 4 * (x > 0) + 2 * (y > 0) + (np.abs(x) > np.abs(y))
    assert np.bincount(octant).min() > 200


def test_the_bits_of_this_version():
    """Written down so that a change of every number does not pass unseen."""
    assert [z.hex() for z in reference.normals(4, 0, 0, 0)] == [
        "0x1.d8ff1ec7ca229p-3",
        "0x1.cb414de231cf0p-2",
        "-0x1.6cbe4ed7455fap+0",
        "-0x1.542341caeafefp-5",
    ]


# The same bits


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 4095, 4096, 4097])
@pytest.mark.parametrize("d", SHAPES)
def test_kernels_equal_plain_loops_to_the_bit(d, n, dtype):
    n = min(n, 2 * blocks.block_rows(d or 1) + 1, n // 16 + 1 if INTERPRETED or (d or 1) > 7 else n)
    options = {"noise": 0.5, "intercept": 0.25, "seed": 2**64 - 7, "dtype": dtype}
    comp = make_linear(n, d, backend="numba", **options)
    ref = make_linear(n, d, backend="python", **options)
    assert data_bytes(comp) == data_bytes(ref)


@pytest.mark.parametrize("d", SHAPES)
def test_fewer_rows_are_the_first_rows_of_more(d):
    block = 128 if INTERPRETED and d in (257, 64) else blocks.block_rows(d or 1)
    n = 2 * block + 33
    X, y, w = make_linear(n, d, noise=1.0, seed=5)
    for fewer in {1, 2, 3, block - 1, block, block + 1, 2 * block + 32}:
        part = make_linear(fewer, d, noise=1.0, seed=5)
        assert data_bytes(part) == data_bytes((X[:fewer], y[:fewer], w))


@pytest.mark.parametrize("d", [None, 1, 3, 100])
def test_threads_do_not_change_a_bit(d):
    n = 9000 if INTERPRETED and d in (None, 1) else 700 if INTERPRETED else 100_003
    one = data_bytes(make_linear(n, d, noise=1.0, n_threads=1))
    for n_threads in (2, 3, 16):
        assert data_bytes(make_linear(n, d, noise=1.0, n_threads=n_threads)) == one


def test_every_run_is_filled():
    X, y, _ = make_linear(MANY, noise=1.0, n_threads=4)
    assert len(np.unique(X)) == len(np.unique(y)) == MANY


# Shapes, types, the formula


@pytest.mark.parametrize("dtype", [np.float64, np.float32, "float32", np.dtype("f8"), float])
@pytest.mark.parametrize("d", [None, 1, 5])
def test_shapes_and_types(d, dtype):
    X, y, w = make_linear(10, d, dtype=dtype)
    assert X.shape == ((10,) if d is None else (10, d))
    assert y.shape == (10,)
    assert X.dtype == y.dtype == np.dtype(dtype)
    assert X.flags.c_contiguous
    assert isinstance(w, float) if d is None else (w.shape == (d,) and w.dtype == np.float64)


@pytest.mark.parametrize("intercept", [0.0, -1.7])
@pytest.mark.parametrize("d", SHAPES)
def test_without_noise_y_is_the_plain_sum(d, intercept):
    X, y, w = make_linear(53, d, intercept=intercept, seed=3)
    plain_w = w if d is None else w.tolist()
    assert y.tolist() == [reference.forward(x, plain_w) + intercept for x in X.tolist()]


def test_float32_rounds_x_then_y():
    X, y, w = make_linear(500, 3, intercept=1.0, noise=2.0, seed=4, dtype=np.float32)
    X64, _, w64 = make_linear(500, 3, seed=4)
    eps = make_linear(500, 3, w=[0, 0, 0], noise=2.0, seed=4)[1]
    assert np.array_equal(X, X64.astype(np.float32))
    assert w.tobytes() == w64.tobytes()
    x0, x1, x2 = X.astype(np.float64).T
    exact = x0 * w[0] + x1 * w[1] + x2 * w[2] + 1.0 + eps
    assert np.array_equal(y, exact.astype(np.float32))


def test_noise_changes_y_only():
    X, y, w = make_linear(100, 4, seed=9)
    X_noisy, y_noisy, w_noisy = make_linear(100, 4, noise=0.1, seed=9)
    assert data_bytes((X, w)) == data_bytes((X_noisy, w_noisy))
    assert 0.05 < np.std(y_noisy - y) < 0.2


def test_given_weights_are_used_and_copied():
    mine = np.array([1, -2, 3])
    X, y, w = make_linear(20, 3, w=mine, seed=1)
    assert w.tolist() == [1.0, -2.0, 3.0]
    assert not np.shares_memory(w, mine)
    assert np.array_equal(y, X[:, 0] * 1.0 + X[:, 1] * -2.0 + X[:, 2] * 3.0)
    X1, y1, w1 = make_linear(20, w=2, seed=1)
    assert type(w1) is float
    assert np.array_equal(y1, X1 * 2.0)


@pytest.mark.parametrize("d", [None, 1, 2, 3000])
def test_drawn_weights_depend_on_seed_and_columns_alone(d):
    w = make_linear(1, d, seed=8)[2]
    assert data_bytes([w]) == data_bytes([make_linear(9, d, seed=8, noise=1.0, dtype=np.float32)[2]])
    assert data_bytes([w]) != data_bytes([make_linear(1, d, seed=7)[2]])


# The distribution


@pytest.fixture(scope="module")
def many():
    """Independent X (2 columns) and ε."""
    X, eps, _ = make_linear(MANY // 2, 2, w=[0, 0], noise=1.0, seed=12345)
    return X, eps


def test_moments_are_normal(many):
    for z in (many[0].ravel(), many[1]):
        for power, moment in [(1, 0), (2, 1), (3, 0), (4, 3), (5, 0), (6, 15), (8, 105)]:
            variance = math.prod(range(2 * power - 1, 0, -2)) - moment**2
            assert abs(np.mean(z**power) - moment) < 4 * math.sqrt(variance / len(z)), power


def test_kolmogorov_smirnov(many):
    for z in (many[0][:, 0], many[0][:, 1], many[1]):
        assert stats.kstest(z, "norm").pvalue > 0.001


def test_tails(many):
    z = np.concatenate([many[0].ravel(), many[1]])
    for threshold in (2.0, 3.0, 4.0, 4.5):
        for tail in (z > threshold, z < -threshold):
            expected = len(z) * stats.norm.sf(threshold)
            assert abs(tail.sum() - expected) < 4 * math.sqrt(expected) + 1


def test_nothing_is_correlated(many):
    X, eps = many
    flat = X.ravel()
    pairs = [
        (X[:, 0], X[:, 1]),
        (X[:, 0], eps),
        (X[:, 1], eps),
        (flat[:-1], flat[1:]),
        (flat[:-1024], flat[1024:]),
    ]
    for a, b in pairs:
        for f in (lambda z: z, np.square, np.abs):  # squares: the two of a pair share their radius
            assert abs(np.corrcoef(f(a), f(b))[0, 1]) < 4 / math.sqrt(len(a))


def test_pairs_have_a_uniform_angle(many):
    X = many[0]
    turns = np.arctan2(X[:, 1], X[:, 0]) / (2 * math.pi) + 0.5
    assert stats.kstest(turns, "uniform").pvalue > 0.001
    assert stats.kstest((X**2).sum(1) / 2, "expon").pvalue > 0.001


def test_seeds_streams_and_blocks_differ():
    seeds = [0, 1, 2, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    first = {(s, t, b): reference.normals(3, t, b, s) for s in seeds for t in range(3) for b in (0, 1, 2**32)}
    numbers = [z for three in first.values() for z in three]
    assert len(set(numbers)) == len(numbers)
    assert len({make_linear(1, seed=s)[0][0] for s in seeds}) == len(seeds)


# Errors


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "n_samples must be at least 1, not 0", {"n_samples": 0}),
        (TypeError, "n_samples must be a whole number, not 2.5", {"n_samples": 2.5}),
        (ValueError, "n_features must be at least 1, not 0", {"n_features": 0}),
        (ValueError, "n_features must be at most 4194304, not 4194305", {"n_features": 2**22 + 1}),
        (ValueError, "seed must be at least 0, not -1", {"seed": -1}),
        (ValueError, f"seed must be at most {2**64 - 1}, not {2**64}", {"seed": 2**64}),
        (TypeError, "seed must be a whole number, not None", {"seed": None}),
        (TypeError, "noise must be a number, not 'much'", {"noise": "much"}),
        (ValueError, "noise is a standard deviation and must be at least 0, not -1.0", {"noise": -1}),
        (ValueError, "intercept must be finite, not nan", {"intercept": math.nan}),
        (ValueError, "dtype must be float64 or float32, not 'int64'", {"dtype": "int64"}),
        (ValueError, "dtype must be float64 or float32, not 'nonsense'", {"dtype": "nonsense"}),
        (ValueError, "dtype must be float64 or float32, not '>f8'", {"dtype": ">f8"}),
        (ValueError, "backend must be 'auto' or 'numba' or 'python', not 'cuda'", {"backend": "cuda"}),
        (ValueError, "n_threads must be at least 1, not 0", {"n_threads": 0}),
        (
            ValueError,
            r"w has the shape \(2,\), but .* pass n_features=2 too, or one number",
            {"w": [1.0, 2.0]},
        ),
        (TypeError, "w must be a number, not 'a'", {"w": "a"}),
        (ValueError, "w must be finite, not inf", {"w": math.inf}),
        (
            ValueError,
            r"w has the shape \(\); with n_features=3 it must be \(3,\)",
            {"w": 1.0, "n_features": 3},
        ),
        (ValueError, r"w has the shape \(2,\); with n_features=3", {"w": [1, 2], "n_features": 3}),
        (ValueError, r"w\[1\] is NaN; weights must be finite", {"w": [1, math.nan], "n_features": 2}),
        (TypeError, "w must hold real numbers, not complex128", {"w": [1, 2j], "n_features": 2}),
        (TypeError, "w must hold numbers, not", {"w": [[1], [2, 3]], "n_features": 2}),
        (ValueError, "y could overflow float64; make w", {"w": 1e308}),
        (ValueError, "y could overflow float32; make w", {"w": [1e38, 1e38], "n_features": 2, "dtype": "f4"}),
    ],
)
def test_errors_name_the_value(error, message, arguments):
    with pytest.raises(error, match=message):
        make_linear(**{"n_samples": 3, **arguments})


def test_without_numba(monkeypatch):
    ref = data_bytes(make_linear(50, 2, noise=1.0))
    monkeypatch.setattr(backend, "_has_numba", lambda: False)
    assert data_bytes(make_linear(50, 2, noise=1.0)) == ref
    with pytest.raises(ModuleNotFoundError, match="pip install numba"):
        make_linear(50, backend="numba")
