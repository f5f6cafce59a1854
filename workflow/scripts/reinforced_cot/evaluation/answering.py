"""Asking a checkpoint questions: one greedy completion each, and what tells how much of it is looking and thinking."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from reinforced_cot.data.completions import ANSWER_OPEN, completion_text
from reinforced_cot.data.examples import Example
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

NO_CHAIN = completion_text("", "").partition(ANSWER_OPEN)[0] + ANSWER_OPEN + "\n"  # the answer comes next
DIRECT_TOKENS = 16  # as lmms-eval's GQA


class Pass(NamedTuple):
    """One way of asking: its name (a key of the predictions), the questions, what is shown with each (as `Batch` has
    it), and options of `generate_batch`.
    """

    name: str
    examples: Sequence[Example]
    images: Sequence[str | None]
    options: dict[str, Any]


def passes(settings: AnswerSettings, examples: Sequence[Example]) -> list[Pass]:
    """All ways in which the settings want the questions asked.

    Besides the greedy completion: samples at temperature 1, the answer without a chain, and the completions for a blank
    and for another question's image.
    """
    evaluation, seed = settings.answer, settings.seed
    tokens, own = {"max_new_tokens": evaluation.max_new_tokens}, [example.image for example in examples]
    found = [Pass("prediction_raw", examples, own, tokens)]
    if evaluation.samples:
        found.append(Pass("samples", examples, own, {**tokens, "samples": evaluation.samples, "seed": seed}))
    if evaluation.direct:
        found.append(Pass("direct_raw", examples, own, {"max_new_tokens": DIRECT_TOKENS, "begin": NO_CHAIN}))
    if probed := subset(examples, evaluation.probes, seed):
        found += [Pass(probe.key, probed, probe.images(probed, seed), tokens) for probe in IMAGE_PROBES.values()]
    return found


def answer(
    settings: AnswerSettings,
    examples: Sequence[Example],
    data: Path,
    model: Path,
    answers: AnswerLog,
    shard: int = 0,
    shards: int = 1,
) -> None:
    """Ask a checkpoint what nobody has asked yet, and log the answers.

    Args:
        data: the folder that the examples' images are relative to.
        model: a checkpoint folder.
        shard: which of ``shards`` processes this one is; each takes its part of the batches, which are always the same.

    Raises:
        DataError: a prompt is too long, or the checkpoint is damaged.
    """
    prompt, trusted, new_tokens = settings.prompt, settings.base_model.trust_remote_code, settings.answer.max_new_tokens
    processor = load_processor(model, trust_remote_code=trusted)
    lengths = prompt_lengths(processor, examples, data, prompt, context_length(model, trusted), new_tokens)
    done, units = answers.read().keys(), []
    budget = settings.answer.batch_size * (max(lengths) + new_tokens)
    for asked in passes(settings, examples):
        shown = [
            example if image is None else replace(example, image=image)
            for example, image in zip(asked.examples, asked.images, strict=True)
        ]
        begin = len(processor.tokenizer(asked.options.get("begin", ""), add_special_tokens=False)["input_ids"])
        further = begin + asked.options["max_new_tokens"]
        tokens = [length + further for length in unchecked_lengths(processor, shown, data, prompt)]
        units += [(asked, batch) for batch in batches_of_like_length(asked.examples, budget, tokens, asked.images)]
    left = [(asked, batch) for asked, batch in units[shard::shards] if (asked.name, batch.number) not in done]
    if not left:
        return
    check_checkpoint(model)
    engine = ENGINES[settings.answer.engine]
    if not engine.plans_memory:
        shapes = shapes_of(model, trust_remote_code=trusted)
        check_memory(answering_plan_of(settings, shapes, max(lengths)), shards)
    policy = engine.load(model, processor, settings, data)
    for asked, batch in tqdm(left, desc="answer", unit="batch", disable=shard != 0):
        started = time.perf_counter()
        found = policy.generate_batch(batch, **asked.options)
        answered = Answered(
            ids=[example.id for example in batch.examples],
            texts=[[completion.text for completion in completions] for completions in found],
            truncated=[[completion.truncated for completion in completions] for completions in found],
            seconds=time.perf_counter() - started,
        )
        answers.append(shard, asked.name, batch.number, answered)


def collect(settings: AnswerSettings, examples: Sequence[Example], answers: AnswerLog) -> list[Prediction]:
    """A row of `predictions.jsonl` for every question, unscored, in the order of ``examples``.

    Raises:
        DataError: a question has not been answered or one that was not asked has.
    """
    found = answers.read().items()
    rows = {example.id: unscored(example, "") for example in examples}
    for asked in passes(settings, examples):
        batches = [answered for (name, _), answered in found if name == asked.name]
        given = {
            id: (texts, truncated)
            for answered in batches
            for id, texts, truncated in zip(answered.ids, answered.texts, answered.truncated, strict=True)
        }
        if missing := given.keys() ^ {example.id for example in asked.examples}:
            raise DataError(f"{asked.name} of {min(missing)} was not answered as asked: give the command again")
        for id, (texts, truncated) in given.items():
            if asked.name == "samples":
                rows[id]["samples"] = texts
            else:
                rows[id][asked.name] = texts[0]
            if asked.name == "prediction_raw":
                rows[id]["truncated"] = truncated[0]
    return list(rows.values())


def timing(answers: AnswerLog) -> dict[str, float]:
    """How long answering took: seconds of all processes together, so that it does not matter how many there were."""
    found = answers.read().values()
    completions = sum(len(texts) for answered in found for texts in answered.texts)
    seconds = sum(answered.seconds for answered in found)
    return {
        "completions": completions,
        "process_seconds": seconds,
        "completions_per_process_second": completions / seconds,
    }
