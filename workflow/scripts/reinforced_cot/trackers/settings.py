"""The section ``trackers``: where runs are tracked besides TensorBoard. Nothing of it makes a result stale."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from reinforced_cot.section import Count, Section

Tracker = Literal["wandb", "trackio", "mlflow"]


def _name_that_all_take(project: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}", project):
        raise PydanticCustomError(
            "explained", "a project is named by at most 100 letters, digits, blanks, dots, hyphens and underscores"
        )
    return project


def _as_list(names: Any) -> Any:
    return [names] if isinstance(names, str) else names  # as TRL's own `report_to`


class Trackers(Section):
    """Where the runs of policies are tracked. TensorBoard is always written, and needs no entry here."""

    report_to: Annotated[tuple[Tracker, ...], Field(strict=False), BeforeValidator(_as_list)] = ()
    """Any of `wandb`, `trackio` and `mlflow`. Each policy is one run, with its settings, curves, completions and
    scores. Keys and addresses come from the environment alone, such as `WANDB_API_KEY` and `MLFLOW_TRACKING_URI`.
    """

    project: Annotated[str, AfterValidator(_name_that_all_take)] = "reinforced-cot"
    """The project of the runs; MLflow calls it experiment."""

    completions_every: Count | None = 20
    """Steps from one table of RL's completions, with images and rewards, to the next; null for none. Completions to
    val's questions are shown at each validation.
    """
