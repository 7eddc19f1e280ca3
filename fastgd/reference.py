"""The pure-Python twin of each operation: the plain loop of the textbook, and nothing else.

Everything here works on lists of Python numbers: `xs` holds numbers (the lesson's case, w is a
number) or lists of d numbers (w is a list). The order of the operations is the lesson's. Kernels
are held against these functions; `backend="python"` runs them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
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
