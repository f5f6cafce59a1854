"""Reinforcement learning with TRL's `GRPOTrainer`: GRPO, GSPO and the other losses that its fields select.

The trainer inherits from five classes, each of which changes one thing: `ValidatingTrainer` asks questions of val,
`ResumingTrainer` resumes with the right weights, `RefillingTrainer` replaces groups that teach nothing,
`OpenedRolloutsTrainer` shows rewards what the prompt has opened, `SharedPrefixTrainer` computes each prompt once.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import ProcessorMixin
from trl import GRPOConfig

from reinforced_cot.data.examples import Example, most_images
from reinforced_cot.errors import DataError
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.launch.vllm_server import ready_server, server_arguments, vllm_context
from reinforced_cot.models.families import check_vllm_rollouts
from reinforced_cot.models.image_cache import remember_images
from reinforced_cot.models.processors import NEVER, vision_token_ids
from reinforced_cot.policies.grpo import GrpoSettings, server_gpus
from reinforced_cot.processes import rank
from reinforced_cot.scoring.reward_loading import JUDGES, load_rewards
from reinforced_cot.seeds import subset
from reinforced_cot.training.dynamic_sampling import RefillingTrainer, check_whole_groups
from reinforced_cot.training.opened_rollouts import OpenedRolloutsTrainer
from reinforced_cot.training.preflight import (
    check_fits,
    check_trainer,
    checked_lengths,
    find_start,
    load_start,
    pixels_per_question,
    processor_of,
)
from reinforced_cot.training.probe_callback import ProbeCallback
from reinforced_cot.training.shared_prefix_trainer import SharedPrefixTrainer
from reinforced_cot.training.stalled_rl import StalledCheck
from reinforced_cot.training.trainer import (
    Claim,
    ResumingTrainer,
    keep_features,
    nothing_to_claim,
    run,
    trainer_arguments,
)
from reinforced_cot.training.trainer_data import GroupEpochSampler, rl_dataset
from reinforced_cot.training.validation import (
    SELECTED_BY,
    StopEarly,
    ValidateEvery,
    ValidatingTrainer,
    ValidationQuestions,
)
from reinforced_cot.training.vllm_rollouts import SamplingCheck, check_repaired_trl, repair_rollouts


class ResumableGRPOTrainer(
    ValidatingTrainer, ResumingTrainer, OpenedRolloutsTrainer, RefillingTrainer, SharedPrefixTrainer
):
    """A `GRPOTrainer` that draws the same groups whether or not it was stopped in between."""

    def _get_train_sampler(self, dataset: Dataset | None = None) -> GroupEpochSampler:
        stock = super()._get_train_sampler(dataset)
        sampler = GroupEpochSampler(
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
    settings: GrpoSettings,
    examples: Sequence[Example],
    data: Path,
    origin: Path,
    output: Path,
    resume_from: Path | None,
    topology: Topology | None = None,
    claim: Claim = nothing_to_claim,
    val_examples: Sequence[Example] = (),
    trackers: str = "",
    replies: Path | None = None,
) -> None:
    """Reinforce the policy in ``origin``; under ``output``, write ``adapter/`` or, in full fine-tuning, ``model/``, its
    manifest, and ``metrics.json``.

    Args:
        data: the folder that the examples' images are relative to.
        origin: ``results/{policy}`` of the policy to start from.
        output: ``results/{policy}``.
        resume_from: a checkpoint of this very run, or None.
        topology: how the run must be spread over processes and devices; None for one process.
        claim: what `trainer.resume` has returned.
        val_examples: of which some are asked during training, if the policy's ``selection`` says so.
        trackers: what is told of the run, as JSON; empty for TensorBoard alone.
        replies: the folder of judges' replies, also of other runs; None beside the policy's folder.

    Raises:
        DataError: a prompt is too long, or there are fewer questions than one generation takes.
        PipelineError: the device has too little memory, the run is not spread as ``topology`` says, or groups that are
            to be refilled would be spread over processes.
    """
    policy, start = settings.policy, find_start(settings, origin)
    examples = subset(examples, policy.examples, settings.seed)
    processor, new_tokens = processor_of(settings, start), policy.training["max_completion_length"]
    longest = max(checked_lengths(settings, start, processor, examples, data, new_tokens), default=0)
    asked = subset(val_examples, policy.selection.examples, settings.seed) if policy.selection.every else []
    longest = max(
        longest, *checked_lengths(settings, start, processor, asked, data, policy.selection.max_new_tokens), 0
    )
    check_fits(
        settings,
        start,
        topology,
        pixels_per_question(processor, [*examples, *asked]),
        longest,
        longest + new_tokens,
        output,
        resume_from,
    )
    store = replies or output.parent / "replies"
    # By its name: a policy without judges must not become stale by how they are asked (`reward_hashes`).
    judges = import_module(JUDGES).loaded(settings, examples, data, store, output) if settings.judges else {}
    functions, weights = load_rewards(policy.rewards or {}, examples, judges, max_completion_length=new_tokens)
    arguments = grpo_config(settings, weights, processor, output)
    check_whole_groups(policy.refill_generations, arguments)
    check_enough_questions(examples, arguments, data)
    questions = arguments.generation_batch_size // arguments.num_generations
    remember_images(processor, questions * most_images(examples))
    model, adapter = load_start(settings, start, topology)
    with ready_server(policy.training, rank() == 0):
        trainer = ResumableGRPOTrainer(
            model=model,
            reward_funcs=functions,
            args=arguments,
            train_dataset=rl_dataset(examples, data, settings.prompt),
            processing_class=processor,
            peft_config=adapter,
            shared_prefix=policy.shared_prefix,
            refill_generations=policy.refill_generations,
            questions=ValidationQuestions(asked, data, settings.prompt, policy.selection, settings.seed),
        )
        # With `cast_lm_head_to_fp32`, one weight is float32 by intention.
        check_trainer(trainer, settings, start, topology, one_type=not arguments.cast_lm_head_to_fp32)
        if arguments.use_vllm:
            repair_rollouts(trainer)
            trainer.add_callback(SamplingCheck(policy.max_sampling_logp_difference))
        trainer.add_callback(StalledCheck())
        trainer.add_callback(ValidateEvery(trainer, policy.selection.every))
        trainer.add_callback(StopEarly(policy.selection.patience))
        keep_features(trainer, settings, output)
        if policy.probes.every is not None:
            trainer.add_callback(ProbeCallback(trainer, settings, examples, data, functions, weights))
        run(trainer, settings, resume_from, start, output, claim, trackers)


def check_enough_questions(examples: Sequence[Example], arguments: GRPOConfig, data: Path) -> None:
    """See that there are enough questions for one generation, which TRL draws without repetition.

    Raises:
        DataError: there are fewer.
    """
    needed = arguments.generation_batch_size // arguments.num_generations
    if len(examples) < needed:
        raise DataError(
            f"{data / 'train.jsonl'} has {len(examples)} questions for RL, and one generation takes {needed} different "
            "ones: add data, or lower policies.*.global_batch_size or policies.*.training.generation_batch_size"
        )


def grpo_config(
    settings: GrpoSettings, weights: Sequence[float], processor: ProcessorMixin, output: Path
) -> GRPOConfig:
    """TRL's configuration: the user's fields, the rewards' weights, and samplers that never draw an image token."""
    training = dict(settings.policy.training)
    if training.get("use_vllm"):
        check_vllm_rollouts(processor.family)
        check_repaired_trl()
        training["vllm_max_model_length"] = vllm_context(settings)
    banned = vision_token_ids(processor)
    ban = {"logit_bias": dict.fromkeys(banned, NEVER)} if training.get("use_vllm") else {"suppress_tokens": banned}
    generation = {**(training.pop("generation_kwargs", None) or {}), **ban}
    return GRPOConfig(
        **trainer_arguments(with_training(settings, training), "rl", output),
        **(server_arguments() if server_gpus(training) else {}),
        reward_weights=list(weights),
        generation_kwargs=generation,
        log_multimodal=False,  # else every generation gathers all images between ranks
        metric_for_best_model=SELECTED_BY,
        greater_is_better=True,
    )


def with_training(settings: GrpoSettings, training: dict[str, Any]) -> GrpoSettings:
    """The settings with ``training`` in place of the policy's fields for TRL."""
    return settings.model_copy(update={"policy": settings.policy.model_copy(update={"training": training})})
