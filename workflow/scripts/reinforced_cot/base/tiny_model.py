"""A tiny Qwen2.5-VL from scratch: trained BPE tokenizer, image-only processor, model from a config.

All three are the stock classes at toy size, so that code written for Qwen/Qwen2.5-VL runs on them unchanged.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from reinforced_cot.models.families import FAMILIES
from reinforced_cot.models.processors import processor_class
from reinforced_cot.models.settings import ModelSizes

END_OF_TEXT = "<|endoftext|>"
END_OF_TURN = "<|im_end|>"
VISION_START = "<|vision_start|>"
VISION_END = "<|vision_end|>"
IMAGE_TOKEN = "<|image_pad|>"
VIDEO_TOKEN = "<|video_pad|>"
SPECIAL_TOKENS = [
    END_OF_TEXT,
    "<|im_start|>",
    END_OF_TURN,
    VISION_START,
    VISION_END,
    "<|vision_pad|>",
    IMAGE_TOKEN,
    VIDEO_TOKEN,
]
# Words, single digits and runs of punctuation, each with the blank before it. Qwen's own pattern would join "(" with
# the word after it; "(red" and " red" would be two unrelated tokens for the tiny model.
PRE_TOKENIZER_PATTERN = r" ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+|\s+"
# Qwen2.5-VL's template without its default system message, which would double the length of a tiny prompt.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|im_start|>' + message['role'] + '\\n' -}}"
    "{%- if message['content'] is string -%}"
    "{{- message['content'] -}}"
    "{%- else -%}"
    "{%- for content in message['content'] -%}"
    "{%- if content['type'] == 'image' or 'image' in content or 'image_url' in content -%}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- elif 'text' in content -%}"
    "{{- content['text'] -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- endif -%}"
    "{{- '<|im_end|>\\n' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
# What the template adds around the text. The tokenizer is trained on it, too, so that it has tokens for it.
TEMPLATE_TEXTS = ["system\n", "user\n", "assistant\n"]

# As in Qwen2.5-VL: 28 x 28 pixels make one visual token.
PATCH_SIZE, SPATIAL_MERGE_SIZE, WINDOW_SIZE = 14, 2, 112


def build_tokenizer(
    texts: Iterable[str], vocab_size: int = 512, further: Sequence[str] = ()
) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE tokenizer with Qwen's special tokens.

    Args:
        texts: like those that the model will read and write. Any other text is encodable, too, if need be byte by byte.
        vocab_size: upper bound; at least 256 bytes + the special tokens.
        further: special tokens after Qwen's, for a model of another family.
    """
    special_tokens = [*SPECIAL_TOKENS, *further]
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PRE_TOKENIZER_PATTERN), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # Repeated, so that the template's words are merged into tokens before any word of the texts.
    texts = list(texts)
    tokenizer.train_from_iterator([*texts, *TEMPLATE_TEXTS * (len(texts) + 1)], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        model_max_length=2048,
        extra_special_tokens=[token for token in special_tokens if token not in (END_OF_TURN, END_OF_TEXT)],
        padding_side="left",
    )
    # Only init_kwargs are saved, and the constructor leaves the side out of them: a reloaded tokenizer would pad on the
    # right, and generation would break. `from_pretrained` keeps the side, but also the path that it read from.
    fast.init_kwargs["padding_side"] = "left"
    return fast


def build_processor(
    tokenizer: PreTrainedTokenizerFast, min_pixels: int = 28 * 28, max_pixels: int = 64 * 28 * 28
) -> Qwen2_5_VLProcessor:
    """Build a processor that resizes images to multiples of 28 px within a pixel budget, which is saved with it."""
    image_processor = Qwen2VLImageProcessorPil(size={"shortest_edge": min_pixels, "longest_edge": max_pixels})
    qwen_processor = processor_class(FAMILIES["qwen2_5_vl"])
    return qwen_processor(image_processor=image_processor, tokenizer=tokenizer, chat_template=CHAT_TEMPLATE)


def _mrope_section(head_dim: int) -> list[int]:
    """Split half a head's dimensions among time, height and width: 2 : 3 : 3 as in Qwen2.5-VL."""
    spatial = head_dim // 2 * 3 // 8
    return [head_dim // 2 - 2 * spatial, spatial, spatial]


def build_model(
    tokenizer: PreTrainedTokenizerFast, sizes: ModelSizes | None = None, seed: int = 0
) -> Qwen2_5_VLForConditionalGeneration:
    """Build the model from its config, in float32; its weights are drawn from ``seed``."""
    config = build_config(len(tokenizer), tokenizer.get_vocab(), sizes or ModelSizes())
    torch.manual_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(config)
    end_of_text, end_of_turn = tokenizer.convert_tokens_to_ids([END_OF_TEXT, END_OF_TURN])
    model.generation_config = GenerationConfig(
        bos_token_id=end_of_text, eos_token_id=[end_of_turn, end_of_text], pad_token_id=end_of_text
    )
    return model


def build_config(vocabulary: int, ids: Mapping[str, int], sizes: ModelSizes) -> Qwen2_5_VLConfig:
    """The model's config.

    Args:
        vocabulary: number of tokens.
        ids: of the special tokens, by token.
    """
    end_of_text, end_of_turn = ids[END_OF_TEXT], ids[END_OF_TURN]
    return Qwen2_5_VLConfig(
        text_config={
            "vocab_size": vocabulary,
            "hidden_size": sizes.hidden_size,
            "intermediate_size": sizes.intermediate_size,
            "num_hidden_layers": sizes.num_hidden_layers,
            "num_attention_heads": sizes.num_attention_heads,
            "num_key_value_heads": sizes.num_key_value_heads,
            "max_position_embeddings": sizes.max_position_embeddings,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": sizes.rope_theta,
                "mrope_section": _mrope_section(sizes.hidden_size // sizes.num_attention_heads),
            },
            "initializer_range": sizes.initializer_range,
            "bos_token_id": end_of_text,
            "eos_token_id": end_of_turn,
            "pad_token_id": end_of_text,
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": sizes.vision_depth,
            "hidden_size": sizes.vision_hidden_size,
            "intermediate_size": sizes.vision_intermediate_size,
            "num_heads": sizes.vision_num_heads,
            "out_hidden_size": sizes.hidden_size,
            "patch_size": PATCH_SIZE,
            "spatial_merge_size": SPATIAL_MERGE_SIZE,
            "temporal_patch_size": 2,
            "window_size": WINDOW_SIZE,
            "fullatt_block_indexes": [sizes.vision_depth - 1],
            "initializer_range": sizes.initializer_range,
        },
        image_token_id=ids[IMAGE_TOKEN],
        video_token_id=ids[VIDEO_TOKEN],
        vision_start_token_id=ids[VISION_START],
        vision_end_token_id=ids[VISION_END],
        initializer_range=sizes.initializer_range,
        tie_word_embeddings=True,
    )
