"""Checkpoints: save the progress of a run in a file, and resume a run that was killed.

The file holds the results of the reads so far, the state of the epoch loop, the options, and marks that
identify the data. A resumed run starts from the beginning and takes the results of reads from the file; the
epoch loop continues after the last whole epoch. So a resumed run has the bits of an uninterrupted one.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import os
import platform
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastgd import callers
from fastgd._version import __version__
from fastgd.checks import InvalidDataError, path_text
from fastgd.data.dataset import Dataset
from fastgd.data.files import Path
from fastgd.engine.blocks import Floats, Place, block_rows
from fastgd.engine.journal import Journal
from fastgd.io import npz
from fastgd.solver.loop import Callback, Run
from fastgd.solver.options import Options
from fastgd.solver.orders import Order
from fastgd.solver.problem import Problem
from fastgd.solver.progress import Progress
from fastgd.solver.results import FitResult
from fastgd.solver.steppers.base import EpochBatch, Stepper, StepperState

KIND = "checkpoint"
OPTIONS = (
    "w0", "learning_rate", "n_epochs", "tol", "patience", "validation_fraction", "method", "history",
    "on_divergence", "shuffle", "seed", "track_cost",
)  # fmt: skip
"""The fields of `Options` that a result depends on."""
SAMPLES = 16
"""The number of blocks that are hashed to identify the data."""


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
    point: dict[str, Any] | None
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
        self._rates: Floats = np.empty(0)
        self._planned: Floats = np.empty(0)
        """The rates before backtracking scales them, if the run can change its rates."""
        self._problem: Problem | None = None
        self._cost_scale = 1.0
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

    def watch(self, rates: Floats, problem: Problem, cost_scale: float) -> None:
        """Set the rates of the run, the problem that counts its passes, and the factor of displayed costs."""
        self._rates, self._problem, self._cost_scale = rates, problem, cost_scale
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

    def resume(self, run: Run, batch: EpochBatch, stepper: Stepper, callbacks: Sequence[Callback]) -> int:
        """See `solver.loop.Keeper`."""
        saved = self._saved
        point = None if saved is None else saved.point
        if saved is None or point is None:
            self.journal.has_started([])
            return 0
        here = self._few_rates()
        try:
            epoch, there = self._restored(saved, point, run, batch, stepper, callbacks), point["rates"]
            if there.shape != here.shape:
                raise ValueError
            if getattr(stepper, "backtracks", False):  # backtracking has scaled the rates of earlier epochs
                here[:epoch] = there[:epoch]
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
        return epoch

    def _restored(
        self,
        saved: Content,
        point: dict[str, Any],
        run: Run,
        batch: EpochBatch,
        stepper: Stepper,
        callbacks: Sequence[Callback],
    ) -> int:
        epoch = int(point["epoch"])
        if not 0 <= epoch <= len(self._rates):
            raise ValueError
        for name in stepper.state_attributes:
            value = point["stepper"][name]
            if not _is_alike(value, stepper.w if name == "moved_reference" else getattr(stepper, name)):
                raise ValueError
            setattr(stepper, name, value)
        if self._problem is not None:
            self._problem.n_passes = point["passes"]
        for name, array in vars(batch).items():
            array[: len(point[name])] = point[name]
        run.first_cost, run.last_cost, run.changes = point["first_cost"], point["last_cost"], point["changes"]
        run.converged, run.stopped, run.diverged = point["converged"], point["stopped"], point["diverged"]
        run.n_epochs = epoch
        for callback in callbacks:
            if callback.state():  # the user's function has no state, and may be another one
                callback.restore(point["callbacks"][type(callback).__name__])
        self.journal.has_started(saved.places[saved.before :])
        return epoch

    def _few_rates(self) -> Floats:
        """The rates of all epochs, or one rate if all are equal."""
        return self._rates[:1] if self._rates.strides == (0,) else self._rates

    def between(
        self, epoch: int, run: Run, batch: EpochBatch, stepper: Stepper, callbacks: Sequence[Callback]
    ) -> None:
        """See `solver.loop.Keeper`."""
        self._warn_of_failure()
        journal = self.journal
        cost = None if run.last_cost is None else run.last_cost * self._cost_scale
        if not journal.keeps:
            journal.at_epoch(epoch, cost, dict)
            return
        stepper_values = {name: copy.deepcopy(getattr(stepper, name)) for name in stepper.state_attributes}
        state = dict(
            epoch=epoch, first_cost=run.first_cost, last_cost=run.last_cost, changes=run.changes,
            converged=run.converged, stopped=run.stopped, diverged=run.diverged,
            passes=self._problem.n_passes if self._problem else 0,
            callbacks={type(callback).__name__: callback.state() for callback in callbacks},
            stepper=stepper_values,
        )  # fmt: skip

        def point() -> dict[str, Any]:
            rates = np.array(self._few_rates())
            if len(rates) == len(self._planned):  # a resumed run scales the rates of later epochs again
                rates[epoch:] = self._planned[epoch:]
            lengths = dict(costs=epoch + 1, weights=epoch + 1, losses=epoch, gradients=epoch, norms=epoch)
            histories = {name: getattr(batch, name)[:length] for name, length in lengths.items()}
            return state | {"rates": rates} | histories

        journal.at_epoch(epoch, cost, point)

    def write(self) -> None:
        """See `solver.loop.Keeper`."""
        self.journal.write()

    def end(self) -> None:
        """Close the progress bar and warn of a checkpoint that could not be written."""
        if self.journal.bar is not None:
            self.journal.bar.close()
        self._warn_of_failure()


def _is_alike(value: Any, like: Any) -> bool:
    """Whether a value from a file has the type and the shape of the attribute that it replaces."""
    if isinstance(like, StepperState):
        return isinstance(value, StepperState) and all(
            _is_alike(part, vars(like)[name]) for name, part in vars(value).items()
        )
    if isinstance(like, np.ndarray):
        if value is None:  # not computed yet
            return True
        return isinstance(value, np.ndarray) and (value.dtype, value.shape) == (like.dtype, like.shape)
    if isinstance(like, list):
        return isinstance(value, list) and len(value) == len(like) and set(map(type, value)) == {float}
    return isinstance(value, (bool, int, float, np.bool_))


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
    saved = npz.read(path, KIND, Content, StepperState)
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
