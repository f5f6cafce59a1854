"""A policy's run at trackio (https://huggingface.co/docs/trackio): a local database, or a Space."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.trackers.policy_run import Row


class TrackioRun:
    """An `OpenRun`. Trackio finds a run by its name, which therefore holds the id."""

    def __init__(
        self, project: str, id: str, name: str, folder: Path, settings: Mapping[str, Any], is_training: bool
    ) -> None:
        import trackio

        self._trackio = trackio
        self._run = trackio.init(
            project=project,
            name=f"{name} {id}".replace("/", "-"),  # a name becomes a folder of images
            config=dict(settings),
            resume="allow",
            embed=False,
        )
        self.reached = self._last = max(self._run._next_step - 1, 0)

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._last = max(self._last, step)
        self._run.log(dict(figures), step=step)

    def table(self, name: str, rows: Sequence[Row], step: int) -> None:
        data = [{column: self._as_cell(value) for column, value in row.items()} for row in rows]
        self._run.log({name: self._trackio.Table(data=data)}, step=step)

    def summarise(self, figures: Mapping[str, float], last: Mapping[str, float]) -> None:
        self._run.log(dict(figures), step=self._last)

    def finish(self) -> None:
        self._run.finish()

    def _as_cell(self, value: Any) -> Any:
        return self._trackio.Image(value) if hasattr(value, "tobytes") else value
