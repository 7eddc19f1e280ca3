"""What a fit shows: its pictures, and its table in a notebook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fastgd import display
from fastgd.data.backend import resolve
from fastgd.data.dataset import Dataset
from fastgd.engine.blocks import Floats
from fastgd.public import public
from fastgd.solver.centring import read_centred
from fastgd.solver.statistics import Statistics

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes


class Pictured:
    """The base of `FitResult` that draws it."""

    __slots__ = ()

    if TYPE_CHECKING:
        w: float | Floats
        intercept: float
        intercept_history: Floats | None
        feature_names: tuple[str, ...]
        _rows: Dataset | None
        _options: dict[str, Any]

        @property
        def _has_intercept(self) -> bool: ...

        @property
        def _outcome(self) -> str: ...

    @public
    def plot(
        self,
        kind: str | None = None,
        *,
        ax: Axes | None = None,
        label: str | None = None,
        scale: Literal["linear", "log"] = "linear",
        epochs: Sequence[int] | None = None,
        residuals: bool = False,
    ) -> Axes:
        """Draw the fit with matplotlib and return the axes. The figure is not shown.

        Parameters
        ----------
        kind : {"path", "cost", "fit", "tangent"}, optional
            - "path": the steps on the curve of the cost (one weight), or on its contours (two weights, or one
              and an intercept), for squared errors with or without l2. SGD with `history="samples"` has each
              single step. Both axes have one unit, unless one range is over 20 times the other.
            - "cost": the cost against the epoch, and that of held-out rows.
            - "fit": the data and the line of the fit; of several columns, the predictions against y.
            - "tangent": the curve of the cost, its tangents ∂cost/∂w and the steps −α ∂cost/∂w (one weight).

            The default is "path" where it can be drawn, otherwise "cost".
        ax : matplotlib axes, optional
            Where to draw; by default a new figure. Several runs may share axes: each has its own colour.
        label : str, optional
            The name of the run in the legend.
        scale : {"linear", "log"}, default "linear"
            The scale of costs, for "cost".
        epochs : sequence of int, optional
            The epochs that have a tangent ("tangent"), or a faint line ("fit"); 0 is the start.
        residuals : bool, default False
            Whether to draw the distance of each point from the line, for "fit".

        Returns
        -------
        matplotlib axes

        Raises
        ------
        ValueError
            If this fit has no such picture. The message has the remedy.
        ModuleNotFoundError
            If matplotlib is not installed: pip install 'fastgd[plot]'.

        Notes
        -----
        Of a run that diverges the first epochs are drawn, and a sentence says so. "path" and "tangent" read
        the data once. "fit" draws at most 1000 samples, evenly spaced, and says how many.

        Examples
        --------
        >>> import fastgd
        >>> fit = fastgd.gradient_descent([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], w0=1.0, learning_rate=0.01)
        >>> fit.plot("tangent", epochs=[0, 5]).get_xlabel()
        'w'
        """
        from fastgd.plots.picture import plot

        return plot(self, kind, ax=ax, label=label, scale=scale, epochs=epochs, residuals=residuals)

    @public
    def animate(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        kind: Literal["path", "tangent", "fit"] = "path",
        fps: int = 10,
    ) -> FuncAnimation:
        """Animate the epochs with matplotlib, as two linked pictures. Nothing is shown.

        Parameters
        ----------
        path : str or path-like, optional
            A file to write: .gif, or .mp4 with the program ffmpeg.
        kind : {"path", "tangent", "fit"}, default "path"
            - "path": the line over the data (of two weights, the cost curve), and the steps in the bowl.
            - "tangent": the line over the data, and the tangent and the step of the epoch (one weight).
            - "fit": the line over the data (one column, any loss), and the curve of the costs.
        fps : int, default 10
            Frames per second. There are at most 80 frames, and the last one stays for a second.

        Returns
        -------
        matplotlib.animation.FuncAnimation
            In a notebook, `IPython.display.HTML(animation.to_jshtml())` plays it.

        Raises
        ------
        ValueError
            If the fit has no such picture, or the file no such ending. The message has the remedy.
        ModuleNotFoundError
            If matplotlib is not installed: pip install 'fastgd[plot]'.

        Notes
        -----
        Of a long run the first epochs have a frame each, and later ones are skipped more and more. A run that
        diverges ends where it leaves the picture.

        Examples
        --------
        >>> import fastgd
        >>> fit = fastgd.gradient_descent([1.0, 2.0], [2.0, 4.0], learning_rate=0.1, n_epochs=2)
        >>> "<img" in fit.animate(kind="tangent", fps=1).to_jshtml()
        True
        """
        from fastgd.plots.animation import animate

        run: Any = self
        return animate(run, path, kind, fps)

    def _statistics(self) -> Statistics:
        """The statistics of the rows of the fit, with l2, by one pass, rarely two. An intercept is about the
        reference of the columns."""
        rows, has_intercept = self._rows, self.intercept_history is not None
        assert rows is not None
        centred = read_centred(rows, has_intercept, resolve("auto"), None, None).statistics
        l2 = np.append(np.full(rows.d, self._options.get("l2", 0.0)), [0.0] * has_intercept)
        return replace(replace(centred, n=rows.total_weight).with_l2(l2), x_ref=centred.x_ref)

    def _repr_html_(self) -> str:
        places = ("w",) if np.ndim(self.w) == 0 else tuple(map(str, range(np.size(self.w))))
        names = self.feature_names or places
        pairs = zip(names, np.ravel(self.w).tolist(), strict=True)
        rows = [(name, display.number(value)) for name, value in pairs]
        if self._has_intercept:
            rows.insert(0, ("intercept", display.number(self.intercept)))
        table = display.table(f"FitResult: {self._outcome}", ("feature", "weight"), rows)
        from fastgd.plots import notebook

        return notebook.beside(table, self)
