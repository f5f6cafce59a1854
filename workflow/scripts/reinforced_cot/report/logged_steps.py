"""The steps that a training has logged: of a finished one from metrics.json, of others from its TensorBoard files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd


def history(metrics: Mapping[str, Any]) -> pd.DataFrame:
    """The logged training steps, by step.

    Args:
        metrics: the content of metrics.json.
    """
    if not metrics["history"]:
        return pd.DataFrame(index=pd.Index([], name="step"))
    return pd.DataFrame(metrics["history"]).set_index("step")


def logged_so_far(folder: Path) -> list[dict[str, Any]]:
    """The entries that `metrics.json` will have, as far as training has come; none where nothing was logged.

    Args:
        folder: of the policy; its trainer writes scalars below ``tensorboard/`` as ``train/{name}`` and
            ``eval/{name}`` (transformers, ``rewrite_logs``).
    """
    if not any((folder / "tensorboard").glob("**/events.out.tfevents.*")):
        return []
    from tensorboard.backend.event_processing.event_accumulator import SCALARS, EventAccumulator

    entries: dict[tuple[bool, int], dict[str, Any]] = {}
    for file in sorted((folder / "tensorboard").glob("**/events.out.tfevents.*")):
        events = EventAccumulator(str(file), size_guidance={SCALARS: 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            kind, _, name = tag.partition("/")
            if kind not in ("train", "eval"):
                continue
            for event in events.Scalars(tag):
                # What was logged twice is from a training that was resumed: the later value holds.
                entry = entries.setdefault((kind == "eval", event.step), {"step": event.step})
                entry[name if kind == "train" else f"eval_{name}"] = event.value
    return [entry for _, entry in sorted(entries.items(), key=lambda item: (item[0][1], item[0][0]))]
