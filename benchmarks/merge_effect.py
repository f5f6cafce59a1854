"""How much of an adapter's effect a merged bfloat16 checkpoint keeps, by the number of training steps and the way.

    python benchmarks/merge_effect.py     # writes merge_effect.json and merge_effect.md; takes minutes

The model has Qwen2.5-VL-3B's width, 4 layers and random weights; the adapter is the full-size preset's. Training is
imitated: each step moves every weight of the adapter by the learning rate, always in the same direction, which is what
Adam does at most. The effects are those of the merge's own proof.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

import torch
import yaml
from machine import machine
from merge import SETTINGS, SIZES, make_policies
from peft import get_peft_model, get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from reinforced_cot.data.settings import Prompt
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.lora.adapter import lora_config
from reinforced_cot.lora.merge_proof import Probe, effect, keeps_effect, logits
from reinforced_cot.lora.shard_merge import write_base_and_adapter, write_merged
from reinforced_cot.lora.streamed_model import StoredModel
from reinforced_cot.models.embedded_adapter import ADAPTER_WEIGHTS
from reinforced_cot.models.processors import load_processor

REPO = Path(__file__).resolve().parents[1]
PRESET = REPO / "config/presets/qwen2.5-vl-3b-gqa.yaml"
STEPS = (1, 10, 30, 100, 300)
LAYERS, VOCABULARY, ROWS = 4, 4000, 512
NEAREST, BESIDE = "rounded to the nearest", "base and adapter"
EXACT = SETTINGS.base_model.model_copy(update={"dtype": "float32"})


def nearest(exact: torch.Tensor) -> torch.Tensor:
    """Each weight as the nearest bfloat16."""
    return exact.bfloat16()


def neighbours(exact: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The bfloat16 numbers towards zero and away from it, and how far a weight lies between them, from 0 to 1."""
    bits = exact.view(torch.int32)
    low = (bits & -65536).view(torch.float32)
    high = ((bits & -65536) + 65536).view(torch.float32)
    return low, high, (bits & 65535).float() / 65536


def at_random(exact: torch.Tensor) -> torch.Tensor:
    """Each weight up or down by chance, so that it is right on average (stochastic rounding)."""
    low, high, share = neighbours(exact)
    return torch.where(torch.rand(share.shape) < share, high, low).bfloat16()


def fed_back(exact: torch.Tensor) -> torch.Tensor:
    """Each weight to the nearest after the error of the row's weights before it was added (error feedback)."""
    rounded, error = torch.empty_like(exact, dtype=torch.bfloat16), torch.zeros(exact.shape[0])
    for column in range(exact.shape[1]):
        wanted = exact[:, column] + error
        rounded[:, column] = wanted.bfloat16()
        error = wanted - rounded[:, column].float()
    return rounded


ROUNDINGS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    NEAREST: nearest,
    "rounded at random": at_random,
    "rounded with error feedback": fed_back,
}


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all ways, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    args = parser.parse_args(argv)
    claim_devices(0)
    preset = yaml.safe_load(PRESET.read_text(encoding="utf-8"))["policies"]["sft"]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sizes = SIZES.model_copy(update={"num_hidden_layers": LAYERS, "vision_depth": 2})
        make_policies(work, sizes, VOCABULARY, 4e9)
        rows = [
            {"steps": steps, **row}
            for steps in args.steps
            for row in measured(work, preset["lora"], preset["training"]["learning_rate"], steps)
        ]
    found = {
        "machine": machine(),
        "lora": preset["lora"],
        "learning_rate": preset["training"]["learning_rate"],
        "rows": rows,
    }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def measured(work: Path, lora: dict[str, Any], rate: float, steps: int) -> list[dict[str, Any]]:
    """The effect of an adapter after some steps, in every way."""
    base, adapter = work / "base/model", work / "adapter"
    shutil.rmtree(adapter, ignore_errors=True)
    make_adapter(base, adapter, lora, rate * steps)
    adapted = StoredModel(base, EXACT, adapter)
    probe = Probe.of(adapted, load_processor(base), Prompt())
    exact = fresh(work / "exact")
    write_merged(adapted, exact, torch.float32)
    rows = []
    for way, rounding in ROUNDINGS.items():
        folder = shutil.copytree(exact, fresh(work / "rounded"), dirs_exist_ok=True)
        before = {key: value for file in base.glob("*.safetensors") for key, value in load_file(file).items()}
        for file in folder.glob("*.safetensors"):
            weights = load_file(file)
            for key, weight in weights.items():
                is_changed = not torch.equal(weight, before[key].float())
                weights[key] = rounding(weight) if is_changed else before[key]
            save_file(weights, file, metadata={"format": "pt"})
        rows.append({"way": way, **effect_of(folder, probe)})
    folder = fresh(work / "beside")
    write_base_and_adapter(adapted, adapter, folder, torch.bfloat16)
    return [*rows, {"way": BESIDE, **effect_of(folder, probe)}]


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def make_adapter(base: Path, folder: Path, lora: dict[str, Any], moved: float) -> None:
    """An adapter as PEFT starts it, each of whose weights has then moved by ``moved``, up or down."""
    torch.manual_seed(3)
    model = StoredModel(base, EXACT).model
    config = lora_config(lora, model)
    assert config is not None
    adapted = get_peft_model(model, config, low_cpu_mem_usage=True)
    state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    weights = {}
    for name, weight in state.items():
        start = torch.zeros(weight.shape)
        if "lora_A" in name:
            torch.nn.init.kaiming_uniform_(start, a=5**0.5)
        weights[name] = start + moved * torch.randn(weight.shape).sign()
    folder.mkdir()
    config.save_pretrained(folder)
    save_file(weights, folder / ADAPTER_WEIGHTS)


def effect_of(folder: Path, probe: Probe) -> dict[str, float]:
    """What a saved checkpoint keeps of the adapter's effect, computed in float32."""
    with StoredModel(folder, EXACT).streaming() as model:
        kept, error = effect(probe.from_base, probe.from_adapter, logits(model, probe.inputs))
    return {"effect_kept": kept, "effect_error": error}


def page(found: dict[str, Any]) -> str:
    """The tables as Markdown."""
    lora, ways = found["lora"], [*ROUNDINGS, BESIDE]
    by_steps: dict[int, dict[str, dict[str, Any]]] = {}
    for row in found["rows"]:
        by_steps.setdefault(row["steps"], {})[row["way"]] = row
    lines = [
        "# What a merge keeps of its adapter",
        "",
        "Each entry is the share of the adapter's effect on the logits that the saved weights keep, and their distance "
        f"from it, as a share of it. An adapter as the full-size preset's (r {lora['r']}, alpha {lora['lora_alpha']}, "
        f"{', '.join(lora['target_modules'])}) has taken steps of {found['learning_rate']:g}, all in one direction. "
        "Its base has random bfloat16 weights, Qwen2.5-VL-3B's width and 4 layers. A merge publishes rounded weights "
        "where it keeps 0.9 with an error of at most 0.3 (bold), and otherwise the base with the adapter beside it. "
        f"Written by merge_effect.py on {found['machine']}.",
        "",
        f"| steps | {' | '.join(ways)} |",
        f"| --- |{' --- |' * len(ways)}",
    ]
    for steps, by_way in by_steps.items():
        cells = [f"{by_way[way]['effect_kept']:.3f} ± {by_way[way]['effect_error']:.3f}" for way in ways]
        marked = [f"**{cell}**" if keeps_effect(by_way[way]) else cell for way, cell in zip(ways, cells, strict=True)]
        lines.append(f"| {steps} | {' | '.join(marked)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
