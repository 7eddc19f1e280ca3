"""The binary counter of `engine.py`, inside a kernel: how the summaries of a run's blocks are added."""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import kernel


@kernel
def new_stack(n_blocks, size):
    """Room for the nodes of n_blocks blocks: one more than there are bits in n_blocks."""
    levels = 2
    while n_blocks > 1:
        n_blocks >>= 1
        levels += 1
    return np.empty((levels, size))


@kernel
def push(stack, top, block):
    """Add the node that stands at stack[top], of block number `block` of the run; return the new top."""
    while block & 1:
        for j in range(stack.shape[1]):
            stack[top - 1, j] += stack[top, j]
        top -= 1
        block >>= 1
    return top + 1


@kernel
def total(stack, top):
    """The sum of the stack's nodes, added from the right, as a new array."""
    while top > 1:
        for j in range(stack.shape[1]):
            stack[top - 2, j] += stack[top - 1, j]
        top -= 1
    return stack[0].copy()
