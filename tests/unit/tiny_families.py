"""A tiny checkpoint of each model family, built from its config, in the files that the hub has of the real ones."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    GotOcr2ImageProcessorPil,
    InternVLConfig,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2VLConfig,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
)

from reinforced_cot.base import tiny_model
from reinforced_cot.files import read_json, write_json
from reinforced_cot.models.families import FAMILIES
from reinforced_cot.models.processors import processor_class

WIDTH = 32
TEXT = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.08,
    "tie_word_embeddings": True,
}
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
VISION = {"depth": 1, "num_heads": 4, "spatial_merge_size": 2, "temporal_patch_size": 2, "initializer_range": 0.08}
INTERNVL_TOKENS = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    "video_token": "<video>",
}
TILE = 28  # side of InternVL's tiles in pixels; 4 visual tokens each


def published_checkpoint(model_type: str, texts: Sequence[str], folder: Path) -> Path:
    """Write an untrained checkpoint as its makers would: no pixel budget of ours, sampling defaults of their own."""
    torch.manual_seed(0)
    tokenizer = _tokenizer(model_type, texts)
    ids = tokenizer.get_vocab()
    end_of_text, end_of_turn = ids[tiny_model.END_OF_TEXT], ids[tiny_model.END_OF_TURN]
    special = {"bos_token_id": end_of_text, "eos_token_id": end_of_turn, "pad_token_id": end_of_text}
    model = AutoModelForImageTextToText.from_config(
        _CONFIGS[model_type](ids, {**TEXT, **special, "vocab_size": len(tokenizer)})
    )
    model.generation_config = GenerationConfig(**special, repetition_penalty=1.05, do_sample=True, temperature=0.7)
    model.save_pretrained(folder)
    processor = processor_class(FAMILIES[model_type])(**_processor_parts(model_type), tokenizer=tokenizer)
    processor.save_pretrained(folder)
    stock = read_json(folder / "processor_config.json")
    image_processor = stock.pop("image_processor")  # on the hub in a file of its own, under its older name
    image_processor["image_processor_type"] += "Fast"
    write_json(folder / "preprocessor_config.json", {**image_processor, "processor_class": stock["processor_class"]})
    write_json(folder / "processor_config.json", stock)
    return folder


def _tokenizer(model_type: str, texts: Sequence[str]) -> PreTrainedTokenizerFast:
    if model_type != "internvl":
        return tiny_model.build_tokenizer(texts, 400)
    tokenizer = tiny_model.build_tokenizer(texts, 400, list(INTERNVL_TOKENS.values()))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        eos_token=tokenizer.eos_token,
        pad_token=tokenizer.pad_token,
        extra_special_tokens=INTERNVL_TOKENS,
    )


def _processor_parts(model_type: str) -> dict[str, Any]:
    if model_type == "internvl":
        tiles = GotOcr2ImageProcessorPil(size={"height": TILE, "width": TILE}, max_patches=12)
        placeholder = "<|vision_start|><|image_pad|><|vision_end|>"
        assert placeholder in tiny_model.CHAT_TEMPLATE
        template = tiny_model.CHAT_TEMPLATE.replace(placeholder, "<IMG_CONTEXT>\\n")
        return {"image_processor": tiles, "image_seq_length": 4, "chat_template": template}
    patch = 16 if model_type == "qwen3_vl" else 14
    areas = Qwen2VLImageProcessorPil(patch_size=patch, size={"shortest_edge": 3136, "longest_edge": 12845056})
    return {"image_processor": areas, "chat_template": tiny_model.CHAT_TEMPLATE}


def _qwen_ids(ids: Mapping[str, int]) -> dict[str, Any]:
    names = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}
    return {f"{name}_token_id": ids[f"<|{token}|>"] for name, token in names.items()} | {"tie_word_embeddings": True}


def _qwen_vision(patch_size: int) -> dict[str, Any]:
    sizes = {"hidden_size": WIDTH, "intermediate_size": 48, "out_hidden_size": WIDTH}
    return {**VISION, **sizes, "patch_size": patch_size}


def _qwen2_vl(ids: Mapping[str, int], text: dict[str, Any]) -> PretrainedConfig:
    vision = {**VISION, "embed_dim": WIDTH, "hidden_size": WIDTH, "mlp_ratio": 2, "patch_size": 14}
    return Qwen2VLConfig(text_config={**text, "rope_parameters": ROPE}, vision_config=vision, **_qwen_ids(ids))


def _qwen2_5_vl(ids: Mapping[str, int], text: dict[str, Any]) -> PretrainedConfig:
    vision = {**_qwen_vision(14), "window_size": 112, "fullatt_block_indexes": [0]}
    return Qwen2_5_VLConfig(text_config={**text, "rope_parameters": ROPE}, vision_config=vision, **_qwen_ids(ids))


def _qwen3_vl(ids: Mapping[str, int], text: dict[str, Any]) -> PretrainedConfig:
    vision = {**_qwen_vision(16), "num_position_embeddings": 64, "deepstack_visual_indexes": [0]}
    text = {**text, "head_dim": 8, "rope_parameters": {**ROPE, "mrope_interleaved": True}}
    return Qwen3VLConfig(text_config=text, vision_config=vision, **_qwen_ids(ids))


def _internvl(ids: Mapping[str, int], text: dict[str, Any]) -> PretrainedConfig:
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "image_size": [TILE, TILE],
        "patch_size": [7, 7],
        "initializer_range": 0.08,
    }
    return InternVLConfig(
        text_config={"model_type": "qwen2", **text},
        vision_config=vision,
        image_token_id=ids["<IMG_CONTEXT>"],
        image_seq_length=4,
        downsample_ratio=0.5,
        tie_word_embeddings=True,
    )


_CONFIGS: dict[str, Callable[[Mapping[str, int], dict[str, Any]], PretrainedConfig]] = {
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "internvl": _internvl,
}
