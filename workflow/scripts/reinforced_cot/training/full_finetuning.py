"""Full fine-tuning: the load dtype, and publishing the checkpoint."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import new_folder, read_json, write_json
from reinforced_cot.launch.topologies import Topology
from reinforced_cot.lora.tensor_files import INDEX
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.checkpoints import weights_hash
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.system_message import set_system_message


def loaded_dtype(dtype: str, in_full: bool, topology: Topology | None) -> str:
    """The dtype that a policy's weights are loaded in, given that of the configuration.

    In full fine-tuning, weights are stored in float32, and bfloat16 is used for computing only: as storage it would
    round away a step of 1e-6 on a weight of 1e-2. DeepSpeed keeps a float32 copy by itself.
    """
    by_deepspeed = topology is not None and topology.distributed_type == "DEEPSPEED"
    return "float32" if in_full and not by_deepspeed else dtype


def publish_model(
    checkpoint: Path, parent: Path, output: Path, dtype: str, trust_remote_code: bool, system: str | None
) -> None:
    """Write ``{output}/model`` and its manifest ``{output}/model.json`` from a trainer's checkpoint, file by file.

    Args:
        checkpoint: a trainer's folder; its weights may have a wider dtype.
        parent: the folder of the policy that was trained, which holds ``model`` and ``model.json``.
        output: ``results/{policy}``.
        dtype: that of the weights in the new checkpoint.
        system: the system message of the pipeline's prompts, for the chat template.

    Raises:
        PipelineError: there are no weights, one is empty or not finite, or none differs from the parent's.
    """
    files, parent_files = (sorted(folder.glob("*.safetensors")) for folder in (checkpoint, parent / "model"))
    if not files:
        raise PipelineError(f"{checkpoint} has no *.safetensors: the trainer did not gather the weights")
    facts = {"base": parent.name, "base_weights": weights_hash(read_json(parent / "model.json"))}
    with new_folder(output / "model") as folder:
        changed, size = 0, 0
        for file in files:
            weights = {name: weight.to(getattr(torch, dtype)) for name, weight in load_file(file).items()}
            changed += _changed(weights, parent_files)
            size += sum(weight.nbytes for weight in weights.values())
            save_file(weights, folder / file.name, metadata={"format": "pt"})
        if not changed:
            raise PipelineError(
                "no weight of the trained model differs from its parent's: nothing was learned. Raise learning_rate; "
                "in RL, see whether the log says that all completions to each question earned the same"
            )
        if (checkpoint / INDEX).is_file():
            index = read_json(checkpoint / INDEX)
            write_json(folder / INDEX, {**index, "metadata": {**index["metadata"], "total_size": size}})
        shutil.copyfile(checkpoint / "generation_config.json", folder / "generation_config.json")
        config = AutoConfig.from_pretrained(parent / "model", trust_remote_code=trust_remote_code)
        config.dtype = dtype
        config.save_pretrained(folder)
        processor = load_processor(parent / "model", trust_remote_code=trust_remote_code)
        set_system_message(processor, system)
        processor.save_pretrained(folder)
    write_manifest(output / "model", output / "model.json", **facts, changed_weights=changed)


def _changed(weights: dict[str, torch.Tensor], parent_files: Iterable[Path]) -> int:
    """How many of ``weights`` differ from the parent's weights of the same names.

    Raises:
        PipelineError: names a weight that is not finite, or empty since it was not gathered from its processes.
    """
    for name, weight in weights.items():
        if not weight.numel() or not torch.isfinite(weight).all():
            raise PipelineError(
                f"the trained weight {name} is empty or not finite: the run has diverged; lower learning_rate"
            )
    unchanged = 0
    for file in parent_files:
        with safe_open(file, "pt") as parent:
            for name in weights.keys() & set(parent.keys()):
                unchanged += torch.equal(parent.get_tensor(name).to(weights[name].dtype), weights[name])
    return len(weights) - unchanged
