"""Which part of the configuration each stage reads: what its settings file holds, and so what makes it rerun."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reinforced_cot.chains.settings import AskedSettings, ChainSettings, asked_of, teacher_of, without_control
from reinforced_cot.config.configuration import Config
from reinforced_cot.config.launch_checks import processes_of
from reinforced_cot.config.trl_fields import defaults
from reinforced_cot.endpoints.settings import CONTROL
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.settings import BaseCheckpoint, BaseSettings, Loading
from reinforced_cot.planning.batch_sizes import generation_batch_size, global_batch_size
from reinforced_cot.policies.graph import repeats
from reinforced_cot.policies.grpo import GrpoPolicy
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.settings import Selection, TrainedPolicy, TrainSettings
from reinforced_cot.programs.settings import ProgramSettings, graphs_of, question_files
from reinforced_cot.scoring.judge_settings import Judge, model_files, used_judges
from reinforced_cot.scoring.judge_settings import without_control as without_control_of_judge
from reinforced_cot.sources.settings import PreparedSplit
from reinforced_cot.tables.table_files import chunk_files


def seed_folders(config: Config) -> dict[int, str]:
    """The run of each seed: its folder below the results, the first seed's being the results folder itself."""
    return {config.seed: ""} | {seed: f"seed_{seed}/" for seed in config.seeds}


def replica(config: Mapping[str, Any], results: str, seed: int) -> dict[str, Any]:
    """The configuration of the same run at another seed.

    Args:
        config: as the user gave it. results: the folder of the first seed's run.
    """
    return {**config, "seed": seed, "seeds": [], "pathvars": {"results": f"{results}/seed_{seed}"}}


def data_settings(config: Config, split: str) -> PreparedSplit:
    """What `prepare_data` reads for one split: nothing of the other splits."""
    data = config.data
    return PreparedSplit(
        seed=config.seed,
        image=config.image,
        digits=data.digits if any(source.source == "digits" for source in data.sources(split)) else None,
        max_rejected_share=data.max_rejected_share,
        sources=data.sources(split),
    )


def base_settings(config: Config) -> BaseSettings:
    """What `base_model` reads; the tiny model's sizes only where it is built."""
    made_from = BaseCheckpoint.taken_from(config.base_model)
    if made_from.path is not None:
        made_from = made_from.model_copy(update={"tiny": None})
    return BaseSettings(seed=config.seed, image=config.image, base_model=made_from)


def train_settings(config: Config, name: str) -> TrainSettings:
    """What the stage that trains a policy reads."""
    policy = with_trl_defaults(config.policies[name])
    method = METHODS[policy.method]
    is_asked = "val" in method.splits or policy.selection.every or policy.quantization
    if not is_asked:  # no question of val
        policy = policy.model_copy(update={"selection": Selection()})
    further: dict[str, Any] = {}
    if isinstance(policy, GrpoPolicy):
        policy = policy.model_copy(update={"rewards": rewards(config, policy)})
        judges = {name: without_control_of_judge(judge) for name, judge in judges_of(config, name).items()}
        further = {"judges": judges} if judges else {}
    return method.settings(
        seed=config.seed,
        prompt=config.prompt,
        base_model=Loading.taken_from(config.base_model),
        repeats=repeats(config.policies, name),
        policy=_with_totals(config, policy),
        **further,
    )


def with_trl_defaults(policy: TrainedPolicy) -> TrainedPolicy:
    """A policy with TRL's defaults written out where the pipeline reads them."""
    method = METHODS[policy.method]
    stock = defaults(method.trl_config)
    training = {**{name: stock[name] for name in method.read_fields}, **policy.training}
    return policy.model_copy(update={"training": training})


def rewards(config: Config, policy: GrpoPolicy) -> Any:
    """The rewards that a policy learns from: its own, or else those of the top level."""
    return config.rewards if policy.rewards is None else policy.rewards


def judges_of(config: Config, name: str) -> dict[str, Judge]:
    """The judges among the rewards of a policy, with their defaults; none of a policy that learns from no reward."""
    policy = config.policies[name]
    return used_judges(rewards(config, policy), config.judges) if isinstance(policy, GrpoPolicy) else {}


def judge_control(config: Config, name: str) -> str:
    """How the judges of a policy are asked, as JSON; it decides no grade and makes nothing stale."""
    judges = {one: judge.model_dump(mode="json") for one, judge in judges_of(config, name).items()}
    control = (*CONTROL, "batch_size")
    return json.dumps({one: {key: judge[key] for key in control if key in judge} for one, judge in judges.items()})


def judge_files(config: Config, name: str) -> list[str]:
    """The files of the reward models among the judges of a policy."""
    return [*map(str, model_files(judges_of(config, name)).values())]


def answer_settings(config: Config) -> AnswerSettings:
    """What `answer` reads; the same for every policy."""
    return AnswerSettings(
        seed=config.seed, prompt=config.prompt, base_model=Loading.taken_from(config.base_model), answer=config.answer
    )


def sample_settings(config: Config, count: int) -> AnswerSettings:
    """What `sample` reads: how test's questions are asked, but for samples alone."""
    asked = config.answer.model_copy(update={"samples": count, "direct": False, "probes": 0})
    return answer_settings(config).model_copy(update={"answer": asked})


def chain_settings(config: Config, name: str) -> ChainSettings:
    """What `filter_chains` reads of one set."""
    return ChainSettings(name=name, seed=config.seed, chains=without_control(config.chains[name]))


def teacher_settings(config: Config, name: str) -> AskedSettings:
    """What `ask_teacher` reads of one set from its file."""
    asked = asked_of(config.chains[name])
    return AskedSettings(name=name, seed=config.seed, instruction=config.prompt.instruction, teacher=asked)


def teacher_control(config: Config, name: str) -> str:
    """How `ask_teacher` asks, as JSON; it decides no reply and makes nothing stale."""
    teacher = teacher_of(config.chains[name]).as_dict()
    return json.dumps({key: teacher[key] for key in CONTROL})


def trackers_options(config: Config) -> list[str]:
    """How a script is told what tracks its run, if anything does; it decides no result and makes nothing stale."""
    return [f"--trackers={config.trackers.model_dump_json()}"] if config.trackers.report_to else []


def program_settings(config: Config, name: str) -> ProgramSettings:
    """What `run_programs` reads of one set."""
    chosen = config.chains[name]
    questions = question_files(chosen.questions, config.data.sources("train"))
    graphs = graphs_of(chosen.scene_graphs, questions)
    return ProgramSettings(name=name, questions=questions, scene_graphs=tuple(map(str, graphs)))


def program_files(config: Config, name: str) -> list[str]:
    """The files of questions and scene graphs that a set's programs are read from."""
    settings = program_settings(config, name)
    files = [path for source in settings.questions for path in chunk_files(Path(source.file))]
    return [*map(str, files), *settings.scene_graphs]


def reply_store(config: Config) -> str:
    """The folder of an endpoint's replies: that of the first seed's run, so that no other seed pays again."""
    return re.sub(r"/seed_\d+$", "", config.results) + "/replies"


def _with_totals(config: Config, policy: TrainedPolicy) -> TrainedPolicy:
    """The policy with batch sizes over all processes, since these decide the result.

    The number of processes is left out: the same batch spread over other GPUs makes nothing stale.
    """
    processes, training = processes_of(config.launch, policy.method), dict(policy.training)
    total = global_batch_size(policy, training, processes)
    if "generation_batch_size" in training:
        training["generation_batch_size"] = generation_batch_size(policy, training, processes)
    for by_process in ("gradient_accumulation_steps", "steps_per_generation"):
        training.pop(by_process, None)
    return policy.model_copy(update={"global_batch_size": total, "training": training})
