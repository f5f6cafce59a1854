"""What SFT and RL share: arguments of TRL's trainers, a run that resumes, curves, and a published adapter."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainerState, set_seed
from transformers.trainer import TRAINER_STATE_NAME

from reinforced_cot.adapters import check_trainable, publish_adapter
from reinforced_cot.files import write_json
from reinforced_cot.models import device
from reinforced_cot.seeds import mixed

log = logging.getLogger(__name__)


def trainer_arguments(
    settings: Mapping[str, Any], stage: str, training: Mapping[str, Any], output: Path
) -> dict[str, Any]:
    """The user's fields and those that the pipeline sets, for ``SFTConfig`` or ``GRPOConfig``.

    Args:
        settings: seed and base_model; its bfloat16 trains in bfloat16 unless ``training`` says otherwise.
        stage: ``sft`` or ``rl``. Each has a seed of its own, or RL's adapter would start as a copy of SFT's.
        training: TRL's own field names, from the config.
        output: ``results/{policy}``; checkpoints and TensorBoard curves go below it.
    """
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(output / "tensorboard")
    return {
        "bf16": settings["base_model"]["dtype"] == "bfloat16",
        **training,
        "output_dir": str(output / "checkpoints"),
        "seed": mixed(settings["seed"], stage) % 2**32,
        "report_to": "tensorboard",
        "use_cpu": device().type == "cpu",
        "dataloader_pin_memory": device().type == "cuda",
    }


def run(trainer: Trainer, resume_from: Path | None, parent: Path, output: Path) -> None:
    """Train, from a checkpoint if there is one, and publish ``adapter/``, ``adapter.json`` and ``metrics.json``.

    Args:
        parent: folder of the policy that is adapted.
        output: ``results/{policy}``.
    """
    log.info("%d trainable parameters", check_trainable(trainer.model))
    set_seed(trainer.args.seed)
    if resume_from and _is_finished(resume_from):
        _load_finished(trainer, resume_from)
    else:
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    trainer.accelerator.wait_for_everyone()
    publish_adapter(trainer.model, parent, output)
    write_json(output / "metrics.json", curves(trainer))
    if torch.cuda.is_available():
        log.info("peak GPU memory: %.1f GiB", torch.cuda.max_memory_allocated() / 2**30)


def _is_finished(checkpoint: Path) -> bool:
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    return state.global_step >= state.max_steps


def _load_finished(trainer: Trainer, checkpoint: Path) -> None:
    """Take over a run that had ended before it was published; `Trainer.train` would train one step more."""
    trainer.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    trainer._load_from_checkpoint(trainer.state.best_model_checkpoint or str(checkpoint))


def curves(trainer: Trainer) -> dict[str, Any]:
    """The training history: one entry a logged step, and which checkpoint was kept."""
    best = trainer.state.best_model_checkpoint
    return {
        "history": [_finite(entry) for entry in trainer.state.log_history],
        "best_checkpoint": Path(best).name if best else None,
        "best_metric": trainer.state.best_metric,
        "steps": trainer.state.global_step,
    }


def _finite(entry: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: a metric that was not a number is left out of its entry."""
    return {key: value for key, value in entry.items() if value == value and abs(value) != float("inf")}
