"""Colours, titles and sentences."""

from __future__ import annotations

import numpy as np

from fastgd.plots.style import PALETTE, RUN, next_colour, say, shades, title
from tests.plots.drawn import lesson


def test_each_run_has_the_next_colour_and_the_palette_begins_anew(ax):
    seen = []
    for _ in range(len(PALETTE) + 1):
        seen.append(next_colour(ax))
        ax.plot([0], [0], gid=RUN)
        ax.plot([0], [0])  # no run
    assert seen == [*PALETTE, PALETTE[0]]


def test_shades_go_from_dark_to_light():
    lightness = shades(20)[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()


def test_sentences_stand_below_the_title(ax):
    ax.set_title("a title")
    say(ax, "one")
    say(ax, "two")
    assert ax.get_title() == "a title\none\ntwo"


def test_titles():
    assert title(lesson(n_epochs=1)) == "gradient descent\nlearning rate 0.01, 1 epoch"
    assert title(lesson(n_epochs=0)) == "gradient descent\n0 epochs"
