"""The pure-Python twin of each operation: the plain loop of the textbook, and nothing else.

Everything here works on lists of Python numbers: `xs` holds numbers (the lesson's case, w is a
number) or lists of d numbers (w is a list). The order of the operations is the lesson's. Kernels
are held against these functions; `backend="python"` runs them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = Any  # float | Sequence[float]; w has the type of a row


def forward(x: Row, w: Row) -> float:
    """y_pred = x·w, added from the first column to the last."""
    if not isinstance(x, Sequence):
        return x * w
    score = x[0] * w[0]
    for j in range(1, len(x)):
        score += x[j] * w[j]
    return score


def loss(x: Row, y: float, w: Row) -> float:
    """(y_pred − y)², infinite where Python's own power would raise OverflowError."""
    try:
        return (forward(x, w) - y) ** 2
    except OverflowError:
        return math.inf


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


def step(w: Row, grad: Row, rate: float) -> Row:
    """w − α·gradient."""
    if not isinstance(w, Sequence):
        return w - rate * grad
    return [w_j - rate * grad_j for w_j, grad_j in zip(w, grad, strict=True)]


def shuffle(numbers: list[int], words: Sequence[int]) -> list[int]:
    """Fisher and Yates: from the last on, numbers[i] changes places with number ⌊words[i] (i + 1)/2⁶⁴⌋."""
    for i in range(len(numbers) - 1, 0, -1):
        j = words[i] * (i + 1) >> 64
        numbers[i], numbers[j] = numbers[j], numbers[i]
    return numbers


# Any loss, penalties, weights, momentum: `xs` are lists of numbers, the last a 1 where there is an intercept.
# l1 and l2 hold a strength for each weight; `weights` is empty where all samples count alike.


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


def objective(
    xs: Sequence[Row], ys: Sequence[float], weights: Sequence[float], w: Row, loss: Any, l1: Row, l2: Row
) -> float:
    """(1/Σ s) Σ s·loss + Σ l1_j |w_j| + Σ (l2_j/2) w_j²; infinite where a loss overflows."""
    total, count = 0.0, 0.0
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        s = weights[i] if weights else 1.0
        try:
            total += s * loss.value(forward(x, w), y)
        except OverflowError:
            return math.inf
        count += s
    penalties = (a * abs(w_j) + 0.5 * b * w_j * w_j for a, b, w_j in zip(l1, l2, w, strict=True) if a or b)
    return total / count + sum(penalties)


def slopes(
    xs: Sequence[Row], ys: Sequence[float], weights: Sequence[float], w: Row, loss: Any
) -> tuple[list[float], float]:
    """Σ s·slope·x, a number for each weight, and Σ s."""
    sums, count = [0.0] * len(w), 0.0
    for i, (x, y) in enumerate(zip(xs, ys, strict=True)):
        s = weights[i] if weights else 1.0
        factor = s * loss.slope(forward(x, w), y)
        for j in range(len(w)):
            sums[j] += factor * x[j]
        count += s
    return sums, count


def smooth_gradient(
    xs: Sequence[Row], ys: Sequence[float], weights: Sequence[float], w: Row, loss: Any, l2: Row
) -> list[float]:
    """(1/Σ s) Σ s·slope·x + l2∘w."""
    sums, count = slopes(xs, ys, weights, w, loss)
    return [a / count + b * w_j for a, b, w_j in zip(sums, l2, w, strict=True)]


def look_ahead(w: Row, before: Row, momentum: float) -> list[float]:
    """w + μ (w − before)."""
    return [w_j + momentum * (w_j - b_j) for w_j, b_j in zip(w, before, strict=True)]


def proximal_step(at: Row, grad: Row, push: Row, rate: float, l1: Row) -> list[float]:
    """z = at − α·grad + push, then z_j towards 0 by α·l1_j and no farther."""
    moved = []
    for p, g, v, strength in zip(at, grad, push, l1, strict=True):
        z, most = p - rate * g + v, rate * strength
        moved.append(z - max(-most, min(most, z)) if most else z)
    return moved


def descend_in_batches(
    xs: Sequence[Row],
    ys: Sequence[float],
    weights: Sequence[float],
    order: Sequence[int],
    batch_size: int,
    w: list[float],
    before: list[float],
    loss: Any,
    rate: float,
    momentum: float,
    nesterov: bool,
    l1: Row,
    l2: Row,
    after: Callable[[list[float]], None],
) -> tuple[list[float], list[float]]:
    """One epoch of steps, one a batch; `after` sees w after each. Returns w, and w before the last step.

    A batch's gradient is its weighted mean; one sample's is scaled by its weight.
    """
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        at = look_ahead(w, before, momentum) if nesterov else w
        push = [0.0] * len(w) if nesterov else [momentum * (a - b) for a, b in zip(w, before, strict=True)]
        these = [weights[i] for i in batch] if weights else []
        sums, count = slopes([xs[i] for i in batch], [ys[i] for i in batch], these, at, loss)
        if batch_size == 1:
            count = 1.0
        grad = [(a / count if count else 0.0) + b * p for a, b, p in zip(sums, l2, at, strict=True)]
        w, before = proximal_step(at, grad, push, rate, l1), w
        after(w)
    return w, before


# The numbers of `make_linear`. fdlibm's coefficients (Sun Microsystems, 1993): e_log.c, k_sin.c, k_cos.c.
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
    """ln u; with u = 2^e (1 + f) and s = f/(2 + f): ln(1 + f) = f − f²/2 + s(f²/2 + R(s²))."""
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
    """cos x for |x| <= π/4; what is lost in rounding 1 − x²/2 is added again."""
    z = x * x
    half = 0.5 * z
    head = 1 - half
    return head + (((1 - head) - half) + z * (z * _polynomial(z, _COSINE)))


def normal_pair(pair: int, stream: int, block: int, seed: int) -> tuple[float, float]:
    """√(−2 ln u)·(cos θ, sin θ) (Box and Muller, 1958): u in (0, 1], θ in (0, π/4) mirrored by three bits."""
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
    """Rows x of standard normal numbers, y = x·w + intercept + noise·ε; `single` rounds both to float32."""
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
