"""The shared parts of SFT and RL: arguments of TRL's trainers, resuming, training curves, and publication."""

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import set_seed
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME

from reinforced_cot.errors import PipelineError
from reinforced_cot.folder_lock import lock_folder
from reinforced_cot.generation.distributed import forwards_together
from reinforced_cot.launch.topologies import Topology, spread
from reinforced_cot.lora.adapter import check_trainable, publish_adapter
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.embedded_adapter import ADAPTER_WEIGHTS
from reinforced_cot.models.loading import device
from reinforced_cot.models.transformers_hooks import use_plain_cpu
from reinforced_cot.models.vision_cache import VISION_CACHE, use_vision_cache
from reinforced_cot.planning.batch_sizes import accumulation
from reinforced_cot.policies.settings import TrainSettings
from reinforced_cot.processes import rank, world_size
from reinforced_cot.result_files import write_result
from reinforced_cot.resuming import MANIFEST, claim_checkpoints, deciding, resume_point
from reinforced_cot.run_fingerprint import fingerprint
from reinforced_cot.seeds import mixed
from reinforced_cot.training.divergence import FiniteTrainer, FiniteWeights, undrawable_tokens_named
from reinforced_cot.training.full_finetuning import publish_model
from reinforced_cot.training.preemption import saved_at_sigterm
from reinforced_cot.training.preflight import Start
from reinforced_cot.training.trl_hooks import count_tokens_on
from reinforced_cot.training.validation import has_ended, kept_completions, warn_if_below_start

log = logging.getLogger(__name__)


class ResumingTrainer(FiniteTrainer):
    """Resumes with the checkpoint's weights: in two cases `Trainer` silently keeps those that the run started from.

    In full fine-tuning, the checkpoint's files use the names of the model's first publication, so `Trainer` finds none
    of its modules in them. With an adapter and its reference (TRL's ``ref``, a folder in the
    checkpoint), it loads the reference alone.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        elif isinstance(self.model, PeftModel):
            set_peft_model_state_dict(self.model, load_file(Path(resume_from_checkpoint) / ADAPTER_WEIGHTS))
        else:
            for process in range(self.accelerator.num_processes):  # in turn: each loads the whole model into memory
                if process == self.accelerator.process_index:
                    saved = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype)
                    self.model.load_state_dict(saved.state_dict())
                    del saved
                self.accelerator.wait_for_everyone()


def trainer_arguments(settings: TrainSettings, stream: str, output: Path) -> dict[str, Any]:
    """Arguments of ``SFTConfig`` or ``GRPOConfig``: the user's fields and those that the pipeline sets.

    Args:
        settings: bfloat16 weights train in bfloat16 unless ``training`` says otherwise.
        stream: the word that the method's seed is derived from, one per method. A policy that repeats a method of its
            ancestors gets a seed of its own by ``repeats``: otherwise its adapter would start with the same
            random weights.
        output: ``results/{policy}``; checkpoints and TensorBoard curves go below it.

    Raises:
        PipelineError: this many processes cannot make the batch.
    """
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(output / "tensorboard")
    training = settings.policy.training
    total, per_device = settings.policy.global_batch_size or 0, training["per_device_train_batch_size"]
    steps = accumulation(total, per_device, world_size())
    if not steps:
        raise PipelineError(
            f"global_batch_size {total} is no multiple of per_device_train_batch_size x processes, {per_device} x "
            f"{world_size()}: change one of the three"
        )
    return {
        "bf16": settings.base_model.dtype == "bfloat16",
        **training,
        "gradient_accumulation_steps": steps,
        "output_dir": str(output / "checkpoints"),
        "seed": mixed(settings.seed, stream, *([settings.repeats] if settings.repeats else [])) % 2**32,
        "report_to": "tensorboard",  # other trackers: `tracked`
        "use_cpu": device().type == "cpu",
        "dataloader_pin_memory": device().type == "cuda",
        "logging_nan_inf_filter": False,  # such a loss ends the run: `divergence`
    }


Claim = Callable[[], None]


def nothing_to_claim() -> None:
    """For a run whose folder no other run has written to."""


def resume(
    script: Path,
    settings: Mapping[str, Any],
    inputs: Iterable[Path],
    topology: Topology | None,
    output: Path,
    further: Mapping[str, Path] | None = None,
) -> tuple[Path | None, Claim]:
    """Find the checkpoint from which this very run goes on; one process decides and tells the others.

    The policy's folder is locked until the process ends, and nothing in it is changed.

    Args:
        settings: all settings of the run; they go into its fingerprint.
        inputs, further: the files that the run depends on, as for `fingerprint`.
        topology: checkpoints are written per process, so that a run on a different number of processes starts afresh.

    Returns:
        The checkpoint, None to start afresh; and a function that makes the folder of checkpoints the run's own, which
        one process calls after all checks.

    Raises:
        PipelineError: another process trains in this folder.
    """
    run = fingerprint(script, {**deciding(settings), "spread": spread(topology, world_size())}, inputs, further)
    # This connects the processes. Its count of them is not used: under DeepSpeed on CPUs, each process counts one.
    PartialState(cpu=bool(topology and topology.use_cpu and topology.distributed_type != "DEEPSPEED"))
    checkpoints = output / "checkpoints"
    decided: list[Path | None] = [None]
    if rank() == 0:
        lock_folder(output)
        decided = [resume_point(checkpoints, run)]
    if world_size() > 1:
        torch.distributed.broadcast_object_list(decided)
    return decided[0], partial(claim_checkpoints, checkpoints, run, decided[0])


def run(
    trainer: Trainer,
    settings: TrainSettings,
    resume_from: Path | None,
    start: Start,
    output: Path,
    claim: Claim,
    trackers: str = "",
) -> None:
    """Train, from a checkpoint if there is one; publish ``adapter/`` or, in full fine-tuning, ``model/`` with its
    manifest, and ``metrics.json``.

    Args:
        output: ``results/{policy}``.
        trackers: what is told of the run, as JSON; it changes nothing of the run.

    Raises:
        PipelineError: a loss, a gradient or a weight is not finite, or nothing was learned.
        SystemExit: SIGTERM came, and a checkpoint is saved.
    """
    log.info("%d trainable parameters", check_trainable(trainer.model))
    set_seed(trainer.args.seed, device_specific=True)
    if trainer.args.device.type == "cpu":
        use_plain_cpu(trainer.args)
    if trainer.is_world_process_zero():
        claim()
    tracking = tracked(trainer, settings, output, trackers)
    trainer.accelerator.wait_for_everyone()
    if resume_from and _is_finished(resume_from, settings.policy.selection.patience):
        # The run was killed between its last step and publication; `Trainer.train` would train one more step.
        trainer.state = TrainerState.load_from_json(str(resume_from / TRAINER_STATE_NAME))
    else:
        with undrawable_tokens_named(trainer), saved_at_sigterm(trainer):
            trainer.add_callback(FiniteWeights())  # after the one that saves at SIGTERM: those weights are checked, too
            trainer.add_callback(LogsAtSaves())
            trainer.add_callback(CheckpointManifests())
            if resume_from:
                count_tokens_on(trainer, TrainerState.load_from_json(str(resume_from / TRAINER_STATE_NAME)).log_history)
            trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        best = trainer.state.best_model_checkpoint if settings.policy.selection.publish == "best" else None
        chosen = published_checkpoint(trainer, best)
        warn_if_below_start(trainer.state.log_history, best)
        if isinstance(trainer.model, PeftModel):
            publish_adapter(chosen, start.base, output, start.adapter)
        else:
            loading, system = settings.base_model, settings.prompt.system
            publish_model(chosen, start.base, output, loading.dtype, loading.trust_remote_code, system)
        metrics = {**curves(trainer, best), "val_samples": settings.policy.selection.samples}
        write_result(output / "metrics.json", metrics)
        # Imported by its name: what is said of a training must not make it stale.
        findings = import_module("reinforced_cot.report.findings")
        findings.log_findings(output, settings.policy.method, metrics["history"])
        if tracking:
            tracking.finish(metrics)
    if torch.cuda.is_available():
        log.info("peak GPU memory: %.1f GiB", torch.cuda.max_memory_allocated() / 2**30)
    if world_size() > 1 and not getattr(trainer.args, "use_vllm", False):  # vLLM ends its process groups at exit
        trainer.accelerator.end_training()


def tracked(trainer: Trainer, settings: TrainSettings, output: Path, trackers: str) -> Any:
    """Add the callback `Tracking`; None without a tracker, and in all processes but the first.

    The module is imported by its name: how a run is tracked decides no weight, and must make no policy stale.
    """
    if not trackers or not trainer.is_world_process_zero():
        return None
    tracking = import_module("reinforced_cot.training.tracking").Tracking(trainer, settings, output, trackers)
    trainer.add_callback(tracking)
    return tracking


class LogsAtSaves(TrainerCallback):
    """Logs at each checkpoint: no checkpoint holds the sums of a log, so a resumed run would average fewer steps."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        control.should_log = control.should_log or control.should_save
        return control

    on_epoch_end = on_step_end


class CheckpointManifests(TrainerCallback):
    """Writes a manifest into each checkpoint when all processes have written their parts of it."""

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> TrainerControl:
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            (folder / MANIFEST).unlink(missing_ok=True)
            write_manifest(folder, folder / MANIFEST)
        return control


def keep_features(trainer: Trainer, settings: TrainSettings, output: Path) -> None:
    """Let the model in training look up image features that were computed before, in this run or another.

    Args:
        output: ``results/{policy}``; the cache stands beside it.
    """
    sharded = forwards_together(trainer.accelerator, gathered=False)
    use_vision_cache(trainer.model, output.parent / VISION_CACHE, settings.base_model, sharded)


def published_checkpoint(trainer: Trainer, best: str | None) -> Path:
    """The checkpoint whose weights are published: the best one where one is to be chosen, else the last.

    Weights are taken from it since trainers write it rightly under every topology; under ZeRO-3, a process has only a
    part of each weight.
    """
    return Path(trainer.args.output_dir) / (Path(best).name if best else f"checkpoint-{trainer.state.global_step}")


def _is_finished(checkpoint: Path, patience: int | None) -> bool:
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    return state.global_step >= state.max_steps or has_ended(state.log_history, patience)


def curves(trainer: Trainer, best: str | None) -> dict[str, Any]:
    """The training history, one entry per logged step, some completions, and which checkpoint was the best.

    Args:
        best: the checkpoint that is published for its accuracy on val; None where the last one is.

    `Trainer`'s closing entry is left out: its loss and durations are those since the last resume, not of the training.
    """
    return {
        "history": [_finite(entry) for entry in trainer.state.log_history if "train_runtime" not in entry],
        "validation": kept_completions(trainer),
        "best_checkpoint": Path(best).name if best else None,
        "best_metric": trainer.state.best_metric,
        "steps": trainer.state.global_step,
    }


def _finite(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry without metrics that are NaN or infinite, which JSON does not have."""
    return {key: value for key, value in entry.items() if value == value and abs(value) != float("inf")}
