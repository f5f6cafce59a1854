"""A policy's run at Weights & Biases (https://docs.wandb.ai)."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reinforced_cot.trackers.policy_run import Row, without_secrets

log = logging.getLogger(__name__)

_PATIENCE = 120.0  # seconds that the end of a stage waits for W&B


class WandbRun:
    """An `OpenRun`. Where W&B cannot be reached, it is written to the policy's folder, for ``wandb sync``."""

    def __init__(
        self, project: str, id: str, name: str, folder: Path, settings: Mapping[str, Any], is_training: bool
    ) -> None:
        # Images of tables wait in this folder until they are sent: beside the run, and not in the user's home.
        os.environ.setdefault("WANDB_DATA_DIR", str((folder / "wandb").absolute()))
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # no library reports home
        import wandb

        self._wandb, self._images = wandb, wandb.Image
        earlier = list(folder.glob(f"wandb/*run-*-{id}"))
        given = {
            **{"project": project, "id": id, "name": name, "config": dict(settings)},
            "dir": os.environ.get("WANDB_DIR") or str(folder),
            "reinit": "create_new",  # not `wandb.run`, which TRL would write into the checkpoints' model cards
            # The log is a file of its own, and the command line is nobody's business.
            "settings": wandb.Settings(console="off", finish_timeout=_PATIENCE, x_disable_meta=True, disable_git=True),
        }
        try:
            self._run = wandb.init(resume="allow", **given)
        except Exception as error:  # no network, or a key that the server refuses
            log.warning(
                "W&B cannot be reached (%s): the run is written to %s; `wandb sync` sends it",
                *(without_secrets(f"{type(error).__name__}: {error}"), folder / "wandb"),
            )
            wandb.teardown()  # otherwise the id would still be in use
            self._run = wandb.init(mode="offline", **given)
        if self._run.settings.mode == "online":
            self.reached = self._run.step
        else:
            # The newest folder of a run replaces the others when it is sent: a training that goes on tells its whole
            # history again. The evaluation writes a further folder, which is added to the run.
            self.reached = 0 if is_training or not earlier else _NEVER

    def log(self, figures: Mapping[str, float], step: int) -> None:
        self._run.log(dict(figures), step=step)

    def table(self, name: str, rows: Sequence[Row], step: int) -> None:
        columns = list(rows[0])
        data = [[self._as_cell(row[column]) for column in columns] for row in rows]
        self._run.log({name: self._wandb.Table(columns=columns, data=data)}, step=step)

    def summarise(self, figures: Mapping[str, float], last: Mapping[str, float]) -> None:
        self._run.summary.update({**last, **figures})

    def finish(self) -> None:
        self._run.finish()

    def _as_cell(self, value: Any) -> Any:
        return self._images(value) if hasattr(value, "tobytes") else value


_NEVER = 2**62  # a step that no training reaches
