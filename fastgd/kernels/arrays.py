"""New arrays, and the least and the greatest of two numbers, without functions of Numba's library.

Numba compiles such functions (`np.empty`, `min`) in every process that compiles a kernel, and loads all of
its library first. These ones are code of the kernel itself.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

ALIGNMENT = 64
"""Arrays start at a cache line."""


def _new(shape, dtype, is_zero):
    """An intrinsic's signature without its arguments, and its code. The first argument is the shape."""
    shape = types.unliteral(shape)
    n_axes = len(shape) if isinstance(shape, types.BaseTuple) else 1
    array_type = types.Array(dtype, n_axes, "C")

    def code(context, builder, signature, arguments):
        lengths, kinds = [arguments[0]], [shape]
        if isinstance(shape, types.BaseTuple):
            lengths, kinds = cgutils.unpack_tuple(builder, arguments[0]), list(shape)
        lengths = [context.cast(builder, *item, types.intp) for item in zip(lengths, kinds)]
        number = context.get_data_type(dtype)
        size, strides = context.get_constant(types.intp, context.get_abi_sizeof(number)), []
        for length in reversed(lengths):
            strides.insert(0, size)
            size = builder.mul(size, length)
        memory = context.nrt.meminfo_alloc_aligned(builder, size, ir.IntType(32)(ALIGNMENT))
        data = builder.bitcast(context.nrt.meminfo_data(builder, memory), number.as_pointer())
        array = make_array(array_type)(context, builder)
        shape_value, steps = cgutils.pack_array(builder, lengths), cgutils.pack_array(builder, strides)
        populate_array(array, data, shape_value, steps, strides[-1], memory)
        if is_zero:
            cgutils.memset(builder, data, size, 0)
        return array._getvalue()

    return array_type, code


@intrinsic
def _empty(typing_context, shape):
    array_type, code = _new(shape, types.float64, False)
    return array_type(shape), code


@intrinsic
def _zeros(typing_context, shape):
    array_type, code = _new(shape, types.float64, True)
    return array_type(shape), code


@intrinsic
def _zeros_as(typing_context, shape, array):
    array_type, code = _new(shape, array.dtype, True)
    return array_type(shape, array), code


@intrinsic
def _as_bits(typing_context, table):
    array_type = types.Array(types.uint64, 2, "C")

    def code(context, builder, signature, arguments):
        floats = make_array(signature.args[0])(context, builder, arguments[0])
        data = builder.bitcast(floats.data, ir.IntType(64).as_pointer())
        array = make_array(array_type)(context, builder)
        populate_array(array, data, floats.shape, floats.strides, floats.itemsize, floats.meminfo)
        return impl_ret_borrowed(context, builder, array_type, array._getvalue())

    return array_type(types.Array(types.float64, 2, "C")), code


def _chosen(typing_context, a, b, less):
    """The second number where it is less (or greater) than the first."""
    kind = typing_context.unify_types(types.unliteral(a), types.unliteral(b))

    def code(context, builder, signature, arguments):
        a, b = arguments
        compare = builder.fcmp_ordered if isinstance(kind, types.Float) else builder.icmp_signed
        return builder.select(compare(less, b, a), b, a)

    return kind(kind, kind), code


@intrinsic
def _least(typing_context, a, b):
    return _chosen(typing_context, a, b, "<")


@intrinsic
def _greatest(typing_context, a, b):
    return _chosen(typing_context, a, b, ">")


_OFF = config.DISABLE_JIT

empty = np.empty if _OFF else _empty
"""An array of float64 that is not filled. The shape is a number or a tuple."""

zeros = np.zeros if _OFF else _zeros
"""An array of float64 zeros. The shape is a number or a tuple."""

zeros_as = (lambda shape, array: np.zeros(shape, array.dtype)) if _OFF else _zeros_as
"""Zeros of the array's dtype."""

as_bits = (lambda table: table.view(np.uint64)) if _OFF else _as_bits
"""The bits of a table of float64 as uint64. Both share one memory."""

least = min if _OFF else _least
"""The least of two numbers, the first if they do not compare."""

greatest = max if _OFF else _greatest
"""The greatest of two numbers, the first if they do not compare."""
