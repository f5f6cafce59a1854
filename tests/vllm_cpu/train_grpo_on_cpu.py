"""grpo.py with vLLM colocated on the CPU: the stage's arguments, and --uncollapsed for TRL's own prompts.

With --without-weight-sync a server keeps the weights that it was started with.
"""

import sys
from pathlib import Path

import torch
import vllm.model_executor.layers.utils

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow" / "scripts"))


def dispatch(layer: torch.nn.Module, remove_weight: bool) -> None:
    """vLLM's build for CPUs packs the weights of linear layers away, and no new ones could be loaded into them."""
    layer.cpu_linear = torch.nn.functional.linear


vllm.model_executor.layers.utils.dispatch_cpu_unquantized_gemm = dispatch

if "--uncollapsed" in sys.argv:
    from reinforced_cot.training import vllm_rollouts

    sys.argv.remove("--uncollapsed")
    vllm_rollouts.with_collapsed_prompts = lambda generate, image_token: generate

if "--without-weight-sync" in sys.argv:  # which goes from GPU to GPU
    from trl.generation.vllm_client import VLLMClient

    sys.argv.remove("--without-weight-sync")
    VLLMClient.init_communicator = lambda self, device: None
    VLLMClient.update_named_params = lambda self, metadata, parameters: list(parameters) and None

import grpo  # noqa: E402

from reinforced_cot.interpreter import run_script  # noqa: E402

run_script(grpo.main)
