"""Pure-Python twins of the kernels: the plain loops of the textbook.

All functions work on lists of Python numbers. `xs` holds numbers (then w is a number, as in the lesson) or
lists of d numbers (then w is a list). Operations have the lesson's order. `backend="python"` runs these
functions, and the tests compare the kernels with them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Any  # float or Sequence[float]; w has the same type as a row


def forward(x: Row, w: Row) -> float:
    """y_pred = x·w, summed from the first column to the last."""
    if not isinstance(x, Sequence):
        return x * w
    score = x[0] * w[0]
    for j in range(1, len(x)):
        score += x[j] * w[j]
    return score


def square(r: float) -> float:
    """r ** 2, or inf if Python's power raises OverflowError."""
    try:
        return float(r**2)
    except OverflowError:
        return math.inf


def fma(a: float, b: float, c: float) -> float:
    """a·b + c, rounded once."""
    if not (math.isfinite(a) and math.isfinite(b) and math.isfinite(c)):
        return a * b + c
    from fractions import Fraction

    return float(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def loss(x: Row, y: float, w: Row) -> float:
    """(y_pred − y)²."""
    return square(forward(x, w) - y)


def cost(xs: Sequence[Row], ys: Sequence[float], w: Row) -> float:
    """(1/n) Σ (y_pred − y)²."""
    total = 0.0
    for x, y in zip(xs, ys, strict=True):
        total += loss(x, y, w)
    return total / len(xs)


def sample_gradient(x: Row, y: float, w: Row) -> Row:
    """∂loss/∂w = 2 x (x·w − y)."""
    if not isinstance(x, Sequence):
        return 2 * x * (x * w - y)
    residual = forward(x, w) - y
    return [2 * x_j * residual for x_j in x]


def gradient(xs: Sequence[Row], ys: Sequence[float], w: Row) -> Row:
    """∂cost/∂w = (1/n) Σ 2 x (x·w − y)."""
    n = len(xs)
    if not isinstance(w, Sequence):
        grad = 0.0
        for x, y in zip(xs, ys, strict=True):
            grad += sample_gradient(x, y, w)
        return grad / n
    grads = [0.0] * len(w)
    for x, y in zip(xs, ys, strict=True):
        for j, grad in enumerate(sample_gradient(x, y, w)):
            grads[j] += grad
    return [grad / n for grad in grads]


def shuffle(numbers: list[int], words: Sequence[int]) -> list[int]:
    """Fisher-Yates shuffle: for i from the last to 1, exchange numbers i and ⌊words[i] (i + 1)/2⁶⁴⌋."""
    for i in range(len(numbers) - 1, 0, -1):
        j = words[i] * (i + 1) >> 64
        numbers[i], numbers[j] = numbers[j], numbers[i]
    return numbers


# Any loss, penalties, sample weights, momentum. `xs` holds lists of numbers, with a last number 1 for an
# intercept. l1 and l2 hold a strength for each weight. `weights`, l1 and l2 are empty if unused.


def transformed(
    xs: Sequence[Sequence[float]],
    ys: Sequence[float],
    shift: Sequence[float],
    scale: Sequence[float],
    weights: Sequence[float],
    has_ones: bool,
) -> tuple[list[list[float]], list[float]]:
    """The rows √s·[(x − shift)·scale, 1] and √s·y."""
    rows, targets = [], []
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        root = math.sqrt(weights[i]) if weights else 1.0
        row = [(x_j - m) * k for x_j, m, k in zip(x, shift, scale, strict=True)] + [1.0] * has_ones
        rows.append([root * x_j for x_j in row])
        targets.append(root * y)
    return rows, targets


def score(x: Sequence[float], w: Sequence[float]) -> float:
    """x·w, summed from the first column to the last."""
    total = x[0] * w[0]
    for j in range(1, len(w)):
        total += x[j] * w[j]
    return total


def value(loss: Any, score: float, y: float) -> float:
    """The loss of a score, or inf if Python raises OverflowError."""
    try:
        return float(loss.value(score, y))
    except OverflowError:
        return math.inf


def penalty(w: Sequence[float], l1: Sequence[float], l2: Sequence[float]) -> float:
    """Σ l1_j |w_j| + Σ (l2_j/2) w_j²."""
    if not l1 and not l2:
        return 0.0
    l1, l2 = l1 or [0.0] * len(w), l2 or [0.0] * len(w)
    return sum(a * abs(w_j) + 0.5 * b * w_j * w_j for a, b, w_j in zip(l1, l2, w, strict=True) if a or b)


def mean_loss(
    xs: Sequence[Row], ys: Sequence[float], weights: Sequence[float], w: Sequence[float], loss: Any
) -> float:
    """(1/Σ s) Σ s·loss."""
    total, count = 0.0, 0.0
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        s = weights[i] if weights else 1.0
        total += s * value(loss, score(x, w), y)
        count += s
    return total / count


def mean_slope(
    xs: Sequence[Row], ys: Sequence[float], weights: Sequence[float], w: Sequence[float], loss: Any
) -> list[float]:
    """(1/Σ s) Σ s·slope·x, or zeros if Σ s is 0."""
    sums, count, columns = [0.0] * len(w), 0.0, range(len(w))
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        s = weights[i] if weights else 1.0
        factor = s * loss.slope(score(x, w), y)
        for j in columns:
            sums[j] += factor * x[j]
        count += s
    return [a / count for a in sums] if count else [0.0] * len(w)


def with_l2(gradient: list[float], w: Sequence[float], l2: Sequence[float]) -> list[float]:
    """gradient + l2∘w."""
    return [g + b * w_j for g, b, w_j in zip(gradient, l2, w, strict=True)]


def momentum_parts(
    w: list[float], before: Sequence[float], momentum: float, nesterov: bool
) -> tuple[list[float], list[float]]:
    """The point at which to take the gradient, and the term to add to the step.

    With v = μ (w − before) these are w + v and [] with nesterov, otherwise w and v. Without momentum they are
    w and [].
    """
    if not momentum:
        return w, []
    push = [momentum * (w_j - b_j) for w_j, b_j in zip(w, before, strict=True)]
    return ([w_j + v for w_j, v in zip(w, push, strict=True)], []) if nesterov else (w, push)


def proximal_step(
    at: Sequence[float], gradient: Sequence[float], push: Sequence[float], rate: float, l1: Sequence[float]
) -> list[float]:
    """z = at − α·gradient + push, then move each z_j towards 0 by α·l1_j, but not across 0."""
    moved = [p - rate * g for p, g in zip(at, gradient, strict=True)]
    if push:
        moved = [z + v for z, v in zip(moved, push, strict=True)]
    if not l1:
        return moved
    most = [rate * strength for strength in l1]
    return [z - max(-a, min(a, z)) if a else z for z, a in zip(moved, most, strict=True)]


def descend_in_batches(
    samples: tuple[Sequence[Row], Sequence[float], Sequence[float]],
    order: Sequence[int],
    w: list[float],
    before: list[float],
    loss: Any,
    strengths: tuple[Sequence[float], Sequence[float]],
    rule: Any,
    rate: float,
) -> Iterator[tuple[list[float], list[float]]]:
    """One epoch of steps, one for each batch. Yields w and the gradient after each step.

    `samples` holds xs, ys and weights, `strengths` l1 and l2. `rule` has batch_size, momentum and nesterov.
    The gradient of a batch is its weighted mean; the gradient of a single sample is multiplied by its weight.
    """
    xs, ys, weights = samples
    l1, l2 = strengths
    momentum, nesterov, batch_size = rule.momentum, rule.nesterov, rule.batch_size
    for start in range(0, len(order), batch_size):
        at, push = momentum_parts(w, before, momentum, nesterov) if momentum else (w, [])
        if batch_size == 1:
            i = order[start]
            factor = (weights[i] if weights else 1.0) * loss.slope(score(xs[i], at), ys[i])
            gradient = [factor * x_j for x_j in xs[i]]
        else:
            batch = order[start : start + batch_size]
            of_batch = [weights[i] for i in batch] if weights else []
            gradient = mean_slope([xs[i] for i in batch], [ys[i] for i in batch], of_batch, at, loss)
        if l2:
            gradient = with_l2(gradient, at, l2)
        w, before = proximal_step(at, gradient, push, rate, l1), w
        yield w, gradient


# Random numbers of `make_linear`. fdlibm's coefficients (Sun Microsystems, 1993): e_log.c, k_sin.c, k_cos.c.
_LOG = (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
        2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
        1.479819860511658591e-01)  # fmt: skip
_SINE = (-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
         2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10)  # fmt: skip
_COSINE = (4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
           -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11)  # fmt: skip
_LN2 = (6.93147180369123816490e-01, 1.90821492927058770002e-10)
_SQRT_HALF = float.fromhex("0x1.6a09ep-1")  # √½ to 20 bits
X_STREAM, NOISE_STREAM, W_STREAM = range(3)


def philox(counter: Sequence[int], key: Sequence[int]) -> list[int]:
    """Philox4x32-10: four random 32-bit words (Salmon, Moraes, Dror, Shaw, SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high_0, low_0 = divmod(0xD2511F53 * c0, 1 << 32)
        high_1, low_1 = divmod(0xCD9E8D57 * c2, 1 << 32)
        c0, c1, c2, c3 = high_1 ^ c1 ^ k0, low_1, high_0 ^ c3 ^ k1, low_0
        k0, k1 = (k0 + 0x9E3779B9) % (1 << 32), (k1 + 0xBB67AE85) % (1 << 32)
    return [c0, c1, c2, c3]


def _polynomial(x: float, coefficients: Sequence[float]) -> float:
    """c0 + c1 x + c2 x² + …, by Horner's rule."""
    value = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = c + x * value
    return value


def log(u: float) -> float:
    """ln u. With u = 2^e (1 + f) and s = f/(2 + f), ln(1 + f) = f − f²/2 + s(f²/2 + R(s²))."""
    mantissa, e = math.frexp(u)
    if mantissa < _SQRT_HALF:
        mantissa, e = 2 * mantissa, e - 1
    f = mantissa - 1
    half_square = 0.5 * f * f
    s = f / (2 + f)
    z = s * s
    r = z * _polynomial(z, _LOG)
    return e * _LN2[0] - ((half_square - (s * (half_square + r) + e * _LN2[1])) - f)


def sine(x: float) -> float:
    """sin x for |x| <= π/4."""
    z = x * x
    return x + z * x * _polynomial(z, _SINE)


def cosine(x: float) -> float:
    """cos x for |x| <= π/4. The rounding error of 1 − x²/2 is added again."""
    z = x * x
    half = 0.5 * z
    head = 1 - half
    return head + (((1 - head) - half) + z * (z * _polynomial(z, _COSINE)))


def normal_pair(pair: int, stream: int, block: int, seed: int) -> tuple[float, float]:
    """√(−2 ln u)·(cos θ, sin θ) (Box and Muller, 1958): u in (0, 1], θ in (0, π/4), mirrored by three
    bits."""
    c0, c1, c2, c3 = philox([pair, stream, *_words(block)], _words(seed))
    word = c2 + (c3 << 32)
    radius = math.sqrt(-2 * log((((c0 + (c1 << 32)) >> 11) + 1) / 2**53))
    angle = math.pi / 4 * ((word >> 11 | 1) / 2**53)
    x, y = radius * cosine(angle), radius * sine(angle)
    x = -x if word & 1 else x
    y = -y if word & 2 else y
    return (y, x) if word & 4 else (x, y)


def _words(number: int) -> tuple[int, int]:
    return number % (1 << 32), number >> 32


def normals(n: int, stream: int, block: int, seed: int) -> list[float]:
    """The first n standard normal numbers of (seed, stream, block)."""
    pairs = (normal_pair(p, stream, block, seed) for p in range((n + 1) // 2))
    return [z for pair in pairs for z in pair][:n]


def to_single(x: float) -> float:
    """x rounded to float32."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def make_linear(
    n: int, d: int | None, w: Row, intercept: float, noise: float, seed: int, block_rows: int, single: bool
) -> tuple[list[Row], list[float]]:
    """Standard normal rows x and y = x·w + intercept + noise·ε. `single` rounds both to float32."""
    xs: list[Row] = []
    ys: list[float] = []
    store = to_single if single else float
    for block, start in enumerate(range(0, n, block_rows)):
        rows = min(block_rows, n - start)
        width = 1 if d is None else d
        numbers = [store(z) for z in normals(rows * width, X_STREAM, block, seed)]
        errors = normals(rows, NOISE_STREAM, block, seed) if noise > 0 else []
        for i in range(rows):
            x = numbers[i] if d is None else numbers[i * width : (i + 1) * width]
            xs.append(x)
            y = forward(x, w) + intercept
            ys.append(store(y + noise * errors[i] if noise > 0 else y))
    return xs, ys


def accurate_sums(xs: Sequence[Row], ys: Sequence[float], w: Sequence[float]) -> list[float]:
    """[Σ r², Σ x₀ r, …] with r = x·w − y, as if in twice the working precision: `kernels/accurate.py`.

    Rows are lists, or numbers where w has one number.
    """
    sums, errors = [0.0] * (len(w) + 1), [0.0] * (len(w) + 1)
    for x, y in zip(xs, ys, strict=True):
        row = x if isinstance(x, Sequence) else [x]
        dot, dot_error = -y, 0.0
        for x_j, w_j in zip(row, w, strict=True):
            dot_error += fma(x_j, w_j, -(x_j * w_j))
            dot, error = _two_sum(dot, x_j * w_j)
            dot_error += error
        residual = dot + dot_error
        errors[0] += fma(residual, residual, -(residual * residual))
        for j, value in enumerate([residual * residual, *(x_j * residual for x_j in row)]):
            sums[j], error = _two_sum(sums[j], value)
            errors[j] += error
    return [total + error for total, error in zip(sums, errors, strict=True)]


def _two_sum(old: float, value: float) -> tuple[float, float]:
    """old + value, and its rounding error (Knuth's TwoSum)."""
    new = old + value
    part = new - old
    return new, (old - (new - part)) + (value - part)
