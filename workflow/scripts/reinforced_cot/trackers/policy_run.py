"""One policy's run at each tracker that is named: its settings, curves, completions and scores.

No tracker can fail a stage: its first error is one warning, and it is tried once more when the stage ends.
"""

import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

import yaml

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, sha256_of, write_json
from reinforced_cot.result_files import read_result
from reinforced_cot.run_fingerprint import FINGERPRINT
from reinforced_cot.trackers.settings import Trackers

log = logging.getLogger(__name__)

RUN = ".tracked.json"  # in a policy's folder: which run is its own
_MODULES = {"wandb": "WandbRun", "trackio": "TrackioRun", "mlflow": "MlflowRun"}
_SECRETS = ("WANDB_API_KEY", "HF_TOKEN", "TRACKIO_WRITE_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")

Entry = Mapping[str, Any]  # of a training history: figures by their names, and the step
Row = Mapping[str, Any]  # of a table: texts, numbers, and images of Pillow
Rows = Callable[[], Sequence[Row]]
Shown = Callable[[Entry], tuple[str, Rows] | None]  # the table that belongs to an entry, its name and its rows


class OpenRun(Protocol):
    """A run at one tracker.

    Attributes:
        reached: the last step that an earlier process has reported, 0 without one.
    """

    reached: int

    def log(self, figures: Mapping[str, float], step: int) -> None:
        """Add points to the curves."""

    def table(self, name: str, rows: Sequence[Row], step: int) -> None:
        """Add a table; all rows have the same columns."""

    def summarise(self, figures: Mapping[str, float], last: Mapping[str, float]) -> None:
        """Add figures that belong to the whole run.

        Args:
            last: the last point of each curve.
        """

    def finish(self) -> None:
        """Send what is left, and mark the run as finished."""


class PolicyRun:
    """The runs of one policy, at all trackers that are named.

    Args:
        folder: ``results/{policy}``.
        settings: the policy's own, as its train.yaml holds them.
        is_training: whether this process trains the policy. Another one adds to the run that is there.
    """

    def __init__(self, trackers: Trackers, folder: Path, settings: Mapping[str, Any], is_training: bool) -> None:
        self._reports = [
            _Report(tracker, trackers.project, folder, settings, is_training)
            for tracker in dict.fromkeys(trackers.report_to)
        ]

    def tell(self, history: Sequence[Entry], shown: Shown) -> None:
        """Report what is new in a training history since the last call, or since an earlier process was killed."""
        for report in self._reports:
            report.attempt(partial(report.tell, history, shown))

    def table(self, name: str, rows: Rows, step: int) -> None:
        """Report a table."""
        for report in self._reports:
            report.attempt(partial(report.table, name, rows, step))

    def finish(self, history: Sequence[Entry], shown: Shown, figures: Mapping[str, float]) -> None:
        """Report the end: what is new in the history, and figures of the whole run."""
        for report in self._reports:
            report.begin_again()
            report.attempt(partial(report.finish, history, shown, figures))


class _Report:
    """What one tracker has been told."""

    def __init__(
        self, tracker: str, project: str, folder: Path, settings: Mapping[str, Any], is_training: bool
    ) -> None:
        self._tracker, self._project, self._folder = tracker, project, folder
        self._settings, self._is_training = settings, is_training
        self._opened: OpenRun | None = None
        self._told = 0  # entries of the history
        self._has_failed = self._is_quiet = False

    def attempt(self, action: Callable[[], None]) -> None:
        """Do something that may fail; after a failure nothing is done until `begin_again`."""
        if self._has_failed:
            return
        try:
            action()
        except Exception as error:  # trackers raise errors of many kinds, and none may end a stage
            self._has_failed = True
            if not self._is_quiet:
                log.warning(
                    "%s cannot be told of this run (%s): the stage goes on, and tries once more at its end. "
                    "TensorBoard and the result files have everything",
                    *(self._tracker, without_secrets(f"{type(error).__name__}: {error}")),
                )

    def begin_again(self) -> None:
        """Let a tracker that has failed be tried again, without a second warning."""
        self._is_quiet, self._has_failed = self._has_failed, False

    def tell(self, history: Sequence[Entry], shown: Shown) -> None:
        run = self._run
        # Of the last step, a killed training may have told one entry of several; an evaluation finds all of them told.
        first = run.reached if self._is_training or not run.reached else run.reached + 1
        for entry in history[self._told :]:
            step = int(entry["step"])
            if step >= first:
                run.log(curve_points(entry), step)
                if table := shown(entry):
                    run.table(table[0], table[1](), step)
            self._told += 1

    def table(self, name: str, rows: Rows, step: int) -> None:
        if step >= self._run.reached:
            self._run.table(name, rows(), step)

    def finish(self, history: Sequence[Entry], shown: Shown, figures: Mapping[str, float]) -> None:
        self.tell(history, shown)
        last = {name: value for entry in history for name, value in curve_points(entry).items()}
        self._run.summarise(figures, last)
        self._run.finish()

    @property
    def _run(self) -> OpenRun:
        """The run, which is opened when it is first needed."""
        if self._opened is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            module = import_module(f"reinforced_cot.trackers.{self._tracker}_run")
            self._opened = getattr(module, _MODULES[self._tracker])(
                self._project,
                *identity(self._folder, self._is_training),
                self._folder,
                self._settings,
                self._is_training,
            )
        return self._opened


def identity(folder: Path, is_training: bool) -> tuple[str, str]:
    """Id and name of a policy's run: kept while the same training goes on or is evaluated, new for another training.

    Args:
        folder: ``results/{policy}``; the run is kept in its file `RUN`.
    """
    fingerprint = folder / "checkpoints" / FINGERPRINT
    training = sha256_of(fingerprint) if fingerprint.is_file() else ""
    try:
        kept = read_json(folder / RUN)
        if not is_training or kept["training"] == training:
            return str(kept["id"]), str(kept["name"])
    except (DataError, KeyError, TypeError):  # there is none, or it is damaged
        pass
    fresh = secrets.token_hex(6), str(folder).lstrip("/")[-100:]
    write_json(folder / RUN, {"id": fresh[0], "name": fresh[1], "training": training})
    return fresh


def report_scores(trackers: str, folder: Path, scores: Mapping[str, Any]) -> None:
    """Add a policy's scores to its run, and its curves where the run does not have them yet.

    Args:
        trackers: as JSON.
        folder: ``results/{policy}``.
        scores: the content of eval.json.
    """
    try:
        metrics = read_result(folder / "metrics.json")
        history = metrics["history"]
    except DataError:  # the base is not trained
        metrics, history = {}, []
    try:
        settings = yaml.safe_load((folder / "train.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        settings = {}
    figures = {**dict(final_figures(metrics)), **dict(numbers(scores, "test"))}
    PolicyRun(Trackers.model_validate_json(trackers), folder, settings, is_training=False).finish(
        history, lambda entry: None, figures
    )


def curve_points(entry: Entry) -> dict[str, float]:
    """The figures of one entry of a history, under the names that TensorBoard has.

    >>> curve_points({"loss": 0.5, "eval_accuracy": 1, "step": 3, "grad_norm": float("nan")})
    {'train/loss': 0.5, 'eval/accuracy': 1}
    """
    return {
        f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}": value
        for name, value in entry.items()
        if name != "step" and is_number(value)
    }


def final_figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What metrics.json says of a training as a whole."""
    for key in ("steps", "best_metric"):
        if is_number(metrics.get(key)):
            yield f"final/{key}", metrics[key]
    if best := metrics.get("best_checkpoint"):
        yield "final/best_step", int(best.rpartition("-")[2])


def numbers(scores: Mapping[str, Any], name: str) -> Iterator[tuple[str, float]]:
    """The numbers of nested mappings, without the breakdowns by kinds of questions.

    >>> dict(numbers({"accuracy": 0.5, "gqa": {"validity": 1.0}, "by_chain_length": {"1": {"n": 3}}}, "test"))
    {'test/accuracy': 0.5, 'test/gqa/validity': 1.0}
    """
    for key, value in scores.items():
        if is_number(value):
            yield f"{name}/{key}", value
        elif isinstance(value, Mapping) and not key.startswith("by_"):
            yield from numbers(value, f"{name}/{key}")


def is_number(value: Any) -> bool:
    """Whether a tracker can draw a value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def without_secrets(text: str) -> str:
    """An error's words as one line of the log, without keys, and without a password in an address.

    >>> without_secrets("no answer from http://me:secret@host:5000/api")
    'no answer from http://host:5000/api'
    """
    for name in _SECRETS:
        if value := os.environ.get(name):
            text = text.replace(value, f"<{name}>")
    return " ".join(re.sub(r"(://)[^/@\s]+@", r"\1", text).split())[:200]
