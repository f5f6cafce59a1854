# Validation of the configuration and the helpers that rules share. Nothing here writes a file: a dry-run is free.
import json
import os
import sys
from pathlib import Path

import yaml

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from reinforced_cot.config import stage_settings
from reinforced_cot import paths
from reinforced_cot.code_hashes import code_hashes, module_hashes
from reinforced_cot.config.validation import validated, warnings_of
from reinforced_cot.config.checks import missing_data
from reinforced_cot.errors import ConfigError
from reinforced_cot.files import checkpoint_files, sha256_of
from reinforced_cot.config.launch_checks import missing_packages, stage_topology
from reinforced_cot.scoring.reward_loading import own_modules
from reinforced_cot.launch.vllm_server import server_gpus
from reinforced_cot.config.repeated_keys import repeated_keys

# Jobs find the python that runs Snakemake: `.venv/bin/snakemake` works without activating the environment. Its path is not
# written into the rules' commands, where another machine's path would make every job rerun.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), os.environ["PATH"]]
)

SCANS = str(paths.SCANS.relative_to(paths.REPOSITORY))

try:
    if repeated := [
        line for file in workflow.configfiles for line in repeated_keys(Path(file))
    ]:
        raise ConfigError("\n".join(repeated))
    config = validated(config)
    if absent := [*missing_data(config), *missing_packages(config)]:
        raise ConfigError("\n".join(absent))
except ConfigError as error:
    raise WorkflowError(f"the configuration is refused:\n{error}") from None
if workflow.is_main_process:
    for warning in warnings_of(config):
        logger.warning(warning)

SPLITS = list(config["data"]["splits"])
RL_POLICIES = config["policies"]
# Adapters are merged; the others' stage makes the model itself.
ADAPTED = [p for p in ["sft", *RL_POLICIES] if stage_settings.is_adapted(config, p)]


def one_of(names):
    """A wildcard's constraint; Snakemake would take an empty one for none at all."""
    return "|".join(sorted(names)) or "(?!)"


wildcard_constraints:
    split=one_of(SPLITS),
    # A typo in a policy's name, or a path under another results folder, matches no rule.
    policy=one_of(stage_settings.policies(config)),


def code(script):
    """Hashes of the code that a stage runs, one param a module: a dry-run's reason names the module that changed."""
    return [
        f"{name} {digest}" for name, digest in code_hashes(SCRIPTS / script).items()
    ]


def own_rewards(wildcards):
    """The same for a user's own rewards, which are found from the working directory."""
    modules = own_modules(stage_settings.rewards(config, wildcards.policy))
    return [
        f"{name} {digest}" for name, digest in module_hashes(modules, Path()).items()
    ]


def refuse_more_gpus_than_there_are(stage, gpus, served=0):
    """Snakemake would quietly count fewer for the job, and start another one beside it.

    ``served`` of them are a vLLM server's.
    """
    limit = workflow.global_resources.get("gpu")
    there_are = limit.value if limit else None  # a cluster has as many as it has
    if workflow.is_main_process and there_are is not None and gpus > there_are:
        raise WorkflowError(
            f"`launch.{stage}` asks for {gpus} GPUs"
            + (f" ({served} of them for a vLLM server)" if served else "")
            + f", and this call has {there_are}: if the machine has them, add --resources gpu={gpus}, or write how many "
            "there are into profiles/default/config.yaml"
            + ("; with fewer, use vllm_mode colocate" if served else "")
        )


def launched(stage):
    """Resources of a stage's job, which its script is told: none of them makes anything stale.

    A vLLM server of an RL policy has GPUs of its own. On several machines, Slurm is to give the job a task on each; the
    script starts itself there.
    """
    topology = stage_topology(config["launch"], stage)
    served = (
        {p: server_gpus(config["rl"][p]["training"]) for p in RL_POLICIES}
        if stage == "rl"
        else {}
    )
    most = max(served.values(), default=0)
    refuse_more_gpus_than_there_are(stage, topology.gpus + most, most)
    resources = {
        "gpu": (
            (lambda wildcards: topology.gpus + served[wildcards.policy])
            if any(served.values())
            else topology.gpus
        ),
        "topology": config["launch"][stage]["topology"],
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
    """GQA's own files, by what they hold."""
    named = {
        name: config["evaluation"][f"gqa_{name}"] for name in ("questions", "choices")
    }
    return {name: path for name, path in named.items() if path}


def of_parent(pattern):
    """An input function: ``pattern`` with ``{parent}`` filled in, the policy that an adapter belongs to."""
    return lambda wildcards: pattern.format(
        parent=stage_settings.parent(config, wildcards.policy)
    )


def of_start(pattern):
    """An input function: ``pattern`` with ``{start}`` filled in, what of SFT an RL policy starts from."""
    return lambda wildcards: pattern.format(
        start=config["rl"][wildcards.policy]["start"]
    )


def if_continued(path):
    """An input function: ``path`` where an RL policy goes on with SFT's adapter."""
    return lambda wildcards: (
        [path] if config["rl"][wildcards.policy]["start"] == "adapter" else []
    )


def if_quantized(path):
    """An input function: ``path`` where a policy's adapter is trained on a quantized base."""
    return lambda wildcards: (
        [path] if stage_settings.is_quantized(config, wildcards.policy) else []
    )


def as_yaml(settings):
    """Sorted, so that the order of keys in the configuration changes nothing."""
    return yaml.safe_dump(settings, sort_keys=True, allow_unicode=True)


def raw_file(wildcards):
    """The split's own raw file, of which a change reruns this split alone; all digit scenes are of the same scans."""
    file = config["data"]["splits"][wildcards.split].get("file")
    return [file] if file else [SCANS]


def raw_images(wildcards):
    """The split's image folder; a missing one is an error before anything runs."""
    folder = config["data"]["splits"][wildcards.split].get("images")
    return [folder] if folder else []


def base_files(wildcards):
    """What the base is made from: training texts, a local checkpoint's files, or, for a hub id, nothing on this disk."""
    path = config["base_model"]["path"]
    if path is None:
        return ["<results>/data/train.jsonl", SCANS]
    return (
        [str(file) for file in checkpoint_files(Path(path))]
        if Path(path).is_dir()
        else []
    )
