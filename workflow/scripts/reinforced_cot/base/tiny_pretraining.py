"""Pre-training of the tiny base model on digit scenes, in minutes on a CPU.

1. Alignment: the vision tower learns to name what each cell shows. The feature of a visual token, multiplied with the
   token embeddings, must predict the cell's bag of words. Without this step the language model never learns to look.
2. Language model: the vision tower is frozen and its features are cached; the language model learns captions, short
   answers, bare steps and tagged chains. The last three follow the same plain question, so the base knows how to
   reason but seldom writes it in tags; that is left to post-training. This phase ends by what the model reads on
   held-out scenes, not by its training loss.
"""

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.models.qwen2_5_vl.processing_qwen2_5_vl import Qwen2_5_VLProcessor

from reinforced_cot.base.tiny_evaluation import HELD_OUT_TYPES, HeldOutQuestions
from reinforced_cot.base.tiny_texts import Scenes, Texts, predictions, rope_positions, tokenize
from reinforced_cot.data.completions import completion_text
from reinforced_cot.digits.digit_pairs import make_pair_records, make_pairs
from reinforced_cot.digits.digit_scenes import QUESTION_TYPES, Record, Scene, make_records, make_scenes
from reinforced_cot.errors import PipelineError
from reinforced_cot.models.settings import Pretraining, PretrainingSteps

log = logging.getLogger(__name__)

CAPTION_PROMPT = "Describe the image."
PAIR = "pair_"  # begins the names of kinds of text about two scenes


class Asked(NamedTuple):
    """Scenes with questions about one and about two of them, which are given by their numbers."""

    scenes: Sequence[Scene]
    questions: Sequence[tuple[Scenes, Record]]
    pair_questions: Sequence[tuple[Scenes, Record]]

    @classmethod
    def drawn(
        cls, drawing: str, scenes: int, per_scene: int, shortcut_share: float, question_types: Sequence[str], pairs: int
    ) -> Self:
        """Scenes of the scans of train, and after them those of the pairs."""
        drawn = make_scenes("train", scenes, drawing)
        records = make_records(drawn, drawing, per_scene, shortcut_share, question_types)
        asked = make_pair_records(make_pairs("train", pairs, drawing), drawing)
        return cls(
            [*drawn, *(scene for pair, _ in asked for scene in pair)],
            [((number // per_scene,), record) for number, record in enumerate(records)],
            [((scenes + 2 * i, scenes + 2 * i + 1), record) for i, (_, record) in enumerate(asked)],
        )


def draw_scenes(settings: Pretraining, seed: int) -> tuple[Asked, Asked]:
    """Draw the scenes that the model is trained on, and the held-out ones. SFT and RL see neither."""
    types: Sequence[str] = settings.question_types or tuple(QUESTION_TYPES)
    scenes, held_out, per_scene = settings.scenes, settings.held_out_scenes, settings.questions_per_scene
    pairs, held_out_pairs = (scenes, held_out) if settings.pair_share else (0, 0)
    return (
        Asked.drawn(f"pretraining-{seed}", scenes, per_scene, settings.shortcut_share, types, pairs),
        Asked.drawn(f"held-out-{seed}", held_out, len(HELD_OUT_TYPES), 0.0, HELD_OUT_TYPES, held_out_pairs),
    )


def pretrain(
    model: Qwen2_5_VLForConditionalGeneration,
    processor: Qwen2_5_VLProcessor,
    train: Asked,
    held_out: Asked,
    settings: Pretraining,
    seed: int,
) -> dict[str, Any]:
    """Train the model in place.

    Args:
        train: some of its chains are learned in tags: adapters of q, k and v cannot teach new tags.
        held_out: scenes that are not trained on; questions of `tiny_evaluation.HELD_OUT_TYPES`.

    Returns:
        The steps that trained the language model, its accuracy on the held-out questions after the last one, and the
        accuracy that was asked for.
    """
    generator = torch.Generator().manual_seed(seed)
    started = time.perf_counter()
    patches, grid = pixel_patches(processor, train.scenes)
    log.info("rendered %d scenes in %.1f s", len(train.scenes), time.perf_counter() - started)
    align_vision(model, processor, train.scenes, patches, grid, settings, generator)
    features = visual_features(model, patches, grid)
    texts = tokenize_mix(processor, features.shape[1], train)
    unseen = visual_features(model, *pixel_patches(processor, held_out.scenes))
    kinds = [kind for kind in (held_out.questions, held_out.pair_questions) if kind]
    reading = HeldOutQuestions.of(processor, kinds, unseen, grid[:1])
    steps, accuracy = train_language_model(model, texts, features, grid[:1], reading, settings, generator)
    model.eval()
    if accuracy < settings.lm_target_accuracy:
        log.warning(
            "WARNING: the base has not learned to read: after %d steps it answers %.3f of the held-out questions "
            "right, less than base_model.tiny.pretraining.lm_target_accuracy, %.3f. Every policy starts from it: raise "
            "lm_max_steps, or take another seed",
            steps,
            accuracy,
            settings.lm_target_accuracy,
        )
    return {
        "lm_steps": steps,
        "held_out_accuracy": round(accuracy, 4),
        "lm_target_accuracy": settings.lm_target_accuracy,
    }


def pixel_patches(processor: Qwen2_5_VLProcessor, scenes: Sequence[Scene]) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixel values of every scene, shape `(scenes, patches, channels)`, and `image_grid_thw`, shape `(scenes, 3)`."""
    images = processor.image_processor(images=[scene.render() for scene in scenes], return_tensors="pt")
    pixels = images["pixel_values"]
    return pixels.view(len(scenes), -1, pixels.shape[-1]), images["image_grid_thw"]


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


def tokenize_mix(processor: Qwen2_5_VLProcessor, visual_tokens: int, train: Asked) -> dict[str, Texts]:
    """Tokenize captions, short answers and chains once, for all of training; those about two scenes as `PAIR` kinds."""
    alone = len(train.scenes) - 2 * len(train.pair_questions)
    kinds: dict[str, list[tuple[Scenes, str, str]]]
    kinds = {"caption": [((number,), CAPTION_PROMPT, train.scenes[number].caption()) for number in range(alone)]}
    kinds |= _answered(train.questions)
    if train.pair_questions:
        kinds |= {PAIR + kind: rows for kind, rows in _answered(train.pair_questions).items()}
    return {kind: tokenize(processor, visual_tokens, rows) for kind, rows in kinds.items()}


def _answered(asked: Sequence[tuple[Scenes, Record]]) -> dict[str, list[tuple[Scenes, str, str]]]:
    return {
        "short": [(scenes, record["question"], record["answer"]) for scenes, record in asked],
        "steps": [(scenes, record["question"], record["cot"]) for scenes, record in asked],
        "chain": [
            (scenes, record["question"], completion_text(record["cot"], record["cot_answer"]))
            for scenes, record in asked
        ],
    }


def _shares(kinds: Iterable[str], settings: Pretraining) -> list[float]:
    """How often each kind of text is drawn; texts about two scenes take `pair_share` of the whole."""
    own = {kind: getattr(settings.mix, kind.removeprefix(PAIR)) for kind in kinds}
    pairs = sum(share for kind, share in own.items() if kind.startswith(PAIR))
    if not pairs:
        return list(own.values())
    total = sum(own.values()) - pairs
    return [
        share / pairs * settings.pair_share if kind.startswith(PAIR) else share / total * (1 - settings.pair_share)
        for kind, share in own.items()
    ]


def train_language_model(
    model: Qwen2_5_VLForConditionalGeneration,
    texts: Mapping[str, Texts],
    features: torch.Tensor,
    grid: torch.Tensor,
    held_out: HeldOutQuestions,
    settings: Pretraining,
    generator: torch.Generator,
) -> tuple[int, float]:
    """Train the language model on cached visual features; the vision tower is not changed.

    Args:
        features: shape `(scenes, visual tokens, hidden)`.
        grid: `image_grid_thw` of any one image, shape `(1, 3)`: all images have the same size.
        held_out: the learning rate falls once the model answers enough of these right, and training ends then.

    Returns:
        The number of steps, and the accuracy on `held_out` after the last one.
    """
    started = time.perf_counter()
    parameters = list(model.model.language_model.parameters())
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.lm_learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay
    )
    shares = torch.tensor(_shares(texts, settings))
    kinds = torch.multinomial(shares, settings.lm_max_steps, replacement=True, generator=generator).tolist()
    positions = {
        kind: rope_positions(model, batch.ids, grid.repeat(batch.scene.shape[1], 1)) for kind, batch in texts.items()
    }
    progress = tqdm([list(texts)[kind] for kind in kinds], desc="language model", mininterval=2)
    losses: dict[str, float] = {}
    end = settings.lm_max_steps
    model.train()
    for step, kind in enumerate(progress):
        if step == end:
            break
        if step and step % settings.lm_eval_steps == 0 and step < end - settings.lm_decay_steps:
            accuracy = held_out.accuracy(model)
            log.info("step %d: %.3f of the held-out questions are answered right", step, accuracy)
            if accuracy >= settings.lm_target_accuracy:
                progress.total = end = step + settings.lm_decay_steps
        for group in optimizer.param_groups:
            group["lr"] = settings.lm_learning_rate * trapezoid(step, end, settings.lm_decay_steps)
        rows = torch.randint(len(texts[kind].ids), (settings.lm_batch_size,), generator=generator)
        logits, true, _ = predictions(model, texts[kind], rows, features, positions[kind])
        loss = F.cross_entropy(logits, true)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses[kind] = 0.9 * losses.get(kind, loss.item()) + 0.1 * loss.item()
        progress.set_postfix({kind: f"{value:.3f}" for kind, value in losses.items()}, refresh=False)
    accuracy = held_out.accuracy(model)
    log.info(
        "language model trained in %d steps, %.1f s; %.3f of the held-out questions are answered right; loss %s",
        end,
        time.perf_counter() - started,
        accuracy,
        losses,
    )
    return end, accuracy


def cosine(step: int, steps: int, warmup: int = 20, floor: float = 0.05) -> float:
    """Factor of the learning rate: linear warm-up, then half a cosine down to `floor`."""
    return min(1.0, (step + 1) / warmup) * (0.5 * (1 + math.cos(math.pi * step / steps)) + floor)


def trapezoid(step: int, end: int, decay_steps: int, warmup: int = 30, floor: float = 0.03) -> float:
    """Factor of the learning rate: linear warm-up, flat, linear decay over the last ``decay_steps`` down to `floor`."""
    return min(1.0, (step + 1) / warmup) * min(1.0, max(floor, (end - step) / decay_steps))
