"""The README of a checkpoint folder: what it is and what it was made from."""

import json
from collections.abc import Mapping
from typing import Any


def model_card(policy: str, facts: Mapping[str, Any]) -> str:
    """Text of the model card of ``policy``; ``facts`` is its provenance."""
    return (
        "---\nlibrary_name: transformers\npipeline_tag: image-text-to-text\ntags: [reinforced-cot]\n---\n\n"
        f"# {policy}\n\n"
        "A vision-language model that thinks before it answers:\n"
        "`<think>` chain of thought `</think>` `<answer>` answer `</answer>`.\n"
        "Load it with `AutoModelForImageTextToText.from_pretrained` and, where torchvision is installed,\n"
        "`AutoProcessor.from_pretrained`.\n\n"
        f"```json\n{json.dumps(facts, indent=2, sort_keys=True)}\n```\n"
    )
