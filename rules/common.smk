# Puts the package on the path, composes and validates the configuration; helpers of all rules. No code here writes a
# file: a dry-run changes nothing.
import json
import os
import shlex
import sys
from pathlib import Path

import yaml

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# The folder of this clone, also where another workflow imports it as a module. Users' data and reward modules are found
# from the working directory.
CLONE = Path(str(workflow.current_basedir)).resolve().parent
IS_MAIN = Path(workflow.basedir).resolve() == CLONE
SCRIPTS = CLONE / "workflow" / "scripts"
if not SCRIPTS.is_dir():
    raise WorkflowError(
        f"{workflow.current_basedir} is no folder of this machine: a stage needs all files of this workflow; clone it, "
        "and name the clone's Snakefile"
    )
sys.path.insert(0, str(SCRIPTS))

from reinforced_cot import paths

if paths.SCRIPTS != SCRIPTS:
    raise WorkflowError(
        f"{CLONE} and {paths.REPOSITORY} are two clones of this workflow, and one call of Snakemake can use one: import "
        "the same clone in every module"
    )

from reinforced_cot.chains.policy_keys import DATA
from reinforced_cot.code_hashes import code_hashes, module_hashes
from reinforced_cot.config import stage_settings
from reinforced_cot.config.checks import warnings_of
from reinforced_cot.config.composition import checked, compose, shared_results, whole
from reinforced_cot.config.data_checks import missing_chains, missing_data
from reinforced_cot.config.interrupted_runs import abandoned_checkpoints
from reinforced_cot.config.launch_checks import missing_packages, stage_topology
from reinforced_cot.config.tracker_checks import missing_trackers
from reinforced_cot.config.validation import refuse_policy
from reinforced_cot.errors import ConfigError
from reinforced_cot.files import sha256_of, write_text
from reinforced_cot.manifests import checkpoint_files
from reinforced_cot.own_code import own_modules
from reinforced_cot.policies.graph import adapter_base, made_for, sampled
from reinforced_cot.policies.grpo import server_gpus
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.names import BASE
from reinforced_cot.scoring import reward_loading
from reinforced_cot.snakemake_repair import consider_jobs_behind_ancient_inputs

consider_jobs_behind_ancient_inputs()

# Jobs find the python that runs Snakemake: `.venv/bin/snakemake` works without activating the environment. Its path is
# not written into the rules' commands, where another machine's path would make every job rerun. Python's UTF-8 mode
# spares each script to start itself again in it.
if workflow.is_main_process:
    # The report's page shows it. No param has it, which would be recorded and make the report stale.
    os.environ.update(REINFORCED_COT_COMMAND=shlex.join(["snakemake", *sys.argv[1:]]))
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
    PYTHONUTF8="1",
)

try:
    # A module's `config` is whole. Otherwise the files of this call are composed here and not by the directive
    # `configfile`, which would merge every preset over the demo.
    if workflow.modifier.skip_configfile:
        composition = whole(config)
    else:
        composition = compose(
            [Path(file) for file in workflow.overwrite_configfiles],
            workflow.config_settings.config,
        )
        workflow.configfiles = [str(file) for file in composition.files]
    config.clear()
    config.update(composition.config)
    settings = checked(composition)
    if absent := [
        *missing_data(settings),
        *missing_packages(settings, settings.made),
        *missing_trackers(settings.trackers),
    ]:
        raise ConfigError("\n".join(absent))
except ConfigError as error:
    raise WorkflowError(f"the configuration is refused:\n{error}") from None
if workflow.is_main_process:
    for warning in [
        *shared_results(composition),
        *warnings_of(settings),
        *missing_chains(settings),
        *abandoned_checkpoints(settings),
    ]:
        logger.warning(warning)

SPLITS = list(type(settings.data.splits).model_fields)
REPORT = list(settings.report)
POLICIES = settings.policies
# These policies have an adapter, which is merged; the stage of the other policies makes the model itself.
ADAPTED = [name for name, policy in POLICIES.items() if policy.is_adapted]


def one_of(names):
    """A wildcard's constraint; Snakemake would read an empty one as no constraint."""
    return "|".join(sorted(names)) or "(?!)"


def made_by(method, adapted):
    """The wildcard's constraint of a method's rule: its policies with an adapter, or its fully fine-tuned ones."""
    return one_of(
        name
        for name, policy in POLICIES.items()
        if policy.method == method and policy.is_adapted == adapted
    )


wildcard_constraints:
    split=one_of(SPLITS),
    # A typo in a policy's name, or a path under another results folder, matches no rule.
    policy=one_of([BASE, *POLICIES]),
    chains=one_of(settings.chains),


def code(script):
    """Hashes of the code that a stage runs, one param per module: a dry-run's reason names the module that changed."""
    return [
        f"{name} {digest}" for name, digest in code_hashes(SCRIPTS / script).items()
    ]


def unrecorded(path):
    """A param that holds where this clone keeps something: Snakemake does not record it, so another clone, or the same
    one moved, makes nothing stale.

    Of the params, Snakemake records those that do not follow from a job's files or resources; it takes a function with
    the argument ``output`` for one that does.
    """
    return lambda wildcards, output: str(path)


def trackers(wildcards, output):
    """What tracks a run, for its script. Snakemake does not record it, as with `unrecorded`: it decides no result."""
    return stage_settings.trackers_options(settings)


def scans(are_read):
    """A hash of the scans of digits, for the params of a stage that reads them; they are no input, whose path Snakemake
    would record.
    """
    return sha256_of(paths.SCANS) if are_read else ""


def own_rewards(wildcards):
    """The same hashes for a user's own rewards, which are found from the working directory, and for judges."""
    rewards = stage_settings.rewards(settings, POLICIES[wildcards.policy])
    judges = stage_settings.judges_of(settings, wildcards.policy)
    return [
        f"{name} {digest}"
        for name, digest in reward_loading.reward_hashes(rewards, judges).items()
    ]


def own_conversions(wildcards):
    """The same hashes for a user's own functions that make records of the split's tables."""
    names = [source.convert or "" for source in settings.data.sources(wildcards.split)]
    return [
        f"{name} {digest}"
        for name, digest in module_hashes(own_modules(names), Path()).items()
    ]


def own_chains(wildcards):
    """The same hashes for a user's own function that writes a set's chains."""
    name = settings.chains[wildcards.chains].own_function
    return [
        f"{module} {digest}"
        for module, digest in module_hashes(own_modules([name or ""]), Path()).items()
    ]


def chain_samples(wildcards):
    """The completions that a set's chains are taken from; none where a function writes them."""
    chosen = settings.chains[wildcards.chains]
    written = {"endpoint": "replies", "gqa_programs": "executed"}
    if chosen.by in written:
        return [f"<results>/chains/{wildcards.chains}.{written[chosen.by]}.jsonl"]
    return [f"<results>/samples/{chosen.policy}.jsonl"] if chosen.policy else []


def taught(wildcards):
    """The set of chains that a policy learns from; no file for those that came with the data."""
    chosen = POLICIES[wildcards.policy].chain_set
    return [] if chosen == DATA else [f"<results>/chains/{chosen}.jsonl"]


def rated(wildcards):
    """The pass rates by which a policy's training questions are chosen, if they are."""
    return (
        [f"<results>/{wildcards.policy}/pass_rates.json"]
        if POLICIES[wildcards.policy].rated_by
        else []
    )


def reported(path, caption, category, **further):
    """An output that `snakemake --report` shows: with the caption of this name, in a category, and with labels."""
    text = paths.WORKFLOW / "report" / "captions" / f"{caption}.rst"
    return report(path, caption=str(text), category=category, **further)


def refuse_more_gpus_than_there_are(stage, gpus, served=0):
    """Refuse a job that needs more GPUs than this call has.

    Snakemake would silently count fewer for the job, and start another one beside it. ``served`` of them are a vLLM
    server's.
    """
    limit = workflow.global_resources.get("gpu")
    there_are = limit.value if limit else None  # unknown on a cluster
    if workflow.is_main_process and there_are is not None and gpus > there_are:
        raise WorkflowError(
            f"`launch.{stage}` asks for {gpus} GPUs"
            + (f" ({served} of them for a vLLM server)" if served else "")
            + f", and this call has {there_are}: if the machine has them, add --resources gpu={gpus}, or write how many "
            "there are into profiles/default/config.yaml"
            + ("; with fewer, use vllm_mode colocate" if served else "")
        )


def launched(stage):
    """Resources of a stage's job, which its script gets as arguments. A change of them makes no job stale.

    A vLLM server of a policy has GPUs of its own. On several machines, Slurm gives the job a task on each; the script
    starts itself there.
    """
    try:
        topology = stage_topology(settings.launch, stage)
    except ConfigError as error:
        # Of a method that the report does not need: the other methods were checked.
        raise WorkflowError(f"the configuration is refused:\n{error}") from None
    served = {
        name: server_gpus(policy.training)
        for name, policy in POLICIES.items()
        if policy.method == stage
    }
    if stage not in METHODS:
        refuse_more_gpus_than_there_are(stage, topology.gpus)
    for name in settings.made:
        if name in served:
            refuse_more_gpus_than_there_are(
                stage, topology.gpus + served[name], served[name]
            )
    resources = {
        "gpu": (
            (lambda wildcards: topology.gpus + served[wildcards.policy])
            if any(served.values())
            else topology.gpus
        ),
        "topology": settings.launch.of(stage).topology,
        "processes": topology.processes,
    }
    if topology.machines > 1:
        resources |= {
            "nodes": topology.machines,
            "tasks": topology.machines,
            "mpi": "srun",
        }
    return resources


def gqa_files():
    """GQA's own files, as far as they are configured: `questions` and `choices`."""
    named = {
        name: getattr(settings.evaluate, f"gqa_{name}")
        for name in ("questions", "choices")
    }
    return {name: path for name, path in named.items() if path}


def of_origin(pattern):
    """An input function: ``pattern`` with ``{origin}``, the policy that training starts from, and ``{start}``, its
    model or its adapter.
    """

    def path(wildcards):
        policy = POLICIES[wildcards.policy]
        return pattern.format(origin=policy.from_policy, start=policy.start)

    return path


def of_base(pattern):
    """An input function: ``pattern`` with ``{base}``, the policy that an adapter belongs to."""
    return lambda wildcards: pattern.format(
        base=adapter_base(POLICIES, wildcards.policy)
    )


def if_continued(pattern):
    """As `of_base` where a policy continues an adapter, whose base its stage then reads as well; else no file."""
    return lambda wildcards: (
        [of_base(pattern)(wildcards)]
        if POLICIES[wildcards.policy].start == "adapter"
        else []
    )


def if_validated(path):
    """An input function: ``path`` where RL asks questions of val; else no file."""
    return lambda wildcards: (
        [path] if POLICIES[wildcards.policy].selection.every else []
    )


def if_quantized(path):
    """An input function: ``path`` where a policy's adapter is trained on a quantized base; else no file."""
    return lambda wildcards: (
        [path] if POLICIES[wildcards.policy].quantization is not None else []
    )


def of_policy(wildcards):
    """The settings of the stage that makes a policy. A policy outside the report is only checked when requested."""
    name = wildcards.policy
    if name == BASE:
        return as_yaml(stage_settings.base_settings(settings))
    try:
        if name not in settings.made:
            refuse_policy(settings, name)
            line = made_for(POLICIES, settings.chains, [name])
            if absent := list(missing_packages(settings, line)):
                raise ConfigError("\n".join(absent))
            for other in line:
                policy = POLICIES[other]
                served = server_gpus(policy.training)
                gpus = stage_topology(settings.launch, policy.method).gpus + served
                refuse_more_gpus_than_there_are(policy.method, gpus, served)
    except ConfigError as error:
        raise WorkflowError(f"policy {name} is refused:\n{error}") from None
    return as_yaml(stage_settings.train_settings(settings, name))


def repository_of(wildcards):
    """The repository that a policy is uploaded to."""
    if name := settings.push.repository(wildcards.policy):
        return name
    raise WorkflowError(
        f"{wildcards.policy} cannot be pushed: push.repo names no repository; set it, such as "
        f"--config push='{{repo: someone/thinker-{wildcards.policy}}}'"
    )


def as_yaml(section):
    """YAML with sorted keys, so that the order of keys in the configuration changes nothing."""
    return yaml.safe_dump(section.as_dict(), sort_keys=True, allow_unicode=True)


def raw_files(wildcards):
    """The split's own raw files, so that a change of one reruns this split alone; digit scenes have none."""
    return [
        file
        for source in settings.data.sources(wildcards.split)
        for file in source.read_files
    ]


def raw_images(wildcards):
    """The split's image folders; a missing one is an error before anything runs."""
    return [
        folder
        for source in settings.data.sources(wildcards.split)
        for folder in source.image_folders
    ]


def base_files(wildcards):
    """The files that the base is made from: training texts, or a local checkpoint; none for a hub id."""
    path = settings.base_model.path
    if path is None:
        return ["<results>/data/train.jsonl"]
    return (
        [
            str(file)
            for file in checkpoint_files(Path(path))
            if file.name != "README.md"  # a card is written again, and decides nothing
        ]
        if Path(path).is_dir()
        else []
    )
