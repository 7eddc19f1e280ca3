"""Counter-based normal random numbers, and targets made from rows.

Every number is a function of (seed, stream, block, position) alone. So threads can draw blocks in any order.
A pair of positions is one call of Philox4x32-10, which gives two 64-bit words. The Box-Muller formula turns
them into two normal numbers.

Bits must not depend on the processor, on vectorisation or on a mathematical library. So the only operations
are + - * / sqrt, which IEEE 754 defines to the last bit, and operations on uint64 that do not overflow.
`reference.py` has the same formulas in plain Python.
"""

from __future__ import annotations

import math

import numpy as np

from fastgd.kernels._jit import kernel
from fastgd.kernels.arrays import as_bits, empty, least

# Pairs in a chunk: seven rows of 512 numbers fit in the first-level cache.
CHUNK = 512
SCRATCH_ROWS = 7

# Streams of one seed.
X_STREAM = np.uint64(0)
NOISE_STREAM = np.uint64(1)
W_STREAM = np.uint64(2)

LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
BUMP0, BUMP1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)

ZERO, ONE, TWO, FOUR = np.uint64(0), np.uint64(1), np.uint64(2), np.uint64(4)
TO_53_BITS = np.uint64(11)
UNIT = 2.0**-53

# A double is 2^e·m with m in [√½, √2). SHIFT moves the cut from 1 to √½ (its first 20 bits).
MANTISSA_BITS = np.uint64(52)
MANTISSA = np.uint64((1 << 52) - 1)
SQRT_HALF = np.uint64(0x3FE6A09E << 32)
SHIFT = np.uint64((0x3FF00000 - 0x3FE6A09E) << 32)

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
L1, L2, L3, L4 = (
    6.666666666666735130e-01,
    3.999999999940941908e-01,
    2.857142874366239149e-01,
    2.222219843214978396e-01,
)
L5, L6, L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01
S1, S2, S3 = -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04
S4, S5, S6 = 2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10
C1, C2, C3 = 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05
C4, C5, C6 = -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11
QUARTER_PI = math.pi / 4


@kernel
def philox(first, stream, block, seed, first_words, second_words):
    """Two 64-bit words for each i: Philox4x32-10 with counter (first + i, stream, block) and key `seed`.

    J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A uint64
    holds each of the four 32-bit words c0, c1, c2, c3 and of the two words of the key.
    """
    for i in range(len(first_words)):
        c0 = np.uint64(first + i)
        c1 = stream
        c2 = block & LOW
        c3 = block >> HALF
        k0 = seed & LOW
        k1 = seed >> HALF
        for _ in range(10):
            p0 = M0 * c0
            p1 = M1 * c2
            c0 = (p1 >> HALF) ^ c1 ^ k0
            c1 = p1 & LOW
            c2 = (p0 >> HALF) ^ c3 ^ k1
            c3 = p0 & LOW
            k0 = (k0 + BUMP0) & LOW
            k1 = (k1 + BUMP1) & LOW
        first_words[i] = c0 | (c1 << HALF)
        second_words[i] = c2 | (c3 << HALF)


@kernel
def uniforms(words, u):
    """u in {1, 2, …, 2^53}/2^53 from the upper 53 bits of each word."""
    for i in range(len(words)):
        u[i] = np.float64((words[i] >> TO_53_BITS) + ONE) * UNIT


@kernel
def split(u_bits, mantissa_bits, exponent):
    """u = 2^exponent · mantissa with √½ <= mantissa < √2 (both to 20 bits)."""
    for i in range(len(u_bits)):
        shifted = u_bits[i] + SHIFT
        exponent[i] = np.float64(shifted >> MANTISSA_BITS) - 1023.0
        mantissa_bits[i] = (shifted & MANTISSA) + SQRT_HALF


@kernel
def log(mantissa, exponent):
    """ln(2^exponent · mantissa) to 1 ulp: fdlibm's e_log.c (Sun Microsystems, 1993).

    With f = mantissa − 1 and s = f/(2 + f): ln(1 + f) = f − f²/2 + s(f²/2 + R(s²)).
    """
    f = mantissa - 1.0
    half_square = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    r = z * (L1 + z * (L2 + z * (L3 + z * (L4 + z * (L5 + z * (L6 + z * L7))))))
    return exponent * LN2_HIGH - ((half_square - (s * (half_square + r) + exponent * LN2_LOW)) - f)


@kernel
def sine(x):
    """sin x for |x| <= π/4 to 1 ulp: fdlibm's k_sin.c."""
    z = x * x
    return x + z * x * (S1 + z * (S2 + z * (S3 + z * (S4 + z * (S5 + z * S6)))))


@kernel
def cosine(x):
    """cos x for |x| <= π/4 to 1 ulp: fdlibm's k_cos.c. The rounding error of 1 − z/2 is added again."""
    z = x * x
    r = z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))))
    half = 0.5 * z
    head = 1.0 - half
    return head + (((1.0 - head) - half) + z * r)


@kernel
def box_muller(mantissa, exponent, words, first, second):
    """√(−2 ln u) · (cos θ, sin θ): G. Box, M. Muller, Annals of Mathematical Statistics 29(2), 1958.

    The angle is drawn from the first eighth of the circle, at the middles of 2^52 equal parts. Three more
    bits of its word mirror it into the other seven.
    """
    for i in range(len(words)):
        word = words[i]
        radius = math.sqrt(-2.0 * log(mantissa[i], exponent[i]))
        angle = QUARTER_PI * (np.float64((word >> TO_53_BITS) | ONE) * UNIT)
        x = radius * cosine(angle)
        y = radius * sine(angle)
        x = -x if (word & ONE) != ZERO else x
        y = -y if (word & TWO) != ZERO else y
        swap = (word & FOUR) != ZERO
        first[i] = y if swap else x
        second[i] = x if swap else y


@kernel
def fill(out, seed, stream, first_block, numbers):
    """Fill `out` with normal numbers of (seed, stream), with `numbers` numbers for each block.

    Numbers 2i and 2i + 1 of a block are pair i. seed, stream and first_block are uint64.
    """
    scratch = empty((SCRATCH_ROWS, CHUNK))
    bits = as_bits(scratch)
    for begin in range(0, len(out), numbers):
        block = first_block + np.uint64(begin // numbers)
        n = least(numbers, len(out) - begin)
        for start in range(0, n, 2 * CHUNK):
            part = out[begin + start : begin + least(start + 2 * CHUNK, n)]
            m = (len(part) + 1) // 2
            words, angles = bits[0, :m], bits[1, :m]
            u, u_bits = scratch[2, :m], bits[2, :m]
            exponent, mantissa, mantissa_bits = scratch[3, :m], scratch[4, :m], bits[4, :m]
            first, second = scratch[5, :m], scratch[6, :m]
            philox(start // 2, stream, block, seed, words, angles)
            uniforms(words, u)
            split(u_bits, mantissa_bits, exponent)
            box_muller(mantissa, exponent, angles, first, second)
            for i in range(len(part) // 2):
                part[2 * i] = first[i]
                part[2 * i + 1] = second[i]
            if len(part) % 2 == 1:
                part[2 * (m - 1)] = first[m - 1]


@kernel
def targets(x, w, intercept, noise, errors, y):
    """y = x·w + intercept + noise·errors. Each row is summed from the first column to the last.

    x (n, d) and y (n,) are float64 or float32. Sums are float64. errors is (n,), or has length 0 without
    noise. Four rows at a time are summed, since their sums do not wait for each other.
    """
    n, d = x.shape
    whole = n // 4 * 4 if d > 1 else 0
    for i in range(0, whole, 4):
        rows = x[i : i + 4]
        a, b, c, e = rows[0, 0] * w[0], rows[1, 0] * w[0], rows[2, 0] * w[0], rows[3, 0] * w[0]
        for j in range(1, d):
            a += rows[0, j] * w[j]
            b += rows[1, j] * w[j]
            c += rows[2, j] * w[j]
            e += rows[3, j] * w[j]
        scores = a + intercept, b + intercept, c + intercept, e + intercept
        for k in range(4):
            y[i + k] = scores[k] + noise * errors[i + k] if len(errors) else scores[k]
    for i in range(whole, n):
        a = x[i, 0] * w[0]
        for j in range(1, d):
            a += x[i, j] * w[j]
        a += intercept
        y[i] = a + noise * errors[i] if len(errors) else a
