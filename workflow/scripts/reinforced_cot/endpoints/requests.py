"""Many requests to one endpoint at once, each reply stored as it comes."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tqdm import tqdm

from reinforced_cot.endpoints.reply_store import Reply, ReplyStore
from reinforced_cot.endpoints.settings import Endpoint
from reinforced_cot.endpoints.spending import Spent
from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)

_TRANSIENT = (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError, openai.ConflictError)
_REFUSED_FIRST = 5  # requests that a server refuses before it has accepted any: then it is the settings' fault
_LONGEST_WAIT = 60.0  # seconds between two tries


class MalformedReply(Exception):
    """A reply without a text."""


class Request(NamedTuple):
    """One request.

    Attributes:
        key: of what is asked (`reply_store.key_of`).
        about: what is asked, for people who read the stored replies.
        body: makes the arguments of a chat completion, with the model's name. Images are read when it is sent.
    """

    key: str
    body: Callable[[], dict[str, Any]]
    about: Mapping[str, str] = MappingProxyType({})


def key_in_environment(endpoint: Endpoint, place: str) -> str:
    """The key of an endpoint.

    Args:
        place: of the endpoint's settings in the configuration, such as ``chains.teacher``.

    Raises:
        PipelineError: the environment has no such variable.
    """
    name = endpoint.key_env
    if name is None:
        return "none"  # a server of one's own asks for none, and the client needs some text
    if key := os.environ.get(name):
        return key
    raise PipelineError(f"the environment has no {name}, which `{place}.key_env` names: export it where the job runs")


class Asking:
    """Requests to one endpoint.

    Args:
        place: of the endpoint's settings in the configuration, for messages.
        model: the name of the model, for messages.
        store: gets each reply.
        spent: counts them, also those of earlier calls.
        keeps_failures: whether a request that fails in all its tries is stored as refused; otherwise it ends the run.
        is_shown: whether there is a progress bar.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        place: str,
        model: str,
        store: ReplyStore,
        spent: Spent,
        keeps_failures: bool = False,
        is_shown: bool = True,
    ) -> None:
        self._endpoint, self._place, self._model = endpoint, place, model
        self._store, self._spent = store, spent
        self._keeps_failures, self._is_shown = keeps_failures, is_shown
        self._next = 0.0  # when the next request may start
        self._under_way = 0
        self._failure = ""

    async def run(self, requests: Sequence[Request]) -> None:
        """Ask all; after a failure, those under way are awaited and stored, and no other one is begun.

        Raises:
            PipelineError: there is no key, the endpoint refuses it, knows no such model, cannot be reached or refuses
                every request; or a bound of the settings is reached. What was asked is kept.
        """
        waiting, self._failure = iter(requests), ""
        bar = tqdm(
            total=len(requests), desc=f"ask {self._model}", unit=" requests", mininterval=1, disable=not self._is_shown
        )
        with bar:
            async with self._client() as client:
                workers = min(self._endpoint.concurrency, len(requests))
                await asyncio.gather(*(self._work(client, waiting, bar) for _ in range(workers)))
        if self._failure:
            raise PipelineError(f"{self._failure} ({self._spent.in_words(self._endpoint)}; every reply is kept)")

    async def check_reachable(self) -> None:
        """See that the server can be reached and takes the key; one that lists no models is taken as it is.

        Raises:
            PipelineError: it cannot be reached, or refuses the key.
        """
        async with self._client() as client:
            try:
                async for attempt in self._tries():
                    with attempt:
                        await client.models.list()
            except openai.AuthenticationError:
                raise PipelineError(self._refused_key()) from None
            except openai.APIConnectionError as error:
                raise PipelineError(self._gave_up(error)) from None
            except openai.OpenAIError:
                return

    def _client(self) -> openai.AsyncOpenAI:
        key = key_in_environment(self._endpoint, self._place)
        return openai.AsyncOpenAI(
            base_url=self._endpoint.url, api_key=key, max_retries=0, timeout=self._endpoint.timeout
        )

    async def _work(self, client: openai.AsyncOpenAI, waiting: Iterator[Request], bar: "tqdm[Any]") -> None:
        """Ask one request after the other, until none is left or any worker has failed."""
        for request in waiting:
            try:
                self._check_limits()
                self._under_way += 1
                try:
                    reply = await self._reply(client, request)
                finally:
                    self._under_way -= 1
                self._store.add(request.key, reply, request.about)
                self._spent.add(reply)
                if not self._spent.accepted and len(self._spent.refused) >= _REFUSED_FIRST:
                    raise PipelineError(f"{self._endpoint.url} refuses every request: {self._spent.refused[-1]}")
                bar.update()
            except PipelineError as error:
                self._failure = self._failure or str(error)
            if self._failure:
                return

    def _check_limits(self) -> None:
        endpoint, spent = self._endpoint, self._spent
        if endpoint.max_requests is not None and spent.requests + self._under_way >= endpoint.max_requests:
            raise PipelineError(f"{self._place}.max_requests ({endpoint.max_requests}) is reached: raise it to ask on")
        if endpoint.max_cost is not None and spent.cost(endpoint) >= endpoint.max_cost:
            raise PipelineError(f"{self._place}.max_cost ({endpoint.max_cost:g}) is reached: raise it to ask on")

    async def _reply(self, client: openai.AsyncOpenAI, request: Request) -> Reply:
        """The reply to one request, tried again where the server is busy or fails for a moment."""
        try:
            async for attempt in self._tries():
                with attempt:
                    await self._wait_for_turn()
                    return await self._ask_once(client, request)
        except openai.AuthenticationError:
            raise PipelineError(self._refused_key()) from None
        except openai.PermissionDeniedError as error:
            raise PipelineError(f"{self._refused_key()} ({_said(error)})") from None
        except openai.NotFoundError as error:
            raise PipelineError(await self._unknown_model(client, error)) from None
        except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
            return Reply("", problem=_said(error))
        except (*_TRANSIENT, MalformedReply) as error:
            if self._keeps_failures:
                log.warning("%s", self._gave_up(error))
                return Reply("", problem=self._gave_up(error))
            raise PipelineError(self._gave_up(error)) from None
        except openai.APIStatusError as error:
            raise PipelineError(
                f"{self._endpoint.url} answers with status {error.status_code}: {_said(error)}"
            ) from None
        raise AssertionError("a retry ends with a result or an exception")

    def _tries(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type((*_TRANSIENT, MalformedReply)),
            wait=_wait,
            stop=stop_after_attempt(self._endpoint.tries),
            reraise=True,
        )

    async def _wait_for_turn(self) -> None:
        """Keep to the settings' rate."""
        if self._endpoint.requests_per_minute is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + 60 / self._endpoint.requests_per_minute
        await asyncio.sleep(start - now)

    async def _ask_once(self, client: openai.AsyncOpenAI, request: Request) -> Reply:
        try:
            said = await client.chat.completions.create(**request.body())
        except ValueError as error:  # no JSON
            raise MalformedReply(f"no JSON: {error}") from None
        choices = getattr(said, "choices", None) or []
        text = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
        if not isinstance(text, str):
            raise MalformedReply("a reply without a text")
        usage = getattr(said, "usage", None)
        counts = (getattr(usage, "prompt_tokens", 0) or 0, getattr(usage, "completion_tokens", 0) or 0)
        return Reply(text, "", *counts)

    def _refused_key(self) -> str:
        name = self._endpoint.key_env
        named = f"the key in {name}" if name else "a request without a key; name its variable as key_env"
        return f"{self._endpoint.url} refuses {named}"

    async def _unknown_model(self, client: openai.AsyncOpenAI, error: openai.NotFoundError) -> str:
        try:
            known = [model.id async for model in client.models.list()]
        except openai.OpenAIError:
            known = [self._model]
        if self._model in known:
            return f"{self._endpoint.url}/chat/completions does not exist ({_said(error)}): most urls end in /v1"
        return f"{self._endpoint.url} knows no model {self._model}; it has {', '.join(known[:8]) or 'none'}"

    def _gave_up(self, error: Exception) -> str:
        tries = f"{self._endpoint.tries} tries"
        if isinstance(error, openai.APITimeoutError):
            return f"{self._endpoint.url} has not answered within {self._endpoint.timeout:g} s (timeout) in {tries}"
        if isinstance(error, openai.APIConnectionError):
            return (
                f"{self._endpoint.url} cannot be reached in {tries} ({error.__cause__ or error}): does the server run?"
            )
        return f"{self._endpoint.url} fails in {tries}: {_said(error)}"


def _wait(state: RetryCallState) -> float:
    """What the server asks for, else a random time that grows with each try."""
    error = state.outcome.exception() if state.outcome else None
    response = getattr(error, "response", None)
    try:
        return min(float(response.headers["retry-after"]), _LONGEST_WAIT)  # type: ignore[union-attr]
    except (AttributeError, KeyError, ValueError):
        return float(wait_random_exponential(multiplier=0.5, max=_LONGEST_WAIT)(state))


def _said(error: Exception) -> str:
    body = getattr(error, "body", None)
    message = body.get("message") if isinstance(body, dict) else None
    return " ".join(str(message or error).split())[:300]
