"""Grades of a model behind an endpoint as a reward: every completion is asked about once, and every reply is kept."""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from reinforced_cot.data.examples import Example
from reinforced_cot.data.parsing import Parsed, parse_completion
from reinforced_cot.endpoints.reply_store import Reply, ReplyStore, key_of
from reinforced_cot.endpoints.requests import Asking, Request, key_in_environment
from reinforced_cot.endpoints.shown_images import with_images
from reinforced_cot.endpoints.spending import Spent
from reinforced_cot.errors import PipelineError
from reinforced_cot.processes import world_size
from reinforced_cot.scoring.judge_settings import FAILED, PLACE, PREFIX, Judge, endpoint_of, shared_by
from reinforced_cot.seeds import mixed

log = logging.getLogger(__name__)

# A line of its own: a judge may quote a grade that the policy has written for itself.
_SCORE = re.compile(
    r"^\W{0,4}score\W{0,4}[:=]\W{0,4}?([-+]?\d+(?:\.\d+)?)(?:\s?/\s?(\d+))?[\s*.]*$", re.IGNORECASE | re.MULTILINE
)
_ALONE = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)(?:\s?/\s?(\d+))?\s*\.?\s*")
_THOUGHT = re.compile(r".*</think>", re.DOTALL)
_MAX_CHARACTERS = 8_000  # of a chain that a judge is shown


def grade_in(reply: str, scale: tuple[float, float]) -> float | None:
    """The grade of a reply in 0..1: its last line ``Score: N``, or the number that it is alone; None without one.

    >>> grade_in("It looks at the cup.\\nScore: 8", (0, 10)), grade_in("7", (0, 10)), grade_in("11", (0, 10))
    (0.8, 0.7, None)
    """
    if "<think>" in reply and "</think>" not in reply:
        return None  # cut off while it thought
    said = _THOUGHT.sub("", reply)
    found = list(_SCORE.finditer(said)) or [alone for alone in [_ALONE.fullmatch(said)] if alone]
    if not found:
        return None
    value, (low, high) = float(found[-1][1]), scale
    if found[-1][2] and float(found[-1][2]) != high:
        return None  # on another scale
    return (value - low) / (high - low) if low <= value <= high else None


class EndpointJudge:
    """A reward that asks an endpoint; `reward_loading.checked` wraps it.

    Args:
        name: of the judge.
        judge: its settings, with their defaults.
        examples: the records that will be asked about.
        data: the folder that their images are relative to.
        file: where this process keeps replies; those in other files of the folder are read, too.

    Raises:
        PipelineError: there is no key, or the server cannot be reached or refuses it.
    """

    def __init__(self, name: str, judge: Judge, examples: Sequence[Example], data: Path, file: Path) -> None:
        self._place, self._judge, self._data = f"{PREFIX}{name}", judge, data
        self._records = {example.id: example for example in examples}
        self._contents: dict[str, str] = {}
        endpoint, model = shared_by(endpoint_of(judge), world_size()), str(judge.model)
        key_in_environment(endpoint, self._place)
        self._store = ReplyStore(file).__enter__()  # open as long as the process lives
        self._spent = Spent()
        for reply in self._store.spent:
            self._spent.add(reply)
        keeps = judge.on_failure != "error"
        self._asking = Asking(endpoint, self._place, model, self._store, self._spent, keeps, is_shown=False)
        asyncio.run(self._asking.check_reachable())

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """The grade of each completion in 0..1; 0 for a malformed one, which is not asked about."""
        parsed = [parse_completion(messages[-1]["content"]) for messages in completions]
        ids = columns["id"]
        requests = [
            self._request(one, self._records[id]) if one.well_formed else None
            for one, id in zip(parsed, ids, strict=True)
        ]
        missing = {asked.key: asked for asked in requests if asked and not self._is_answered(asked.key)}
        if missing:
            asyncio.run(self._asking.run(list(missing.values())))
            log.info("%s: %s", self._place, self._spent.in_words(endpoint_of(self._judge)))
        grades = [
            self._grade(self._store.get(asked.key), id) if asked else 0.0
            for asked, id in zip(requests, ids, strict=True)
        ]
        self._tell_failures(requests, columns.get("log_metric"))
        return grades

    def _tell_failures(
        self, requests: Sequence[Request | None], log_metric: Callable[[str, float], None] | None
    ) -> None:
        """Log the share of grades that failed: with ``on_failure`` as a number, nothing else would show it."""
        replies = [self._store.get(asked.key) for asked in requests if asked]
        failed = sum(reply is None or self._grade_of(reply) is None for reply in replies)
        if log_metric:
            log_metric(f"{self._place}/{FAILED}", failed / len(replies) if replies else 0.0)
        if failed and 2 * failed >= len(replies):
            log.warning("%s: %d of %d replies have no grade, and earn on_failure", self._place, failed, len(replies))

    def _is_answered(self, key: str) -> bool:
        """Whether a request need not be sent; where a failure ends the run, one that is stored is tried again."""
        reply = self._store.get(key)
        return reply is not None and (self._judge.on_failure != "error" or self._grade_of(reply) is not None)

    def _grade_of(self, reply: Reply) -> float | None:
        assert self._judge.scale is not None
        return None if reply.problem else grade_in(reply.text, self._judge.scale)

    def _grade(self, reply: Reply | None, id: str) -> float:
        judge = self._judge
        assert reply is not None and judge.scale is not None
        grade = self._grade_of(reply)
        if grade is not None:
            return grade
        if isinstance(judge.on_failure, float | int):
            return float(judge.on_failure)
        said = f"gives no reply: {reply.problem}" if reply.problem else f"replies {reply.text[:200]!r}"
        raise PipelineError(
            f"{self._place}: {judge.model} {said} (question {id}); a grade from {judge.scale[0]:g} to "
            f"{judge.scale[1]:g} is wanted: ask for it in {self._place}.prompt, or say in {self._place}.on_failure "
            "which reward such completions get"
        )

    def _request(self, parsed: Parsed, example: Example) -> Request:
        judge = self._judge
        images = list(example.images) if judge.shows_image else []
        for image in images:
            if image not in self._contents:
                self._contents[image] = sha256((self._data / image).read_bytes()).hexdigest()
        values = {
            "question": example.question_text,
            "truth": example.answer,
            "chain": _without_marks(str(parsed.think)[:_MAX_CHARACTERS]),
            "answer": _without_marks(str(parsed.answer)),
        }
        text = PLACE.sub(lambda place: values.get(place[1], place[0]), str(judge.prompt))
        content: list[dict[str, str]] = [*[{"type": "image"}] * len(images), {"type": "text", "text": text}]
        messages: list[dict[str, Any]] = [{"role": "user", "content": content}]
        asked = {"model": judge.model, "temperature": judge.temperature, "max_tokens": judge.max_tokens}
        seed = mixed(0, "judge", text, *images) % 2**31
        key = key_of({**asked, "seed": seed, "messages": messages, "images": [self._contents[name] for name in images]})
        files = [self._data / name for name in images]
        about = {"question": example.id, "chain": values["chain"], "answer": values["answer"]}
        return Request(key, lambda: {**asked, "seed": seed, "messages": with_images(messages, files)}, about)


def _without_marks(text: str) -> str:
    """A student's text without the marks by which the prompt sets it apart."""
    return re.sub(r"</?\s*student[^>]*>", "", text, flags=re.IGNORECASE)


def reply_file(store: Path, name: str, output: Path, rank: int) -> Path:
    """Where a process keeps the replies of a judge: no two processes write to one file.

    >>> str(reply_file(Path("results/replies"), "grader", Path("results/seed_2/grpo"), 0))
    'results/replies/judges.grader/seed_2-grpo-0.jsonl'

    Args:
        store: the folder of all replies, beside which or below whose parent the policies' folders stand.
        output: the policy's folder.
    """
    writer = "-".join(output.absolute().relative_to(store.parent.absolute()).parts)
    return store / f"{PREFIX}{name}" / f"{writer}-{rank}.jsonl"


def endpoint_judges(
    judges: Mapping[str, Judge], examples: Sequence[Example], data: Path, store: Path, output: Path, rank: int
) -> dict[str, EndpointJudge]:
    """The judges behind endpoints, by the names of their rewards; arguments as above, errors as for `EndpointJudge`."""
    return {
        f"{PREFIX}{name}": EndpointJudge(name, judge, examples, data, reply_file(store, name, output, rank))
        for name, judge in judges.items()
        if judge.by == "endpoint"
    }
