"""How to install what the default environment lacks; all messages about it use these texts."""

GPU_EXTRA = (
    "pip install --no-build-isolation -r requirements-gpu.in -c requirements.lock (in .venv-vllm, which has a "
    "different numpy: -c .venv-vllm/constraints.txt)"
)

TRACKERS_EXTRA = "pip install -r requirements-trackers.in -c requirements.lock"

EXTRAS = {
    "vllm": "`make vllm` makes an environment with it; call .venv-vllm/bin/snakemake",
    "flash_attn": "see requirements-flash.in, or use sdpa",
    "flash_attn_interface": "it is built from FlashAttention's repository (hopper/); or use sdpa",
}
