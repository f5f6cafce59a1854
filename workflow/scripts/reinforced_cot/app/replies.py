"""The policies' replies: each model is loaded once, when it is first asked, and answers one question at a time."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from reinforced_cot.data.images import EncodedImage
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.asked_policy import AskedPolicy

if TYPE_CHECKING:
    from reinforced_cot.generation.one_question import LoadedPolicy

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """What a policy says.

    Attributes:
        chain: the chain of thought; the whole text where it is malformed.
        answer: None where the text is malformed.
        problem: what is wrong with the text, or why there is none; else empty.
    """

    chain: str
    answer: str | None = None
    problem: str = ""


class Replies:
    """Asks policies, in whatever thread."""

    def __init__(self, policies: Mapping[str, AskedPolicy]) -> None:
        self._policies = policies
        self._loaded: dict[str, LoadedPolicy] = {}
        self._lock = Lock()

    def reply(self, name: str, question: str, images: Sequence[EncodedImage]) -> Reply:
        """The reply of a policy. No failure of one ends the page: it becomes a reply without an answer."""
        try:
            with self._lock:
                completion = self._policy(name).answered(question, images)
        except PipelineError as error:
            return Reply("", problem=str(error))
        except Exception as error:  # such as memory that does not suffice
            log.exception("%s could not be asked", name)
            first = (str(error).splitlines() or [""])[0]
            return Reply("", problem=f"{type(error).__name__}: {first} (the terminal shows more)")
        parsed = parse_completion(completion.text)
        if parsed.think is not None:
            return Reply(parsed.think, parsed.answer)
        limit = self._policies[name].settings.answer.max_new_tokens
        cut_off = f", cut off after {limit} tokens" if completion.truncated else ""
        return Reply(completion.text, problem=f"malformed: {parsed.problem}{cut_off}")

    def _policy(self, name: str) -> "LoadedPolicy":
        from reinforced_cot.generation.one_question import LoadedPolicy

        if name not in self._loaded:
            self._loaded[name] = LoadedPolicy(self._policies[name])
        return self._loaded[name]
