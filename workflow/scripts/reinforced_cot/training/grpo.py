"""Reinforcement learning with TRL's `GRPOTrainer`: GRPO, GSPO and whatever else its fields select."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import ProcessorMixin
from trl import GRPOConfig
from trl.trainer.utils import RepeatSampler

from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError
from reinforced_cot.generation.rendering import prompt_lengths
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.launch.vllm_server import ready_server, server_arguments, server_gpus, vllm_context
from reinforced_cot.lora.adapter import base_of, continued, lora_config, train_in_float32
from reinforced_cot.models.checkpoints import context_length
from reinforced_cot.models.families import check_vllm_rollouts
from reinforced_cot.models.image_cache import remember_images
from reinforced_cot.models.loading import load_model
from reinforced_cot.models.processors import NEVER, load_processor, vision_token_ids
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.planning.stage_memory import check_memory, rl_plan
from reinforced_cot.processes import local_world_size, rank
from reinforced_cot.scoring.reward_loading import load_rewards
from reinforced_cot.seeds import mixed, subset
from reinforced_cot.training.dynamic_sampling import RefillingTrainer, check_whole_groups
from reinforced_cot.training.full_finetuning import loaded_dtype
from reinforced_cot.training.probe_callback import ProbeCallback
from reinforced_cot.training.resuming_trainer import ResumingTrainer
from reinforced_cot.training.shared_prefix_trainer import SharedPrefixTrainer
from reinforced_cot.training.topology_check import check_dtype, check_spread
from reinforced_cot.training.trainer import keep_features, run, trainer_arguments
from reinforced_cot.training.trainer_data import rl_dataset
from reinforced_cot.training.vllm_rollouts import (
    SamplingCheck,
    check_repaired_trl,
    with_collapsed_prompts,
    with_restored_base,
)


class EpochSampler(RepeatSampler):
    """TRL's sampler of groups in an order that follows from seed and epoch alone.

    The stock sampler goes on drawing from one generator: a run that resumes in its second epoch would see the order of
    the first one again.
    """

    def set_epoch(self, epoch: int) -> None:
        """The data loader says which epoch begins."""
        if self.shuffle:
            self.generator.manual_seed(mixed(self.seed, "rl epoch", epoch))


class ResumableGRPOTrainer(ResumingTrainer, RefillingTrainer, SharedPrefixTrainer):
    """`GRPOTrainer` that draws the same groups whether or not it was stopped in between."""

    def _get_train_sampler(self, dataset: Dataset | None = None) -> EpochSampler:
        stock = super()._get_train_sampler(dataset)
        sampler = EpochSampler(
            stock.data_source,
            stock.mini_repeat_count,
            batch_size=stock.batch_size,
            repeat_count=stock.repeat_count,
            shuffle=stock.shuffle,
            seed=stock.seed,
        )
        sampler.set_epoch(0)
        return sampler


def train(
    settings: Mapping[str, Any],
    examples: Sequence[Example],
    data: Path,
    sft: Path,
    output: Path,
    resume_from: Path | None,
    topology: Topology | None = None,
) -> None:
    """Reinforce ``sft``; under ``output``, write ``adapter/`` (in full: ``model/``), its manifest and ``metrics.json``.

    Args:
        settings: sections seed, base_model, prompt, rewards and rl (this policy's own).
        data: the folder that the examples' images are relative to.
        sft: ``results/sft``, whose merged model is the start, or its adapter (`rl.*.start`).
        output: ``results/{policy}``.
        resume_from: a checkpoint of this very run, or None.
        topology: what the run must be spread over; None is one process.

    Raises:
        DataError: a prompt is too long, or there are fewer questions than one generation takes.
        PipelineError: groups that are to be refilled would be spread over processes.
    """
    rl, prompt = settings["rl"], settings["prompt"]
    start = sft / "adapter" if rl["start"] == "adapter" else None
    parent = base_of(start) if start else sft
    examples = subset(examples, rl["examples"], settings["seed"])
    trusted = settings["base_model"]["trust_remote_code"]
    processor = load_processor(parent / "model", trust_remote_code=trusted)
    new_tokens = rl["training"]["max_completion_length"]
    context = context_length(parent / "model", trusted)
    longest = max(prompt_lengths(processor, examples, data, prompt, context, new_tokens), default=0)
    # Before TRL's arguments, which make every model that is built from then on one of ZeRO-3's.
    shapes = shapes_of(parent / "model", rl["lora"], trust_remote_code=trusted)
    check_memory(rl_plan(settings, shapes, topology, longest), local_world_size())
    functions, weights = load_rewards(settings["rewards"], max_completion_length=new_tokens)
    arguments = grpo_config(settings, weights, processor, output)
    check_whole_groups(rl["refill_generations"], arguments)
    needed = arguments.generation_batch_size // arguments.num_generations
    if len(examples) < needed:
        raise DataError(
            f"{data / 'train.jsonl'} has {len(examples)} questions for RL, and one generation takes {needed} different "
            "ones: add data, or lower rl.*.global_batch_size or rl.*.training.generation_batch_size"
        )
    remember_images(processor, needed)
    dtype = loaded_dtype(settings["base_model"]["dtype"], rl["lora"] is None, topology)
    model = load_model(parent / "model", settings["base_model"], rl["quantization"], dtype)
    with ready_server(rl["training"], rank() == 0):
        trainer = ResumableGRPOTrainer(
            model=continued(model, start) if start else model,
            reward_funcs=functions,
            args=arguments,
            train_dataset=rl_dataset(examples, data, prompt),
            processing_class=processor,
            peft_config=None if start else lora_config(rl["lora"], model),
        )
        trainer.shared_prefix = rl["shared_prefix"]
        trainer.refill_generations = rl["refill_generations"]
        if rl["quantization"]:
            train_in_float32(trainer.model, start)
        check_spread(trainer.accelerator, topology)
        if not arguments.cast_lm_head_to_fp32:  # which makes one weight float32 on purpose
            check_dtype(trainer.model, dtype, rl["quantization"])
        if arguments.use_vllm:
            rollouts = trainer.vllm_generation
            rollouts.sync_weights = with_restored_base(rollouts.sync_weights, trainer.model)
            if rollouts.mode == "colocate":
                rollouts.generate = with_collapsed_prompts(rollouts.generate, model.config.image_token_id)
            trainer.add_callback(SamplingCheck(rl["max_sampling_logp_difference"]))
        keep_features(trainer, settings, output)
        if rl["probes"]["every"] is not None:
            trainer.add_callback(ProbeCallback(trainer, settings, examples, data, functions, weights))
        run(trainer, settings, resume_from, parent, output, start)


def grpo_config(
    settings: Mapping[str, Any], weights: Sequence[float], processor: ProcessorMixin, output: Path
) -> GRPOConfig:
    """TRL's configuration: the user's fields, the rewards' weights, and samplers that never draw an image token."""
    training = dict(settings["rl"]["training"])
    if training.get("use_vllm"):
        check_vllm_rollouts(processor.family)
        check_repaired_trl()
        training["vllm_max_model_length"] = vllm_context(settings)
    banned = vision_token_ids(processor)
    ban = {"logit_bias": dict.fromkeys(banned, NEVER)} if training.get("use_vllm") else {"suppress_tokens": banned}
    generation = {**(training.pop("generation_kwargs", None) or {}), **ban}
    return GRPOConfig(
        **trainer_arguments(settings, "rl", {**settings["rl"], "training": training}, output),
        **(server_arguments() if server_gpus(training) else {}),
        reward_weights=list(weights),
        generation_kwargs=generation,
        log_multimodal=False,  # else every generation gathers all images between ranks
    )
