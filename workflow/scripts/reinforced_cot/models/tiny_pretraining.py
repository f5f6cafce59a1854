"""Pre-training of the tiny base model on digit scenes, in minutes on a CPU.

1. Alignment: the vision tower learns to name what each cell shows. The feature of a visual token, multiplied with the
   token embeddings, must predict the cell's bag of words. Without this step the language model never learns to look.
2. Language model: the vision tower is frozen and its features are cached; the language model learns captions, short
   answers, bare steps and tagged chains. The last three follow the same plain question, so the base knows how to
   reason but seldom writes it in tags; that is left to post-training.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor

from reinforced_cot.data.completions import completion_text
from reinforced_cot.errors import PipelineError
from reinforced_cot.models.settings import PretrainingSteps
from reinforced_cot.sources.digit_scenes import Record, Scene

log = logging.getLogger(__name__)

CAPTION_PROMPT = "Describe the image."


@dataclass(frozen=True)
class Texts:
    """One kind of text, tokenized.

    Attributes:
        ids: prompt and completion, padded on the right, shape `(rows, longest length)`.
        prompt_length, length: of each row's prompt, and of the whole row, shape `(rows,)`.
        scene: number of the scene that each row is about, shape `(rows,)`.
    """

    ids: torch.Tensor
    prompt_length: torch.Tensor
    length: torch.Tensor
    scene: torch.Tensor


def pretrain(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    scenes: Sequence[Scene],
    questions: Sequence[Sequence[Record]],
    settings: PretrainingSteps,
    seed: int,
) -> None:
    """Train the model in place.

    Args:
        scenes: the images.
        questions: each scene's records. Some chains are learned in tags: adapters of q, k and v cannot teach new tags.
    """
    generator = torch.Generator().manual_seed(seed)
    started = time.perf_counter()
    images = processor.image_processor(images=[scene.render() for scene in scenes], return_tensors="pt")
    grid = images["image_grid_thw"]
    patches = images["pixel_values"].view(len(scenes), -1, images["pixel_values"].shape[-1])
    log.info("rendered %d scenes in %.1f s", len(scenes), time.perf_counter() - started)
    align_vision(model, processor, scenes, patches, grid, settings, generator)
    features = visual_features(model, patches, grid)
    texts = tokenize_mix(processor, features.shape[1], scenes, questions)
    train_language_model(model, texts, features, grid[:1], settings, generator)
    model.eval()


def align_vision(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    scenes: Sequence[Scene],
    patches: torch.Tensor,
    grid: torch.Tensor,
    settings: PretrainingSteps,
    generator: torch.Generator,
) -> None:
    """Teach the vision tower to name each cell in the space of the token embeddings.

    Args:
        patches: pixel values, shape `(scenes, patches, channels)`.
        grid: `image_grid_thw`, shape `(scenes, 3)`.
    """
    started = time.perf_counter()
    visual = model.model.visual
    embeddings = model.get_input_embeddings().weight
    targets = bag_of_words(processor, scenes)
    entropy = -(targets * targets.clamp(min=1e-9).log()).sum(-1).mean().item()
    parameters = [*visual.parameters(), embeddings]
    optimizer = torch.optim.AdamW(parameters, lr=settings.align_learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine(step, settings.align_steps))
    progress = tqdm(range(settings.align_steps), desc="align vision", mininterval=2)
    loss = torch.zeros(())
    for _ in progress:
        rows = torch.randint(len(scenes), (settings.align_batch_size,), generator=generator)
        feature = visual(patches[rows].flatten(0, 1), grid[rows]).pooler_output
        log_probabilities = (feature @ embeddings.T).log_softmax(-1)
        # The small norm penalty keeps the features on the scale of the embeddings they will stand beside.
        loss = -(targets[rows].flatten(0, 1) * log_probabilities).sum(-1).mean() + 1e-3 * feature.square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        progress.set_postfix(excess_loss=f"{loss.item() - entropy:.3f}", refresh=False)
    log.info("aligned in %.1f s, excess loss %.3f", time.perf_counter() - started, loss.item() - entropy)


def bag_of_words(processor: Qwen2_5_VLProcessor, scenes: Sequence[Scene]) -> torch.Tensor:
    """Target distribution over the vocabulary for each cell, shape `(scenes, cells, vocabulary)`; each sums to 1.

    Raises:
        PipelineError: the tokenizer is too small to have a token for some word.
    """
    vocabulary = len(processor.tokenizer)
    word_ids: dict[str, list[int]] = {}
    cells = [scene.cell_words() for scene in scenes]
    targets: np.ndarray = np.zeros((len(cells), len(cells[0]), vocabulary), dtype=np.float32)
    for row, bags in enumerate(cells):
        for cell, bag in enumerate(bags):
            for word in bag:
                if word not in word_ids:
                    # With and without the blank before it: two tokens, and the cell must predict both.
                    spellings = processor.tokenizer([word, " " + word], add_special_tokens=False)["input_ids"]
                    word_ids[word] = [ids[0] for ids in spellings if len(ids) == 1]
                    if not word_ids[word]:
                        raise PipelineError(
                            f"base_model.tiny.vocab_size leaves no token for {word!r}, so that the vision tower cannot "
                            "learn to name it: raise it (512 is enough for the digit scenes)"
                        )
                targets[row, cell, word_ids[word]] = 1
    return torch.from_numpy(targets / targets.sum(-1, keepdims=True))


@torch.no_grad()
def visual_features(
    model: Qwen2_5_VLForConditionalGeneration, patches: torch.Tensor, grid: torch.Tensor, batch_size: int = 256
) -> torch.Tensor:
    """Features of every image, shape `(scenes, visual tokens, hidden)`."""
    features = [
        model.model.visual(patches[i : i + batch_size].flatten(0, 1), grid[i : i + batch_size]).pooler_output
        for i in range(0, len(patches), batch_size)
    ]
    return torch.cat(features).view(len(patches), -1, model.config.text_config.hidden_size)


def tokenize_mix(
    processor: Qwen2_5_VLProcessor,
    visual_tokens: int,
    scenes: Sequence[Scene],
    questions: Sequence[Sequence[Record]],
) -> dict[str, Texts]:
    """Tokenize captions, short answers and chains once, for all of training."""
    numbered = [(number, record) for number, records in enumerate(questions) for record in records]
    kinds = {
        "caption": [(number, CAPTION_PROMPT, scene.caption()) for number, scene in enumerate(scenes)],
        "short": [(number, record["question"], record["answer"]) for number, record in numbered],
        "steps": [(number, record["question"], record["cot"]) for number, record in numbered],
        "chain": [
            (number, record["question"], completion_text(record["cot"], record["cot_answer"]))
            for number, record in numbered
        ],
    }
    return {kind: tokenize(processor, visual_tokens, rows) for kind, rows in kinds.items()}


def tokenize(processor: Qwen2_5_VLProcessor, visual_tokens: int, rows: Sequence[tuple[int, str, str]]) -> Texts:
    """Tokenize rows of (scene number, prompt, completion) as the chat template renders them, image first."""
    tokenizer = processor.tokenizer
    message = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "\0"}]}]
    # Rendered once, around a mark: the template is slow, and its text is the same for every row.
    before, after = processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False).split("\0")
    before = before.replace(processor.image_token, processor.image_token * visual_tokens)
    prompts = tokenizer([before + prompt + after for _, prompt, _ in rows], add_special_tokens=False)["input_ids"]
    completions = tokenizer(
        [completion + tokenizer.eos_token + "\n" for *_, completion in rows], add_special_tokens=False
    )["input_ids"]
    length = torch.tensor([len(p) + len(c) for p, c in zip(prompts, completions, strict=True)])
    ids = torch.full((len(rows), int(length.max())), tokenizer.pad_token_id)
    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        ids[row, : length[row]] = torch.tensor(prompt + completion)
    prompt_length = torch.tensor([len(prompt) for prompt in prompts])
    return Texts(ids, prompt_length, length, torch.tensor([number for number, *_ in rows]))


def train_language_model(
    model: Qwen2_5_VLForConditionalGeneration,
    texts: Mapping[str, Texts],
    features: torch.Tensor,
    grid: torch.Tensor,
    settings: PretrainingSteps,
    generator: torch.Generator,
) -> None:
    """Train the language model on cached visual features; the vision tower is not changed.

    Args:
        features: shape `(scenes, visual tokens, hidden)`.
        grid: `image_grid_thw` of any one image, shape `(1, 3)`: all images have the same size.
    """
    started = time.perf_counter()
    language_model = model.model.language_model
    embed = model.get_input_embeddings()
    parameters = list(language_model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.lm_learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    shares = torch.tensor([getattr(settings.mix, kind) for kind in texts])
    kinds = torch.multinomial(shares, settings.lm_max_steps, replacement=True, generator=generator).tolist()
    positions = {kind: rope_positions(model, batch.ids, grid) for kind, batch in texts.items()}
    progress = tqdm([list(texts)[kind] for kind in kinds], desc="language model", mininterval=2)
    losses: dict[str, float] = {}
    end, decaying = settings.lm_max_steps, False
    model.train()
    for step, kind in enumerate(progress):
        if step == end:
            break
        for group in optimizer.param_groups:
            group["lr"] = settings.lm_learning_rate * trapezoid(step, end, settings.lm_decay_steps)
        batch = texts[kind]
        rows = torch.randint(len(batch.ids), (settings.lm_batch_size,), generator=generator)
        ids = batch.ids[rows, : int(batch.length[rows].max())]
        place = torch.arange(ids.shape[1])
        learned = (place >= batch.prompt_length[rows, None]) & (place < batch.length[rows, None])
        is_image = (ids == model.config.image_token_id)[..., None]
        embedded = embed(ids).masked_scatter(is_image, features[batch.scene[rows]])
        # No attention mask: padding is on the right, where no token of the text can see it.
        hidden = language_model(
            inputs_embeds=embedded,
            position_ids=positions[kind][..., : ids.shape[1]].expand(-1, len(ids), -1),
            use_cache=False,
        ).last_hidden_state
        target = ids[:, 1:][learned[:, 1:]]
        loss = F.cross_entropy(model.lm_head(hidden[:, :-1][learned[:, 1:]]), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses[kind] = 0.9 * losses.get(kind, loss.item()) + 0.1 * loss.item()
        if not decaying and losses.get("steps", math.inf) < settings.lm_decay_below:
            progress.total = end = min(step + settings.lm_decay_steps, end)
            decaying = True
        progress.set_postfix({kind: f"{value:.3f}" for kind, value in losses.items()}, refresh=False)
    log.info("language model trained in %d steps, %.1f s, loss %s", end, time.perf_counter() - started, losses)


def rope_positions(model: Qwen2_5_VLForConditionalGeneration, ids: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Multimodal rotary positions, shape `(3, 1, length)`, shared by all rows: the image is always at the same place.

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


def cosine(step: int, steps: int, warmup: int = 20, floor: float = 0.05) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to `floor`."""
    return min(1.0, (step + 1) / warmup) * (0.5 * (1 + math.cos(math.pi * step / steps)) + floor)


def trapezoid(step: int, end: int, decay_steps: int, warmup: int = 30, floor: float = 0.03) -> float:
    """Factor of the learning rate: linear warm-up, flat, linear decay over the last ``decay_steps`` down to `floor`."""
    return min(1.0, (step + 1) / warmup) * min(1.0, max(floor, (end - step) / decay_steps))
