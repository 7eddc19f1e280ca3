"""Progress bars for epochs and rows, by tqdm, in a terminal or a notebook."""

from __future__ import annotations

import importlib.util
import sys
import threading
import time
import warnings
from typing import Any

from fastgd.kernels import compiling

DELAY = 0.5
"""A pass that takes longer than this many seconds gets its own bar."""


class Progress:
    """Two bars: one for the epochs, with the cost, and one for the rows of the current pass."""

    def __init__(self, n_epochs: int, what: str):
        self._tqdm = _tqdm()
        self._bar_options = _options(self._tqdm)
        self._lock = threading.Lock()
        self._epochs = bar(n_epochs, what, "epoch")
        self._is_first = True
        self._announced = compiling.announced(self._write)
        self._announced.__enter__()
        self._rows: Any = None
        self._read = self._row = 0
        self._began = 0.0
        self._shown: dict[str, str] = {}
        """The text after the bar: the cost, and the seconds of a pass."""

    def read(self, number: int, row: int, n: int | None, began: float) -> None:
        with self._lock:
            if self._rows is None or number != self._read:
                self._close_rows()
                self._read, self._row, self._began = number, row, began
                self._rows = self._tqdm(
                    total=n,
                    initial=row,
                    desc="rows read",
                    unit="row",
                    unit_scale=True,
                    leave=False,
                    delay=DELAY,
                    **self._bar_options,
                )
            self._rows.update(row - self._row)
            self._row = row

    def epoch(self, done: int, cost: float | None) -> None:
        with self._lock:
            self._close_rows()
            if cost is not None:
                self._shown["cost"] = f"{cost:.6g}"
            if self._shown:
                self._epochs.set_postfix(self._shown, refresh=False)
            if self._is_first:  # epochs of an earlier process are not part of the rate
                self._is_first, self._epochs.initial, self._epochs.n = False, done, done
                self._epochs.refresh()
            else:
                self._epochs.update(done - self._epochs.n)

    def close(self) -> None:
        with self._lock:
            self._close_rows()
            self._epochs.close()
        self._announced.__exit__(None, None, None)

    def _write(self, text: str) -> None:
        """Write a line to stderr, above the bars."""
        self._tqdm.write(text, file=sys.stderr)

    def _close_rows(self) -> None:
        if self._rows is not None:
            self._rows.close()
            self._shown["read"] = f"{time.monotonic() - self._began:.2g} s"
        self._rows = None


def can_show() -> bool:
    """Whether there is a terminal, and tqdm to draw a bar."""
    return sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None


def bar(total: int, what: str, unit: str) -> Any:
    """A bar of tqdm for so many steps. It shows nothing if stderr is not a terminal."""
    tqdm = _tqdm()
    return tqdm(total=total, desc=what, unit=unit, leave=True, **_options(tqdm))


def _tqdm() -> Any:
    try:
        from tqdm import TqdmWarning

        with warnings.catch_warnings():  # that tqdm.autonotebook is experimental, or finds no ipywidgets
            warnings.simplefilter("ignore", TqdmWarning)
            from tqdm.autonotebook import tqdm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("progress=True needs tqdm: pip install 'fastgd[progress]'") from error
    return tqdm


def _options(tqdm: Any) -> dict[str, Any]:
    """The options of a bar, by which it is shown in terminals and notebooks only.

    A notebook's bar is a widget. Without ipywidgets it is text, which the notebook shows below the cell.
    """
    notebook = sys.modules.get("tqdm.notebook")
    is_widget = notebook is not None and issubclass(tqdm, notebook.tqdm)
    return {} if is_widget or "ipykernel.zmqshell" in sys.modules else {"disable": None}
