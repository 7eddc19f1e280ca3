"""The tree of additions inside a kernel: the sums of leaves are added as a binary counter counts.

`engine/reduce.py` adds the sums of runs in the same order.
"""

from __future__ import annotations

import numpy as np

from fastgd.kernels._jit import kernel
from fastgd.kernels.arrays import empty

EMPTY = np.int64(0)
"""The top of an empty stack. With a literal 0 Numba would compile `push` and `total` once more."""


@kernel
def new_stack(n_leaves, size):
    """A stack for the nodes of n_leaves leaves: one for each bit of n_leaves, and one for the next leaf."""
    levels = 1
    while n_leaves > 1:
        n_leaves >>= 1
        levels += 1
    return empty((levels + (levels > 1), size))


@kernel
def push(stack, top, leaf):
    """Add the node at stack[top], which is that of leaf number `leaf` of the run. Return the new top."""
    while leaf & 1:
        for j in range(stack.shape[1]):
            stack[top - 1, j] += stack[top, j]
        top -= 1
        leaf >>= 1
    return top + 1


@kernel
def total(stack, top):
    """The sum of all nodes, added from the right. The result does not keep the stack alive."""
    while top > 1:
        for j in range(stack.shape[1]):
            stack[top - 2, j] += stack[top - 1, j]
        top -= 1
    if len(stack) == 1:
        return stack[0]
    root = empty(stack.shape[1])
    for j in range(len(root)):
        root[j] = stack[0, j]
    return root
