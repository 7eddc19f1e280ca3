"""Checkpoints: save the progress of a run in a file, and resume a run that was killed.

The file holds the results of the reads so far, the state of the epoch loop, the options, and marks that
identify the data. A resumed run starts from the beginning and takes the results of reads from the file; the
epoch loop continues after the last whole epoch. So a resumed run has the bits of an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastgd import callers
from fastgd._version import __version__
from fastgd.checks import InvalidDataError, path_text
from fastgd.data.dataset import Dataset
from fastgd.data.files import Path
from fastgd.engine.blocks import Floats, Place, block_rows
from fastgd.engine.journal import Journal
from fastgd.io import npz
from fastgd.solver.descents import Descent
from fastgd.solver.loop import Callback, Run
from fastgd.solver.options import Options
from fastgd.solver.orders import Order
from fastgd.solver.problem import Problem
from fastgd.solver.progress import Progress
from fastgd.solver.results import FitResult
from fastgd.solver.steppers.base import EpochBatch, StepperState

KIND = "checkpoint"
OPTIONS = (
    "w0", "learning_rate", "n_epochs", "tol", "patience", "validation_fraction", "method", "history",
    "on_divergence", "shuffle", "seed", "track_cost",
)  # fmt: skip
"""The fields of `Options` that a result depends on."""
SAMPLES = 16
"""The number of blocks that are hashed to identify the data."""


class LoopState(NamedTuple):
    """The epoch loop between two epochs. Histories are cut to the epochs done."""

    epoch: int
    """The number of epochs done."""
    state: StepperState
    w_ref: Floats | None
    """The reference of `Summaries`, if the run has moved it."""
    passes: int
    """The passes that the problem counts."""
    first_cost: float | None
    last_cost: float | None
    changes: Floats | None
    converged: bool
    stopped: str
    diverged: bool
    callbacks: dict[str, list[Any]]
    """The states of the callbacks, by the names of their classes."""
    rates: Floats
    costs: Floats
    weights: Floats
    losses: Floats
    gradients: Floats
    norms: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """The content of a checkpoint."""

    options: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, Any]
    """Options, data and versions identify the run."""
    n: int | None
    """The number of rows, or None before a read has counted them."""
    seed: int | None
    places: list[Place]
    """The progress of each read before the first epoch, then of each read in the current epoch."""
    before: int
    """The number of reads before the first epoch."""
    point: LoopState | None
    """The state of the epoch loop, or None before its first epoch."""


class Checkpoint:
    """Writes the checkpoints of a run, and restores a run from one."""

    def __init__(self, rows: Dataset, options: Options, others: dict[str, Any]):
        """`others` are options that are not fields of `options`."""
        self._rows, self._path, self._failure = rows, options.checkpoint, ""
        self._marks: dict[str, Any] = {}
        self._saved: Content | None = None
        places: list[Place] = []
        if options.checkpoint is not None:
            _check_folder(options.checkpoint)
        if options.checkpoint is not None or options.resume is not None:
            all_options = others | {name: getattr(options, name) for name in OPTIONS}
            marks = {name: described(value) for name, value in all_options.items()}
            self._marks = {"options": marks, "data": data_marks(rows), "versions": _versions()}
        if options.resume is not None:
            self._saved = _read(options.resume, self._marks)
            places = self._saved.places[: self._saved.before]
        self._source = os.fspath(options.resume or "")
        self._seed: int | None = None if self._saved is None else self._saved.seed
        self._planned: Floats = np.empty(0)
        """The rates before backtracking scales them, if the run can change its rates."""
        self._descent: Descent | None = None
        bar = Progress(options.n_epochs, others["solver"]) if options.progress else None
        write = self._write if options.checkpoint is not None else None
        end = None if self._saved is None else self._saved.n
        self.journal = Journal(write, options.checkpoint_every, bar, places, end, self._at_end)

    def _at_end(self, n: int) -> None:
        """Set the number of rows that a read of an earlier process has counted."""
        self._rows.found_end(n)

    def order(self, order: Order) -> Order:
        """The order with the seed of the resumed run. The seed of a new run is kept for its checkpoints."""
        if self._seed is not None:
            order = Order(order.shuffle, self._seed)
        self._seed = order.seed
        return order

    def watch(self, descent: Descent) -> None:
        """Set the run that the checkpoints are of."""
        self._descent, rates = descent, descent.rates
        self._planned = rates.copy() if rates.flags.writeable else rates[:0]

    def _write(self, journal: Journal) -> None:
        assert self._path is not None
        places, before, point = journal.places, journal.before_epochs, None
        if journal.point is not None:
            point = journal.point()
        else:
            before = len(places)
            if self._saved is not None and self._saved.point is not None:  # before this run's first epoch
                places, point = places + self._saved.places[self._saved.before :], self._saved.point
        n = self.journal.end if self._rows.known_n is None else self._rows.known_n
        content = Content(**self._marks, n=n, seed=self._seed, places=places, before=before, point=point)
        try:
            npz.write(self._path, KIND, content)
            self._failure = ""
        except (OSError, ValueError, MemoryError) as error:  # a full disk, say; warned of between epochs
            reason = error.strerror if isinstance(error, OSError) else None
            self._failure = f"{type(error).__name__}: {reason or error}"

    def _warn_of_failure(self) -> None:
        failure, self._failure = self._failure, ""
        if failure:
            callers.warn(
                f"the checkpoint {path_text(self._path or '')} could not be written ({failure}); "
                "the previous one, if any, is unchanged, and the run continues",
                RuntimeWarning,
            )

    def resume(self, run: Run, batch: EpochBatch, callbacks: Sequence[Callback]) -> None:
        """See `solver.loop.Keeper`."""
        saved = self._saved
        point = None if saved is None else saved.point
        if saved is None or point is None:
            self.journal.has_started([])
            return
        descent = self._descent
        assert descent is not None
        here, there = _few_rates(descent.rates), point.rates
        try:
            if not _is_of_run(point, run, descent) or there.shape != here.shape:
                raise ValueError
            self._restore(point, run, batch, callbacks, descent.problem)
            self.journal.has_started(saved.places[saved.before :])
            if descent.backtracks:  # backtracking has scaled the rates of earlier epochs
                here[: run.n_epochs] = there[: run.n_epochs]
            is_other = there != here
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InvalidDataError(f"{self._source} holds values that do not belong to this run") from error
        if is_other.any():
            k = int(is_other.argmax())
            raise ValueError(
                f"{self._source} is the checkpoint of another run: the learning rate of epoch {k} is "
                f"{here[k]:.17g} here and {there[k]:.17g} there; resume with the same, or start again "
                "without resume"
            )

    def _restore(
        self, point: LoopState, run: Run, batch: EpochBatch, callbacks: Sequence[Callback], problem: Problem
    ) -> None:
        if point.state.stage:
            assert problem.summaries is not None
            assert point.w_ref is not None
            problem.summaries.move_reference(point.w_ref, point.state.stage)
        problem.n_passes = point.passes
        for name, array in vars(batch).items():
            values = getattr(point, name)
            array[: len(values)] = values
        run.state, run.n_epochs = point.state, point.epoch
        run.first_cost, run.last_cost, run.changes = point.first_cost, point.last_cost, point.changes
        run.converged, run.stopped, run.diverged = point.converged, point.stopped, point.diverged
        for callback in callbacks:
            if callback.state():  # the user's function has no state, and may be another one
                callback.restore(point.callbacks[type(callback).__name__])

    def between(self, run: Run, batch: EpochBatch, callbacks: Sequence[Callback]) -> None:
        """See `solver.loop.Keeper`."""
        self._warn_of_failure()
        epoch, journal, descent = run.n_epochs, self.journal, self._descent
        assert descent is not None
        cost = None if run.last_cost is None else run.last_cost * descent.cost_scale
        if not journal.keeps:
            journal.at_epoch(epoch, cost, dict)
            return
        summaries = descent.problem.summaries
        values: dict[str, Any] = dict(
            epoch=epoch, state=run.state, passes=descent.problem.n_passes,
            w_ref=summaries.statistics.w_ref if summaries is not None and run.state.stage else None,
            first_cost=run.first_cost, last_cost=run.last_cost, changes=run.changes,
            converged=run.converged, stopped=run.stopped, diverged=run.diverged,
            callbacks={type(callback).__name__: callback.state() for callback in callbacks},
        )  # fmt: skip

        def point() -> LoopState:
            rates = np.array(_few_rates(descent.rates))
            if len(rates) == len(self._planned):  # a resumed run scales the rates of later epochs again
                rates[epoch:] = self._planned[epoch:]
            lengths = dict(costs=epoch + 1, weights=epoch + 1, losses=epoch, gradients=epoch, norms=epoch)
            histories = {name: getattr(batch, name)[:length] for name, length in lengths.items()}
            return LoopState(**values, rates=rates, **histories)

        journal.at_epoch(epoch, cost, point)

    def write(self) -> None:
        """See `solver.loop.Keeper`."""
        self.journal.write()

    def end(self) -> None:
        """Close the progress bar and warn of a checkpoint that could not be written."""
        if self.journal.bar is not None:
            self.journal.bar.close()
        self._warn_of_failure()


def _few_rates(rates: Floats) -> Floats:
    """The rates of all epochs, or one rate if all are equal."""
    return rates[:1] if rates.strides == (0,) else rates


def _is_of_run(point: LoopState, run: Run, descent: Descent) -> bool:
    """Whether a run of this descent, which has started, can have come to this point."""
    state, like, epoch = point.state, run.state, point.epoch
    # Each read keeps another number of rows.
    without_kept = (one._replace(kept=one.kept[:0]) for one in (like, state))
    shapes, theirs = (tuple(getattr(part, "shape", ()) for part in one) for one in without_kept)
    has_maps = descent.kind == "sgd" and descent.stepper.method == "summary"
    return (
        0 <= epoch <= len(descent.rates)
        and shapes == theirs
        and state.counts[1] == like.counts[1]
        and state.epoch == like.epoch + (epoch if descent.kind == "sgd" else 0)
        and (has_maps or state.stage == like.stage)
        and (point.w_ref is None) == (state.stage == 0)
    )


def _is_place(place: Place) -> bool:
    """Whether the nodes of a read cover exactly the rows before its place."""
    return (
        place.row >= 0
        and all(size > 0 for size in place.sizes)
        and sum(place.sizes) == (place.row if place.sizes else 0)
        and len(place.arrays) >= len(place.sizes)
    )


def _check_folder(path: Path) -> None:
    """Refuse a folder, and a path in a folder that does not exist."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"the checkpoint {path_text(path)} is a folder: name a file in it")
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"there is no folder {path_text(folder)} for the checkpoint {path_text(path)}: make it"
        )


def data_marks(rows: Dataset) -> dict[str, Any]:
    """Marks that identify the data: its shape, its dtypes, and a hash of some of its blocks."""
    X, y, weights = rows.head(min(block_rows(rows.d), 256))
    marks = dict(
        rows=rows.known_n, columns=rows.d, one_dimension=rows.is_scalar, weighted=rows.has_weights,
        dtypes=f"{X.dtype}, {y.dtype}",
    )  # fmt: skip
    digest = hashlib.blake2b(digest_size=16)
    for part in (X, y, weights):
        digest.update(part.tobytes())
    digest.update(rows.sample())
    if rows.is_random or rows.executor is not None:
        block = block_rows(rows.d) if rows.is_random else min(block_rows(rows.d), 256)
        reader = rows.reader()
        starts = np.linspace(0, max(0, rows.n - block), SAMPLES).astype(np.int64)
        for start in np.unique(starts).tolist():
            for part in reader.read(start, min(start + block, rows.n)):
                digest.update(part.tobytes())
    return marks | {"sampled values": digest.hexdigest()}


def vars_of(value: Any) -> dict[str, Any]:
    """The fields of a dataclass."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def described(value: Any) -> Any:
    """An option in a form that can be compared: long arrays are hashed, objects are named by their type."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple, np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            digest = hashlib.blake2b(np.ascontiguousarray(array, np.float64).tobytes(), digest_size=8)
            return float(array) if array.ndim == 0 else f"{list(array.shape)} numbers, {digest.hexdigest()}"
    if isinstance(value, FitResult):
        return f"a fit, {described(value._last[0])}, {value._last[1]!r}"
    return f"of type {type(value).__name__}"


def _versions() -> dict[str, str]:
    from importlib import metadata

    versions = {"fastgd": __version__, "numpy": np.__version__, "machine": platform.machine()}
    try:
        return versions | {"numba": metadata.version("numba")}
    except metadata.PackageNotFoundError:
        return versions


def _read(path: Path, marks: dict[str, Any]) -> Content:
    """The content of a checkpoint file. Checkpoints of other runs or other data are refused."""
    saved = npz.read(path, {KIND: Content})
    name = os.fspath(path)
    if not isinstance(saved, Content) or not 0 <= saved.before <= len(saved.places):
        raise InvalidDataError(f"{name} does not hold the values of a checkpoint")
    if not all(map(_is_place, saved.places)):
        raise InvalidDataError(f"{name} holds an invalid place of a read")
    for what, theirs in (("data", saved.data), ("options", saved.options)):
        for key, here in marks[what].items():
            there = theirs.get(key)
            if key == "rows" and (here is None or there is None):
                continue  # not counted yet
            if there != here:
                raise ValueError(
                    f"{name} is the checkpoint of another run: {key} is {here!r} here and {there!r} there "
                    f"({'other data' if what == 'data' else 'other options'}); resume with the same, or "
                    "start again without resume"
                )
    if saved.versions != marks["versions"]:
        changed = ", ".join(
            f"{key} {saved.versions.get(key)} there and {here} here"
            for key, here in marks["versions"].items()
            if saved.versions.get(key) != here
        )
        callers.warn(
            f"{name} was written by other versions ({changed}): the last bits may differ from those of an "
            "uninterrupted run",
            RuntimeWarning,
        )
    return saved
