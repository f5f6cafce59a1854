"""Asking a checkpoint questions: a greedy completion each, and passes that show how much image and chain contribute."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from reinforced_cot.data.completions import ANSWER_OPEN, completion_text
from reinforced_cot.data.examples import Example, ShownImages, most_images
from reinforced_cot.data.image_probes import IMAGE_PROBES
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.answer_log import Answered, AnswerLog
from reinforced_cot.generation.batching import batches_of_like_length
from reinforced_cot.generation.engines import ENGINES
from reinforced_cot.generation.rendering import prompt_lengths, unchecked_lengths
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.checkpoints import check_checkpoint, context_length
from reinforced_cot.models.processors import load_processor
from reinforced_cot.planning.answering_memory import answering_plan_of
from reinforced_cot.planning.model_shapes import shapes_of
from reinforced_cot.planning.stage_memory import check_memory
from reinforced_cot.scoring.prediction_rows import Prediction, unscored
from reinforced_cot.seeds import subset

log = logging.getLogger(__name__)

NO_CHAIN = completion_text("", "").partition(ANSWER_OPEN)[0] + ANSWER_OPEN + "\n"  # the answer comes next
DIRECT_TOKENS = 16  # as lmms-eval's GQA


SAMPLES = "samples"


class Pass(NamedTuple):
    """One way of asking: its name (a key of the predictions), the questions, the images shown with each (as in
    `Batch`), and options of `generate_batch`.
    """

    name: str
    examples: Sequence[Example]
    images: Sequence[ShownImages]
    options: dict[str, Any]


Ways = Callable[[AnswerSettings, Sequence[Example]], list[Pass]]


def passes(settings: AnswerSettings, examples: Sequence[Example]) -> list[Pass]:
    """All passes over the questions that the settings ask for.

    Besides the greedy completion: samples at temperature 1, the answer without a chain, and the completions for a blank
    image and for another question's image.
    """
    answering, seed = settings.answer, settings.seed
    tokens, images = {"max_new_tokens": answering.max_new_tokens}, [example.images for example in examples]
    result = [Pass("prediction_raw", examples, images, tokens)]
    if answering.samples:
        result.append(Pass(SAMPLES, examples, images, {**tokens, "samples": answering.samples, "seed": seed}))
    if answering.direct:
        result.append(Pass("direct_raw", examples, images, {"max_new_tokens": DIRECT_TOKENS, "begin": NO_CHAIN}))
    if probed := subset(examples, answering.probes, seed):
        result += [Pass(probe.key, probed, probe.images(probed, seed), tokens) for probe in IMAGE_PROBES.values()]
    return result


def sample_passes(settings: AnswerSettings, examples: Sequence[Example]) -> list[Pass]:
    """Samples at temperature 1 alone, as training questions are asked."""
    return [way for way in passes(settings, examples) if way.name == SAMPLES]


def answer(
    settings: AnswerSettings,
    examples: Sequence[Example],
    data: Path,
    model: Path,
    answers: AnswerLog,
    shard: int = 0,
    shards: int = 1,
    ways: Ways = passes,
) -> None:
    """Ask a checkpoint the batches that are not in the log yet, and log its answers.

    Args:
        ways: the passes that the questions are asked in.
        data: the folder that the examples' images are relative to.
        model: a checkpoint folder.
        shard: which of ``shards`` processes this one is; each takes its part of the batches, which do not depend on it.

    Raises:
        DataError: a prompt is too long, or the checkpoint is damaged.
    """
    prompt, trusted, new_tokens = settings.prompt, settings.base_model.trust_remote_code, settings.answer.max_new_tokens
    processor = load_processor(model, trust_remote_code=trusted)
    lengths = prompt_lengths(processor, examples, data, prompt, context_length(model, trusted), new_tokens)
    done, units = answers.read().keys(), []
    budget = settings.answer.batch_size * (max(lengths) + new_tokens)
    for way in ways(settings, examples):
        shown = [
            example if images is None else replace(example, images=images)
            for example, images in zip(way.examples, way.images, strict=True)
        ]
        begin = len(processor.tokenizer(way.options.get("begin", ""), add_special_tokens=False)["input_ids"])
        further = begin + way.options["max_new_tokens"]
        tokens = [length + further for length in unchecked_lengths(processor, shown, data, prompt)]
        units += [(way, batch) for batch in batches_of_like_length(way.examples, budget, tokens, way.images)]
    remaining = [(way, batch) for way, batch in units[shard::shards] if (way.name, batch.number) not in done]
    if done:
        log.info("%d batches were answered before, and %d are left", len(done), len(remaining))
    if not remaining:
        return
    check_checkpoint(model)
    engine = ENGINES[settings.answer.engine]
    if not engine.reserves_memory:
        check_memory(answering_plan_of(settings, shapes_of(model, settings.base_model), max(lengths)), shards)
    answering_model = engine.load(model, processor, settings, data, most_images(examples))
    for way, batch in tqdm(remaining, desc="answer", unit="batch", disable=shard != 0):
        started = time.perf_counter()
        by_question = answering_model.generate_batch(batch, **way.options)
        answered = Answered(
            ids=[example.id for example in batch.examples],
            texts=[[completion.text for completion in completions] for completions in by_question],
            truncated=[[completion.truncated for completion in completions] for completions in by_question],
            seconds=time.perf_counter() - started,
        )
        answers.append(shard, way.name, batch.number, answered)


def collect(settings: AnswerSettings, examples: Sequence[Example], answers: AnswerLog) -> list[Prediction]:
    """Make an unscored row of `predictions.jsonl` for every question, in the order of ``examples``.

    Raises:
        DataError: a question of a pass was not answered, or an answered question is not in the pass.
    """
    logged = answers.read()
    rows = {example.id: unscored(example, "") for example in examples}
    for way in passes(settings, examples):
        for id, (texts, truncated) in _by_id(way, logged).items():
            if way.name == SAMPLES:
                rows[id]["samples"] = texts
            else:
                rows[id][way.name] = texts[0]
            if way.name == "prediction_raw":
                rows[id]["truncated"] = truncated[0]
    return list(rows.values())


def collect_samples(settings: AnswerSettings, examples: Sequence[Example], answers: AnswerLog) -> list[dict[str, Any]]:
    """A row per question: its id, and its samples; errors as for `collect`."""
    (way,) = sample_passes(settings, examples)
    by_id = _by_id(way, answers.read())
    return [{"id": example.id, "samples": by_id[example.id][0]} for example in examples]


def _by_id(way: Pass, logged: Mapping[tuple[str, int], Answered]) -> dict[str, tuple[list[str], list[bool]]]:
    """What was answered in one pass: each question's texts, and whether they were cut off."""
    by_id = {
        id: (texts, truncated)
        for (name, _), answered in logged.items()
        if name == way.name
        for id, texts, truncated in zip(answered.ids, answered.texts, answered.truncated, strict=True)
    }
    if differing := by_id.keys() ^ {example.id for example in way.examples}:
        raise DataError(
            f"{way.name} of question {min(differing)} is missing, or not part of this pass: run the command again"
        )
    return by_id


def timing(answers: AnswerLog) -> dict[str, float]:
    """How long answering took: the seconds of all processes are added, so that their number does not matter."""
    logged = answers.read().values()
    completions = sum(len(texts) for answered in logged for texts in answered.texts)
    seconds = sum(answered.seconds for answered in logged)
    return {
        "completions": completions,
        "process_seconds": seconds,
        "completions_per_process_second": completions / seconds,
    }
