"""Answers of tasks, joined."""

from __future__ import annotations

import numpy as np

from fastgd.distributed import tasks
from fastgd.engine import reduce


def test_joined_answers_are_those_of_one_counter(rng):
    leaves = [rng.standard_normal(2) for _ in range(23)]
    whole = reduce.Counter()
    for leaf in leaves:
        whole.push(leaf.copy())
    answers = []
    for start, stop in ((0, 5), (17, 23), (5, 6), (6, 17)):
        counter = reduce.Counter(stop=start)
        for leaf in leaves[start:stop]:
            counter.push(leaf.copy())
        answers.append(([tasks.Nodes(start, counter.nodes)], []))
    ((nodes,), _) = tasks.join([tasks.join(answers[:2], np.add), tasks.join(answers[2:], np.add)], np.add)
    counter = reduce.Counter()
    counter.nodes = nodes.nodes
    assert counter.total().tobytes() == whole.total().tobytes()
