"""Pages to test: how they are made, and what stands in one."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import fastgd

X_DATA, Y_DATA = [1.0, 2.0, 3.0], [2.0, 4.0, 6.0]


def page_of(folder: Path, *data: Any, **options: Any) -> Path:
    """A page with this data, if Plotly is here."""
    pytest.importorskip("plotly", reason="a page needs Plotly: pip install 'fastgd[html]'")
    X, y = (*data, None)[:2]
    return fastgd.explore(X, y, folder / "page.html", **options)


def lesson(folder: Path) -> Path:
    """The page of the lesson's first program."""
    return page_of(folder, X_DATA, Y_DATA, w0=1.0, learning_rate=0.01)


class Elements(HTMLParser):
    """The elements of a page, as (tag, attributes), and the text of those that hold text as it is."""

    def __init__(self, path: Path):
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "title": [], "h1": []}
        self._inside: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in self.texts:
            self._inside.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[self._inside[-1]][-1] += data

    @property
    def numbers(self) -> dict[str, Any]:
        """What Python wrote for the scripts."""
        return json.loads(self.texts["script"][0])
