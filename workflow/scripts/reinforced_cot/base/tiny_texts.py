"""Texts about digit scenes as the tiny model's pretraining reads them: tokenized once, images as cached features."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor

Scenes = tuple[int, ...]  # numbers of scenes


@dataclass(frozen=True)
class Texts:
    """One kind of text, tokenized.

    Attributes:
        ids: prompt and completion, padded on the right, shape `(rows, longest length)`.
        prompt_length, length: of each row's prompt, and of the whole row, shape `(rows,)`.
        scene: numbers of the scenes that each row is about, shape `(rows, images)`.
    """

    ids: torch.Tensor
    prompt_length: torch.Tensor
    length: torch.Tensor
    scene: torch.Tensor


def tokenize(
    processor: Qwen2_5_VLProcessor, visual_tokens: int, rows: Sequence[tuple[Scenes, str, str]], begin: str = ""
) -> Texts:
    """Tokenize rows of (scene numbers, prompt, completion) as the chat template renders them, images first.

    Args:
        rows: all about equally many scenes.
        begin: the start of the model's turn, which counts as prompt; completions do not include it.
    """
    tokenizer = processor.tokenizer
    images = [{"type": "image"}] * len(rows[0][0])
    message = [{"role": "user", "content": [*images, {"type": "text", "text": "\0"}]}]
    # Rendered once, around a mark: the template is slow, and its text is the same for every row.
    before, after = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False).split("\0")
    before = before.replace(processor.image_token, processor.image_token * visual_tokens)
    prompts = tokenizer([before + prompt + after + begin for _, prompt, _ in rows], add_special_tokens=False)[
        "input_ids"
    ]
    completions = tokenizer(
        [completion + tokenizer.eos_token + "\n" for *_, completion in rows], add_special_tokens=False
    )["input_ids"]
    length = torch.tensor([len(p) + len(c) for p, c in zip(prompts, completions, strict=True)])
    ids = torch.full((len(rows), int(length.max())), tokenizer.pad_token_id)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : length[row]] = torch.tensor(prompt + completion)
    prompt_length = torch.tensor([len(prompt) for prompt in prompts])
    return Texts(ids, prompt_length, length, torch.tensor([scenes for scenes, *_ in rows]))


def rope_positions(model: Qwen2_5_VLForConditionalGeneration, ids: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Multimodal rotary positions, shape `(3, 1, length)`, shared by all rows: images are always at the same places.

    Args:
        grid: `image_grid_thw` of the images of one row, shape `(images, 3)`.

    Raises:
        ValueError: the image tokens are not at the same place in every row.
    """
    is_image = ids == model.config.image_token_id
    if not bool((is_image == is_image[:1]).all()):
        raise ValueError("image tokens must be at the same place in every row")
    row = ids[:1]
    position_ids, _ = model.model.get_rope_index(
        row, mm_token_type_ids=is_image[:1].long(), image_grid_thw=grid, attention_mask=torch.ones_like(row)
    )
    return position_ids


def predictions(
    model: Qwen2_5_VLForConditionalGeneration,
    texts: Texts,
    rows: torch.Tensor,
    features: torch.Tensor,
    positions: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the model predicts for each token of some rows' completions, given all tokens before it.

    Args:
        rows: numbers of the rows.
        features: of every scene's image, shape `(scenes, visual tokens, hidden)`.
        positions: `rope_positions` of the texts.

    Returns:
        Logits, shape `(tokens, vocabulary)`; the true tokens; and for each token its place in ``rows``.
    """
    ids = texts.ids[rows, : int(texts.length[rows].max())]
    place = torch.arange(ids.shape[1])
    in_completion = (place >= texts.prompt_length[rows, None]) & (place < texts.length[rows, None])
    is_image = (ids == model.config.image_token_id)[..., None]
    # No attention mask: padding is on the right, where no token of the text can see it.
    hidden = model.model.language_model(
        inputs_embeds=model.get_input_embeddings()(ids).masked_scatter(is_image, features[texts.scene[rows]]),
        position_ids=positions[..., : ids.shape[1]].expand(-1, len(ids), -1),
        use_cache=False,
    ).last_hidden_state
    predicted = in_completion[:, 1:]
    return model.lm_head(hidden[:, :-1][predicted]), ids[:, 1:][predicted], predicted.nonzero()[:, 0]
