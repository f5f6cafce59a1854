"""A larger model behind an OpenAI-compatible endpoint writes chains: many requests at once, each stored as it comes."""

import asyncio
import base64
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tqdm import tqdm

from reinforced_cot.chains.reply_store import Reply, ReplyStore, key_of
from reinforced_cot.chains.settings import TeacherSettings
from reinforced_cot.data.examples import Example
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import PipelineError
from reinforced_cot.seeds import mixed, subset

log = logging.getLogger(__name__)

_TRANSIENT = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError, openai.ConflictError)
_REFUSED_FIRST = 5  # requests that a server refuses before it has accepted any: then it is the settings' fault
_LONGEST_WAIT = 60.0  # seconds between two tries


class MalformedReply(Exception):
    """A reply without a text."""


class Job(NamedTuple):
    """One request: the question's id, and what is sent but for the images' contents."""

    id: str
    key: str
    example: Example
    seed: int


@dataclass
class Spent:
    """What a set has cost so far, over all calls."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    accepted: int = 0
    refused: list[str] = field(default_factory=list)

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.requests += 1
        self.input_tokens += reply.input_tokens
        self.output_tokens += reply.output_tokens
        if reply.problem:
            self.refused.append(reply.problem)
        else:
            self.accepted += 1

    def cost(self, settings: TeacherSettings) -> float:
        """In the currency of ``price``."""
        price = settings.teacher.price
        return (self.input_tokens * price.input + self.output_tokens * price.output) / 1e6 if price else 0.0

    def as_dict(self, settings: TeacherSettings) -> dict[str, Any]:
        """The same as numbers; ``cost`` is None without a price."""
        return {
            "requests": self.requests,
            "refused": len(self.refused),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost(settings) if settings.teacher.price else None,
        }

    def in_words(self, settings: TeacherSettings) -> str:
        """Requests, tokens and cost."""
        cost = f", cost {self.cost(settings):.4g}" if settings.teacher.price else ""
        return f"{self.requests:,} requests, {self.input_tokens:,} tokens in and {self.output_tokens:,} out{cost}"


def jobs_of(settings: TeacherSettings, examples: Sequence[Example], data: Path) -> Iterator[Job]:
    """Every request of a set, in the order of the questions."""
    teacher = settings.teacher
    contents: dict[str, str] = {}
    for example in examples:
        for image in example.images:
            if image not in contents:
                contents[image] = sha256((data / image).read_bytes()).hexdigest()
        for sample in range(teacher.samples):
            # Of the question and not of the run's seed: another run that asks the same pays nothing.
            seed = mixed(0, "teacher", example.question, *example.images, sample) % 2**31
            asked = {
                "model": teacher.model,
                "messages": prompt_messages(example.question, len(example.images), _prompt(settings)),
                "images": [contents[image] for image in example.images],
                "temperature": teacher.temperature,
                "max_tokens": teacher.max_tokens,
                "seed": seed,
            }
            yield Job(example.id, key_of(asked), example, seed)


def ask_teacher(
    settings: TeacherSettings, examples: Sequence[Example], data: Path, store: ReplyStore
) -> tuple[dict[str, list[str]], Spent]:
    """Ask the teacher what the store has no reply to. With ``preview``, only some of the questions are asked.

    Returns:
        The replies to each question, by its id, and what they have cost.

    Raises:
        PipelineError: there is no key, the endpoint refuses it, knows no such model, cannot be reached or refuses every
            request; or a bound of the settings is reached. What was asked is kept.
    """
    chosen = subset(examples, settings.teacher.preview, settings.seed)
    jobs = list(jobs_of(settings, chosen, data))
    different = {job.key: job for job in jobs}  # two records may ask the same
    spent, missing = Spent(), []
    for key, job in different.items():
        if reply := store.get(key):
            spent.add(reply)
        else:
            missing.append(job)
    if missing:
        log.info("%d of %d requests are stored", len(different) - len(missing), len(different))
        asyncio.run(_Asking(settings, data, store, spent).run(missing))
    replies: dict[str, list[str]] = {}
    for job in jobs:
        reply = store.get(job.key)
        replies.setdefault(job.id, []).append(reply.text if reply else "")
    log.info("%s: %s", settings.teacher.model, spent.in_words(settings))
    return replies, spent


def _prompt(settings: TeacherSettings) -> Prompt:
    return Prompt(system=settings.teacher.prompt, instruction=settings.instruction)


class _Asking:
    """The requests under way."""

    def __init__(self, settings: TeacherSettings, data: Path, store: ReplyStore, spent: Spent) -> None:
        self._settings, self._teacher, self._data, self._store, self._spent = (
            settings,
            settings.teacher,
            data,
            store,
            spent,
        )
        self._next = 0.0  # when the next request may start
        self._under_way = 0
        self._failure = ""

    async def run(self, jobs: Sequence[Job]) -> None:
        """Ask all; after a failure, those under way are awaited and stored, and no other one is begun."""
        client = openai.AsyncOpenAI(
            base_url=self._teacher.url, api_key=self._key(), max_retries=0, timeout=self._teacher.timeout
        )
        waiting = iter(jobs)
        bar = tqdm(total=len(jobs), desc=f"ask {self._teacher.model}", unit=" requests", mininterval=1)
        with bar:
            async with client:
                workers = min(self._teacher.concurrency, len(jobs))
                await asyncio.gather(*(self._work(client, waiting, bar) for _ in range(workers)))
        if self._failure:
            raise PipelineError(f"{self._failure} ({self._spent.in_words(self._settings)}; every reply is kept)")

    async def _work(self, client: openai.AsyncOpenAI, waiting: Iterator[Job], bar: "tqdm[Any]") -> None:
        """Ask one request after the other, until none is left or any worker has failed."""
        for job in waiting:
            try:
                self._check_limits()
                self._under_way += 1
                try:
                    reply = await self._reply(client, job)
                finally:
                    self._under_way -= 1
                self._store.add(job.key, reply)
                self._spent.add(reply)
                if not self._spent.accepted and len(self._spent.refused) >= _REFUSED_FIRST:
                    raise PipelineError(f"{self._teacher.url} refuses every request: {self._spent.refused[-1]}")
                bar.update()
            except PipelineError as error:
                self._failure = self._failure or str(error)
            if self._failure:
                return

    def _check_limits(self) -> None:
        teacher, spent = self._teacher, self._spent
        key = f"chains.{self._settings.name}"
        if teacher.max_requests is not None and spent.requests + self._under_way >= teacher.max_requests:
            raise PipelineError(f"{key}.max_requests ({teacher.max_requests}) is reached: raise it to ask on")
        if teacher.max_cost is not None and spent.cost(self._settings) >= teacher.max_cost:
            raise PipelineError(f"{key}.max_cost ({teacher.max_cost:g}) is reached: raise it to ask on")

    async def _reply(self, client: openai.AsyncOpenAI, job: Job) -> Reply:
        """The reply to one request, tried again where the server is busy or fails for a moment."""
        try:
            async for attempt in self._tries():
                with attempt:
                    await self._wait_for_turn()
                    return await self._ask_once(client, job)
        except openai.AuthenticationError:
            raise PipelineError(self._refused_key()) from None
        except openai.PermissionDeniedError as error:
            raise PipelineError(f"{self._refused_key()} ({_said(error)})") from None
        except openai.NotFoundError as error:
            raise PipelineError(await self._unknown_model(client, error)) from None
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Reply("", problem=_said(error))
        except (*_TRANSIENT, MalformedReply) as error:
            raise PipelineError(self._gave_up(error)) from None
        except openai.APIStatusError as error:
            raise PipelineError(
                f"{self._teacher.url} answers with status {error.status_code}: {_said(error)}"
            ) from None
        raise AssertionError("a retry ends with a result or an exception")

    def _tries(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type((*_TRANSIENT, MalformedReply)),
            wait=_wait,
            stop=stop_after_attempt(self._teacher.tries),
            reraise=True,
        )

    async def _wait_for_turn(self) -> None:
        """Keep to the settings' rate."""
        if self._teacher.requests_per_minute is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + 60 / self._teacher.requests_per_minute
        await asyncio.sleep(start - now)

    async def _ask_once(self, client: openai.AsyncOpenAI, job: Job) -> Reply:
        teacher = self._teacher
        try:
            said = await client.chat.completions.create(
                model=teacher.model,
                messages=_with_images(job.example, self._data, _prompt(self._settings)),
                temperature=teacher.temperature,
                max_tokens=teacher.max_tokens,
                seed=job.seed,
            )
        except ValueError as error:  # no JSON
            raise MalformedReply(f"no JSON: {error}") from None
        choices = getattr(said, "choices", None) or []
        text = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
        if not isinstance(text, str):
            raise MalformedReply("a reply without a text")
        usage = getattr(said, "usage", None)
        counts = (getattr(usage, "prompt_tokens", 0) or 0, getattr(usage, "completion_tokens", 0) or 0)
        return Reply(text, "", *counts)

    def _key(self) -> str:
        name = self._teacher.key_env
        if name is None:
            return "none"  # a server of one's own asks for none, and the client needs some text
        if key := os.environ.get(name):
            return key
        key = f"chains.{self._settings.name}.key_env"
        raise PipelineError(f"the environment has no {name}, which `{key}` names: export it where the job runs")

    def _refused_key(self) -> str:
        name = self._teacher.key_env
        named = f"the key in {name}" if name else "a request without a key; name its variable as key_env"
        return f"{self._teacher.url} refuses {named}"

    async def _unknown_model(self, client: openai.AsyncOpenAI, error: openai.NotFoundError) -> str:
        try:
            known = [model.id async for model in client.models.list()]
        except openai.OpenAIError:
            return f"{self._teacher.url} has no chat completions of {self._teacher.model}: {_said(error)}"
        return f"{self._teacher.url} knows no model {self._teacher.model}; it has {', '.join(known[:8]) or 'none'}"

    def _gave_up(self, error: Exception) -> str:
        tries = f"{self._teacher.tries} tries"
        if isinstance(error, openai.APITimeoutError):
            return f"{self._teacher.url} has not answered within {self._teacher.timeout:g} s (timeout) in {tries}"
        if isinstance(error, openai.APIConnectionError):
            return (
                f"{self._teacher.url} cannot be reached in {tries} ({error.__cause__ or error}): does the server run?"
            )
        return f"{self._teacher.url} fails in {tries}: {_said(error)}"


def _wait(state: RetryCallState) -> float:
    """What the server asks for, else a random time that grows with each try."""
    error = state.outcome.exception() if state.outcome else None
    response = getattr(error, "response", None)
    try:
        return min(float(response.headers["retry-after"]), _LONGEST_WAIT)  # type: ignore[union-attr]
    except (AttributeError, KeyError, ValueError):
        return float(wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)(state))


def _with_images(example: Example, data: Path, prompt: Prompt) -> Any:
    """The conversation with the images' contents in their places."""
    images = iter(example.images)
    messages = prompt_messages(example.question, len(example.images), prompt)
    for message in messages:
        message["content"] = [
            part if part["type"] == "text" else _shown(data / next(images)) for part in message["content"]
        ]
    return messages


def _shown(file: Path) -> dict[str, Any]:
    """The part of a message that is an image: its file, in base64."""
    kind = {".jpg": "jpeg"}.get(file.suffix.lower(), file.suffix[1:].lower())
    content = base64.b64encode(file.read_bytes()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{content}"}}


def _said(error: Exception) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error).split())[:300]
