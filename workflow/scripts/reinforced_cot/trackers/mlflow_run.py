"""A policy's run at MLflow (https://mlflow.org/docs/latest): a server, or a local database."""

import logging
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.trackers.policy_run import Row

_TAG = "policy_run"  # MLflow chooses the ids of runs itself: ours is a tag
_IN_EVERY_ENTRY = "train/epoch"
_PARAMS = 100  # that one request may have


class MlflowRun:
    """An `OpenRun`, found by its tag."""

    def __init__(
        self, project: str, id: str, name: str, folder: Path, settings: Mapping[str, Any], is_training: bool
    ) -> None:
        # MLflow tries for minutes otherwise, while training waits.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no library reports home
        logging.getLogger("alembic").setLevel(logging.WARNING)  # a line for each table of a new database
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # a line for each retry
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._client, self._metric = MlflowClient(), Metric
        experiment = self._client.get_experiment_by_name(project)
        place = experiment.experiment_id if experiment else self._client.create_experiment(project)
        found = self._client.search_runs([place], f"tags.{_TAG} = '{id}'", max_results=1)
        run = found[0] if found else self._client.create_run(place, run_name=name, tags={_TAG: id})
        self._id, self.reached = run.info.run_id, 0
        if found:
            self._client.update_run(self._id, status="RUNNING")
            points = self._client.get_metric_history(self._id, _IN_EVERY_ENTRY)
            self.reached = max((point.step for point in points), default=0)
        else:
            self._client.log_dict(self._id, dict(settings), "train.yaml")
            params = [Param(key, str(value)[:500]) for key, value in flat(settings)]
            for start in range(0, len(params), _PARAMS):
                self._client.log_batch(self._id, params=params[start : start + _PARAMS])
        self._last = self.reached

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._last, now = max(self._last, step), int(time.time() * 1000)
        metrics = [self._metric(as_name(name), float(value), now, step) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def table(self, name: str, rows: Sequence[Row], step: int) -> None:
        file = f"{name}/{step}.json"
        if any(kept.path == file for kept in self._client.list_artifacts(self._id, name)):
            return  # a killed process has told it: `log_table` would append the same rows
        self._client.log_table(self._id, {column: [row[column] for row in rows] for column in rows[0]}, file)

    def summarise(self, figures: Mapping[str, float], last: Mapping[str, float]) -> None:
        self.log(figures, self._last)

    def finish(self) -> None:
        self._client.set_terminated(self._id, "FINISHED")


def as_name(name: str) -> str:
    """A metric's name with the characters that MLflow takes."""
    return re.sub(r"[^\w\-. /]", "_", name)


def flat(settings: Mapping[str, Any], key: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings by dotted keys.

    >>> dict(flat({"seed": 1, "policy": {"method": "sft"}}))
    {'seed': 1, 'policy.method': 'sft'}
    """
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{key}{as_name(str(name))}.")
        else:
            yield f"{key}{as_name(str(name))}", value
