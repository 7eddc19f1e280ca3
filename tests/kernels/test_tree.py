"""The tree of sums in a kernel."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastgd.kernels import tree
from tests.problems import plain_tree


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100))
def test_the_tree_in_a_kernel_is_the_tree_of_the_engine(values):
    stack, top = tree.new_stack(len(values), 1), 0
    for leaf, value in enumerate(values):
        stack[top, 0] = value
        top = tree.push(stack, top, leaf)
    assert tree.total(stack, top)[0] == plain_tree(values)
