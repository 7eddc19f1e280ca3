"""Convert separate columns to rows of float32 or float64.

A tile of eight columns by eight rows is read one column at a time as vectors, transposed in registers, and
written one row at a time. One number at a time takes two to seven times as long.
"""

from __future__ import annotations

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from fastgd.kernels._jit import kernel
from fastgd.kernels.arrays import least
from fastgd.kernels.vectors import LANES

PANEL = 64
"""Rows that all columns write before the next rows begin, while these are in the first-level cache."""
STREAMS = 32
"""With more columns, the processor no longer foresees what a panel reads, and all rows are one panel."""


@intrinsic
def _turn_tile(typing_context, columns, starts, first, count, row, rows, place, d):
    def code(context, builder, signature, arguments):
        columns_type, starts_type, rows_type = signature.args[0], signature.args[1], signature.args[5]
        source, indices, target = (
            context.make_array(array_type)(context, builder, array).data
            for array_type, array in (
                (columns_type, arguments[0]), (starts_type, arguments[1]), (rows_type, arguments[5]),
            )
        )  # fmt: skip
        given = ir.VectorType(source.type.pointee, LANES)
        wanted = ir.VectorType(target.type.pointee, LANES)
        whole = ir.IntType(64)
        tile, number = [], arguments[2]
        for column in range(LANES):
            index = builder.add(builder.load(builder.gep(indices, [number])), arguments[4])
            address = builder.bitcast(builder.gep(source, [index]), given.as_pointer())
            numbers = builder.load(address, align=columns_type.dtype.bitwidth // 8)
            tile.append(_widened(builder, numbers, wanted, columns_type.dtype))
            # If there are fewer than eight columns, read the last one again.
            is_there = builder.icmp_signed("<", whole(column + 1), arguments[3])
            number = builder.add(number, builder.select(is_there, whole(1), whole(0)))
        index = arguments[6]
        for numbers in _transposed(builder, tile):
            address = builder.bitcast(builder.gep(target, [index]), wanted.as_pointer())
            builder.store(numbers, address, align=rows_type.dtype.bitwidth // 8)
            index = builder.add(index, arguments[7])
        return context.get_dummy_value()

    whole = types.intp
    return types.void(columns, starts, whole, whole, whole, rows, whole, whole), code


def _widened(builder, numbers, wanted, dtype):
    if numbers.type == wanted:
        return numbers
    if isinstance(dtype, types.Float):
        return builder.fpext(numbers, wanted)
    return (builder.sitofp if dtype.signed else builder.uitofp)(numbers, wanted)


def _transposed(builder, tile):
    """Transpose a tile: exchange the off-diagonal quarters of the tile, of its quarters, and of theirs."""
    tile, places = list(tile), ir.VectorType(ir.IntType(32), LANES)
    gap = LANES // 2
    while gap:
        upper = [LANES + k - gap if k & gap else k for k in range(LANES)]
        lower = [LANES + k if k & gap else k + gap for k in range(LANES)]
        for i in range(LANES):
            if not i & gap:
                a, b = tile[i], tile[i + gap]
                tile[i] = builder.shuffle_vector(a, b, ir.Constant(places, upper))
                tile[i + gap] = builder.shuffle_vector(a, b, ir.Constant(places, lower))
        gap //= 2
    return tile


def _plain_turn_tile(columns, starts, first, count, row, rows, place, d):
    for j in range(least(count, LANES)):
        a = starts[first + j] + row
        rows[place + j : place + (LANES - 1) * d + j + 1 : d] = columns[a : a + LANES]


turn_tile = _plain_turn_tile if config.DISABLE_JIT else _turn_tile
"""rows[place + i·d + j] = columns[starts[first + j] + row + i] for i, j < 8.

If `count` < 8 columns exist, the numbers written for j >= count are arbitrary. The following rows overwrite
them.
"""


@kernel
def to_rows(columns, starts, first, rows):
    """Fill rows (n·d,): row i, column j is columns[starts[j] + first + i], with d starts.

    The last tiles overlap earlier ones if n or d is not a multiple of eight.
    """
    d = len(starts)
    n = len(rows) // d
    count = least(d, LANES)
    # A tile wider than d writes into the rows after it, so the last rows are written number by number.
    turned = 0 if n < LANES else n if d >= LANES else n - LANES
    if turned < LANES:
        turned = 0
    panel = PANEL if d <= STREAMS else n
    for top in range(0, turned, panel):
        bottom = least(top + panel, turned)
        for start in range(0, d, LANES):
            j = least(start, d - count)
            for begin in range(top, bottom, LANES):
                i = least(begin, turned - LANES)
                turn_tile(columns, starts, j, count, first + i, rows, i * d + j, d)
    for i in range(turned, n):
        for j in range(d):
            rows[i * d + j] = columns[starts[j] + first + i]
