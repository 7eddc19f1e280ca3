"""Vectors of eight float64 numbers, for loops that the compiler does not vectorise well.

`load` reads float32 or float64 and converts to float64. Arrays are C-contiguous, and an index counts their
numbers, for any shape. Nothing checks bounds. A vector lives in registers of one kernel. If kernels run as
Python functions, a vector is an array of eight numbers.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from fastgd.kernels._jit import kernel
from fastgd.kernels.arithmetic import fma
from fastgd.kernels.arrays import zeros

LANES = 8
_NUMBERS = ir.VectorType(ir.DoubleType(), LANES)
_INDICES = ir.VectorType(ir.IntType(32), LANES)
_INT = ir.IntType(32)


class Vector(types.Type):
    def __init__(self):
        super().__init__(name="Vector")


vector = Vector()


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, _NUMBERS)


def _address(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _spread(builder, value, vector_type):
    undefined = ir.Constant(vector_type, ir.Undefined)
    first = builder.insert_element(undefined, value, _INT(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(_INDICES, [0] * LANES))


def _widened(builder, numbers):
    return numbers if numbers.type == _NUMBERS else builder.fpext(numbers, _NUMBERS)


@intrinsic
def _load(typing_context, array, index):
    def code(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        numbers = ir.VectorType(address.type.pointee, LANES).as_pointer()
        align = signature.args[0].dtype.bitwidth // 8
        return _widened(builder, builder.load(builder.bitcast(address, numbers), align=align))

    return vector(array, types.intp), code


@intrinsic
def _load_part(typing_context, array, index, count):
    def code(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        numbers = ir.VectorType(address.type.pointee, LANES)
        bits = signature.args[0].dtype.bitwidth
        counts = _spread(builder, builder.trunc(arguments[2], _INT), _INDICES)
        mask = builder.icmp_signed("<", ir.Constant(_INDICES, list(range(LANES))), counts)
        function_type = ir.FunctionType(numbers, [cgutils.voidptr_t, _INT, mask.type, numbers])
        name = f"llvm.masked.load.v{LANES}f{bits}.p0"
        masked_load = cgutils.get_or_insert_function(builder.module, function_type, name)
        address = builder.bitcast(address, cgutils.voidptr_t)
        zeros = ir.Constant(numbers, [0.0] * LANES)
        return _widened(builder, builder.call(masked_load, [address, _INT(bits // 8), mask, zeros]))

    return vector(array, types.intp, types.intp), code


@intrinsic
def _store(typing_context, array, index, value):
    def code(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], builder.bitcast(address, _NUMBERS.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


@intrinsic
def _interleave(typing_context, array, index, distance, out, at):
    """Transpose 8 × 8 numbers by exchanging halves of pairs of vectors, at distances 1, 2 and 4."""

    def code(context, builder, signature, arguments):
        source, target = signature.args[0], signature.args[3]
        array, index, distance, out, at = arguments
        numbers = ir.VectorType(context.get_data_type(source.dtype), LANES).as_pointer()
        rows = []
        for _ in range(LANES):
            address = builder.bitcast(_address(context, builder, source, array, index), numbers)
            rows.append(_widened(builder, builder.load(address, align=source.dtype.bitwidth // 8)))
            index = builder.add(index, distance)
        for bit in (1, 2, 4):
            low = [k if not k & bit else LANES + k - bit for k in range(LANES)]
            high = [k + bit if not k & bit else LANES + k for k in range(LANES)]
            for first in (k for k in range(LANES) if not k & bit):
                pair = rows[first], rows[first + bit]
                rows[first] = builder.shuffle_vector(*pair, ir.Constant(_INDICES, low))
                rows[first + bit] = builder.shuffle_vector(*pair, ir.Constant(_INDICES, high))
        for row in rows:
            address = builder.bitcast(_address(context, builder, target, out, at), _NUMBERS.as_pointer())
            builder.store(row, address, align=8)
            at = builder.add(at, ir.Constant(at.type, LANES))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, out, types.intp), code


@intrinsic
def _splat(typing_context, value):
    def code(context, builder, signature, arguments):
        return _spread(builder, arguments[0], _NUMBERS)

    return vector(types.float64), code


@intrinsic
def _item(typing_context, array, index):
    def code(context, builder, signature, arguments):
        number = builder.load(_address(context, builder, signature.args[0], *arguments))
        return number if number.type == ir.DoubleType() else builder.fpext(number, ir.DoubleType())

    return types.float64(array, types.intp), code


@intrinsic
def _multiply_add(typing_context, a, b, c):
    def code(context, builder, signature, arguments):
        product = builder.fmul(arguments[0], arguments[1], flags=["contract"])
        return builder.fadd(arguments[2], product, flags=["contract"])

    return vector(vector, vector, vector), code


def _rounded(operation):
    @intrinsic
    def rounded(typing_context, a, b):
        def code(context, builder, signature, arguments):
            return getattr(builder, operation)(*arguments)

        return vector(vector, vector), code

    return rounded


@intrinsic
def _rounding_error(typing_context, a, b, product):
    def code(context, builder, signature, arguments):
        a, b, product = arguments
        function_type = ir.FunctionType(_NUMBERS, [_NUMBERS] * 3)
        fma = cgutils.get_or_insert_function(builder.module, function_type, f"llvm.fma.v{LANES}f64")
        return builder.call(fma, [a, b, builder.fsub(ir.Constant(_NUMBERS, [-0.0] * LANES), product)])

    return vector(vector, vector, vector), code


@intrinsic
def _total(typing_context, value):
    def code(context, builder, signature, arguments):
        numbers, half = arguments[0], LANES // 2
        while half:
            undefined = ir.Constant(numbers.type, ir.Undefined)
            places = ir.VectorType(_INT, half)
            low = builder.shuffle_vector(numbers, undefined, ir.Constant(places, list(range(half))))
            high = builder.shuffle_vector(
                numbers, undefined, ir.Constant(places, list(range(half, 2 * half)))
            )
            numbers, half = builder.fadd(low, high, flags=["reassoc"]), half // 2
        return builder.extract_element(numbers, _INT(0))

    return types.float64(vector), code


@intrinsic
def _prefetch(typing_context, array, index):
    def code(context, builder, signature, arguments):
        address = _address(context, builder, signature.args[0], *arguments)
        function_type = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, _INT, _INT, _INT])
        function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(address, cgutils.voidptr_t), _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@intrinsic
def _line_of(typing_context, array):
    def code(context, builder, signature, arguments):
        return context.get_constant(types.intp, 512 // signature.args[0].dtype.bitwidth)

    return types.intp(array), code


def _plain_load(array, index):
    return array.reshape(-1)[index : index + LANES].astype(np.float64)


def _plain_load_part(array, index, count):
    numbers = zeros(LANES)
    numbers[:count] = array.reshape(-1)[index : index + count]
    return numbers


def _plain_interleave(array, index, distance, out, at):
    for lane in range(LANES):
        start = index + lane * distance
        out[at + lane : at + LANES * LANES : LANES] = array[start : start + LANES]


def _plain_store(array, index, value):
    array[index : index + LANES] = value


def _plain_rounding_error(a, b, product):
    return np.array([fma(*numbers) for numbers in zip(a, b, -product, strict=True)])


_OFF = config.DISABLE_JIT

load = _plain_load if _OFF else _load
"""The eight numbers from array[index]."""

load_part = _plain_load_part if _OFF else _load_part
"""The `count` < 8 numbers from array[index], padded with 0. Reads no numbers after them."""

store = _plain_store if _OFF else _store
"""array[index : index + 8] = value, for a float64 array."""

interleave = _plain_interleave if _OFF else _interleave
"""Move number k from array[index + lane·distance] to out[at + 8 k + lane], for eight lanes and k < 8."""

splat = (lambda value: np.full(LANES, value)) if _OFF else _splat
"""A vector of eight equal numbers."""

item = (lambda array, index: np.float64(array.reshape(-1)[index])) if _OFF else _item
"""The number at array[index] as float64. A negative index does not count from the end, which saves time."""

multiply_add = (lambda a, b, c: c + a * b) if _OFF else _multiply_add
"""a·b + c, fused if the processor has such an instruction."""

add = np.add if _OFF else _rounded("fadd")
"""a + b, never fused with a product."""

subtract = np.subtract if _OFF else _rounded("fsub")
"""a − b, never fused with a product."""

multiply = np.multiply if _OFF else _rounded("fmul")
"""a·b, never fused with a sum."""

rounding_error = _plain_rounding_error if _OFF else _rounding_error
"""a·b − product, rounded once: what rounding to `product` dropped."""

total = (lambda value: np.float64(value.sum())) if _OFF else _total
"""The sum of the eight numbers."""

prefetch = (lambda *_: None) if _OFF else _prefetch
"""Prefetch the cache line of array[index]. An index past the end is no error."""

line_of = (lambda array: 64 // array.itemsize) if _OFF else _line_of
"""Numbers of the array in a cache line, a constant in the compiled kernel."""


@kernel
def padded(values):
    """A copy padded with 0 to whole vectors."""
    d = len(values)
    copy = zeros(-(-d // LANES) * LANES)
    for j in range(d):
        copy[j] = values[j]
    return copy
