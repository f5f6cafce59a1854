"""A larger model behind an endpoint writes chains: every question is asked, and every reply is kept."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from reinforced_cot.chains.settings import TeacherSettings
from reinforced_cot.data.examples import Example
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.endpoints.reply_store import ReplyStore, key_of
from reinforced_cot.endpoints.requests import Asking, Request
from reinforced_cot.endpoints.shown_images import with_images
from reinforced_cot.endpoints.spending import Spent
from reinforced_cot.seeds import mixed, subset

log = logging.getLogger(__name__)


class _Job(NamedTuple):
    """One request, and the id of its question."""

    id: str
    request: Request


def _jobs_of(settings: TeacherSettings, examples: Sequence[Example], data: Path) -> Iterator[_Job]:
    """Every request of a set, in the order of the questions."""
    teacher = settings.teacher
    prompt = Prompt(system=teacher.prompt, instruction=settings.instruction)
    contents: dict[str, str] = {}
    for example in examples:
        for image in example.images:
            if image not in contents:
                contents[image] = sha256((data / image).read_bytes()).hexdigest()
        messages = prompt_messages(example.question, len(example.images), prompt)
        for sample in range(teacher.samples):
            sampling = {
                "model": teacher.model,
                "temperature": teacher.temperature,
                "max_tokens": teacher.max_tokens,
                # Of the question and not of the run's seed: another run that asks the same pays nothing.
                "seed": mixed(0, "teacher", example.question, *example.images, sample) % 2**31,
            }
            key = key_of({**sampling, "messages": messages, "images": [contents[image] for image in example.images]})
            files = [data / image for image in example.images]

            def body(
                sampling: dict[str, Any] = sampling,
                messages: list[dict[str, Any]] = messages,
                files: list[Path] = files,
            ) -> dict[str, Any]:
                return {**sampling, "messages": with_images(messages, files)}

            yield _Job(example.id, Request(key, body, {"question": example.id}))


def ask_teacher(
    settings: TeacherSettings, examples: Sequence[Example], data: Path, store: ReplyStore
) -> tuple[dict[str, list[str]], Spent]:
    """Ask the teacher what the store has no reply to. With ``preview``, only some of the questions are asked.

    Returns:
        The replies to each question, by its id, and what they have cost.

    Raises:
        PipelineError: as `Asking.run`.
    """
    teacher = settings.teacher
    chosen = subset(examples, teacher.preview, settings.seed)
    jobs = list(_jobs_of(settings, chosen, data))
    different = {job.request.key: job.request for job in jobs}  # two records may ask the same
    spent, missing = Spent(), []
    for key, request in different.items():
        if reply := store.get(key):
            spent.add(reply)
        else:
            missing.append(request)
    if missing:
        log.info("%d of %d requests are stored", len(different) - len(missing), len(different))
        asyncio.run(Asking(teacher, f"chains.{settings.name}", teacher.model, store, spent).run(missing))
    replies: dict[str, list[str]] = {}
    for job in jobs:
        reply = store.get(job.request.key)
        replies.setdefault(job.id, []).append(reply.text if reply else "")
    log.info("%s: %s", teacher.model, spent.in_words(teacher))
    return replies, spent
