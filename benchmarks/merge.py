"""The merge against PEFT's: seconds and peak memory on a checkpoint of Qwen2.5-VL-3B's shape with random weights.

    python benchmarks/merge.py --work /tmp

Each way runs in a fresh process: PEFT loads the model, merges, unloads and saves; this pipeline merges file by file,
without its proof and with it (the whole stage, hashes included). Writes merge.json and merge.md; needs 25 GB of free
disk.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import torch
from machine import machine
from peft import PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, Qwen2_5_VLForConditionalGeneration
from transformers.core_model_loading import revert_weight_conversion

from reinforced_cot.base.tiny_model import build_config, build_processor, build_tokenizer
from reinforced_cot.data.settings import Prompt
from reinforced_cot.files import write_json
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.lora.adapter import lora_config, publish_adapter
from reinforced_cot.lora.merge import merge
from reinforced_cot.lora.shard_merge import write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.lora.tensor_files import INDEX
from reinforced_cot.manifests import write_manifest
from reinforced_cot.models.embedded_adapter import ADAPTER_FILES
from reinforced_cot.models.settings import Loading, ModelSizes
from reinforced_cot.policies.settings import MergedPolicy, MergeSettings

FREE_DISK = 25e9  # bytes: the base, the merged models, and a reserve
LORA = {
    "r": 16,
    "lora_alpha": 32,
    "target_modules": [f"{name}_proj" for name in ("q", "k", "v", "o", "gate", "up", "down")],
}
SETTINGS = MergeSettings(
    seed=1,
    prompt=Prompt(),
    base_model=Loading(dtype="bfloat16"),
    repeats=0,
    policy=MergedPolicy.model_validate({"method": "sft", "from": "base", "lora": LORA}),
)
VOCABULARY, SHARD = 151936, 4e9  # tokens, and bytes of a file, as on the hub
SIZES = ModelSizes(
    hidden_size=2048,
    num_hidden_layers=36,
    num_attention_heads=16,
    num_key_value_heads=2,
    intermediate_size=11008,
    vision_hidden_size=1280,
    vision_depth=32,
    vision_num_heads=16,
    vision_intermediate_size=3420,
    max_position_embeddings=128000,
    rope_theta=1e6,
    initializer_range=0.02,
)
TINY = ModelSizes(hidden_size=64, num_hidden_layers=2, intermediate_size=96, vision_hidden_size=64, vision_depth=1)
WAYS = {"peft": "PEFT: load, merge, save", "ours": "by shard", "proved": "by shard, with its proof"}


def main(argv: Sequence[str] | None = None) -> None:
    """Make the checkpoint, measure every way, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()), help="for 25 GB of temporary files")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="a model of two layers, to see that this script works")
    parser.add_argument("--run", choices=WAYS, help=argparse.SUPPRESS)  # one way, in this process
    args = parser.parse_args(argv)
    if args.run:
        print(json.dumps(run(args.run, args.work)))
        return
    free = shutil.disk_usage(args.work).free
    if free < FREE_DISK and not args.tiny:
        print(f"skipped: {args.work} has {free / 1e9:.1f} GB of free disk, and {FREE_DISK / 1e9:.0f} are needed")
        return
    claim_devices(0)
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        work = Path(folder)
        shape = make_policies(work, TINY, 500, 1e5) if args.tiny else make_policies(work, SIZES, VOCABULARY, SHARD)
        measured: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for repeat in range(args.repeats):  # in turn, so that other load on the machine affects all ways alike
            for way in WAYS if repeat == 0 else ("peft", "ours"):  # a proof takes minutes
                measured[way].append(measure(way, work))
    found = {
        "machine": f"{machine()}, {torch.get_num_threads()} threads",
        "torch": torch.__version__,
        **shape,
        "repeats": args.repeats,
        "ways": {way: {key: median(run[key] for run in runs) for key in runs[0]} for way, runs in measured.items()},
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def make_policies(work: Path, sizes: ModelSizes, vocabulary: int, limit: float) -> dict[str, Any]:
    """Write ``base`` and ``policy/adapter`` under ``work``; the model itself is never in memory.

    Args:
        vocabulary: how many tokens the model has; its tokenizer has fewer.
        limit: bytes of a file.
    """
    tokenizer = build_tokenizer(["What is left of it?"], 400)
    config = build_config(vocabulary, tokenizer.get_vocab(), sizes)
    if sizes is SIZES:
        config.vision_config.fullatt_block_indexes = [7, 15, 23, 31]
    config.dtype = "bfloat16"
    with torch.device("meta"):
        model = Qwen2_5_VLForConditionalGeneration(config)
    folder = work / "base/model"
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    build_processor(tokenizer).save_pretrained(folder)
    weights = revert_weight_conversion(model, dict(model.named_parameters()))  # under the hub's names
    files = write_weights(weights, folder, limit)
    write_manifest(folder, work / "base/model.json")

    adapter = lora_config(LORA, model)
    assert adapter is not None
    adapted = get_peft_model(model, adapter, low_cpu_mem_usage=True)
    torch.manual_seed(2)
    state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    (work / "checkpoint").mkdir()
    drawn = {name: 0.02 * torch.randn(weight.shape) for name, weight in state.items()}
    save_file(drawn, work / "checkpoint" / ADAPTER_FILES[1])
    adapter.save_pretrained(work / "checkpoint")
    publish_adapter(work / "checkpoint", work / "base", work / "policy")
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return {"checkpoint_gb": size / 1e9, "files": files, "adapter_r": LORA["r"]}


def write_weights(weights: dict[str, torch.Tensor], folder: Path, limit: float) -> int:
    """Write random weights of these shapes, file by file, and the index; return the number of files."""
    torch.manual_seed(1)
    files: list[list[str]] = [[]]
    filled = 0.0
    for name, weight in weights.items():
        size = 2 * weight.numel()
        if filled + size > limit and files[-1]:
            files.append([])
            filled = 0.0
        files[-1].append(name)
        filled += size
    places: dict[str, str] = {}
    for number, names in enumerate(files, start=1):
        file = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        save_file(
            {name: random_weight(name, weights[name].shape) for name in names}, folder / file, metadata={"format": "pt"}
        )
        places |= dict.fromkeys(names, file)
    write_json(folder / INDEX, {"metadata": {}, "weight_map": places})
    return len(files)


def random_weight(name: str, shape: torch.Size) -> torch.Tensor:
    """Random weights in bfloat16; the weights of norms are 1."""
    if len(shape) == 1:
        return (torch.zeros if name.endswith("bias") else torch.ones)(shape, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16).normal_(std=SIZES.initializer_range)


def run(way: str, work: Path) -> dict[str, float]:
    """Merge in one way, in this process; the seconds do not include imports."""
    base, policy = work / "base", work / "policy"
    started, used = time.perf_counter(), time.process_time()
    if way == "peft":
        model = AutoModelForImageTextToText.from_pretrained(base / "model", dtype=torch.bfloat16)
        merged = PeftModel.from_pretrained(model, policy / "adapter").merge_and_unload()
        merged.save_pretrained(work / "merged")
    elif way == "ours":
        (work / "merged").mkdir()
        loading = SETTINGS.base_model.model_copy(update={"dtype": "float32"})
        write_merged(StoredModel(base / "model", loading, policy / "adapter"), work / "merged", torch.bfloat16)
    else:
        merge(SETTINGS, base, policy)
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - used}


def measure(way: str, work: Path) -> dict[str, float]:
    """Run one way in a process of its own, and read its memory every 20 ms.

    Returns:
        The figures of `run`, and peaks in GB: ``rss`` of all memory, ``anonymous`` of memory that no file backs,
        ``mapped`` of mapped files.
    """
    os.sync()  # earlier writes must not slow the process down
    command = [sys.executable, __file__, "--work", str(work), "--run", way]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peaks = {"rss": 0.0, "anonymous": 0.0, "mapped": 0.0}
    while process.poll() is None:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        if "RssAnon" in fields:  # an ended process has no such field
            anonymous, mapped = (int(fields[name].split()[0]) * 1024 / 1e9 for name in ("RssAnon", "RssFile"))
            found = {"rss": anonymous + mapped, "anonymous": anonymous, "mapped": mapped}
            peaks = {name: max(peak, found[name]) for name, peak in peaks.items()}
        time.sleep(0.02)
    assert process.stdout is not None
    if process.returncode:
        raise RuntimeError(f"{way} failed: run `{' '.join(command)}`")
    for folder in (work / "merged", work / "policy/model"):
        shutil.rmtree(folder, ignore_errors=True)
    return {**json.loads(process.stdout.read().splitlines()[-1]), **peaks}


def page(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    peft = found["ways"]["peft"]
    lines = [
        "# Merge",
        "",
        f"A LoRA adapter (r {found['adapter_r']}, every linear layer of the language model) is merged into a bfloat16 "
        f"checkpoint of {found['checkpoint_gb']:.2f} GB in {found['files']} files, which has Qwen2.5-VL-3B's shape and "
        "random weights. PEFT's `from_pretrained`, `merge_and_unload` and `save_pretrained` are compared with the "
        "merge by shard. With its proof, the merge by shard is the whole stage: hashes, three forwards and sampled",
        f"layers. Written by merge.py on {found['machine']}, with torch {found['torch']}. Figures are medians of "
        f"{found['repeats']} runs, each in a process of its own; the merge with its proof ran once. Seconds do not "
        "include imports. Peaks are of resident memory: all of it, the part that no file holds (anonymous) and mapped "
        "files.",
        "",
        "| way | s | CPU, s | peak, GB | anonymous, GB | mapped, GB | times as fast | share of PEFT's peak |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, label in WAYS.items():
        row = found["ways"][way]
        lines.append(
            f"| {label} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} | {row['rss']:.2f} | "
            f"{row['anonymous']:.2f} | {row['mapped']:.2f} | {peft['seconds'] / row['seconds']:.2f} | "
            f"{row['rss'] / peft['rss']:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
