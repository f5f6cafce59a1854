"""The section ``push``: where a policy is uploaded to, and what its card says of its use."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from reinforced_cot.section import Section, Text

POLICY = "{policy}"
# As the hub allows it: letters, digits, `-`, `_` and `.`; no `--` or `..`, and no `-` or `.` at either end.
_PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?"
_REPOSITORY = re.compile(rf"{_PART}/(?!.*\.git$){_PART}", re.ASCII)
_LONGEST = 96  # characters of an id


def _is_repository(repo: str) -> str:
    name = repo.replace(POLICY, "grpo")
    if not _REPOSITORY.fullmatch(name) or len(name) > _LONGEST:
        raise PydanticCustomError(
            "explained",
            "a repository is named by owner and name, such as someone/thinker: letters, digits, -, _ and ., at most "
            "96 characters",
        )
    return repo


class Push(Section):
    """Where `snakemake results/<policy>/pushed.json` uploads a policy to; no other target uploads anything. The token
    comes from the environment variable `HF_TOKEN` alone.
    """

    repo: Annotated[str, AfterValidator(_is_repository)] | None = None
    """A model repository of the Hugging Face Hub, such as `someone/thinker-{policy}`, where `{policy}` stands for the
    policy's name. It is made if it is not there; what it holds is replaced.
    """

    private: bool = True
    """Whether a repository that is made is private; one that is there stays as it is."""

    license: Text | None = None
    """The licence in the model card, by the hub's name for it, such as `apache-2.0`; null for that of the base, where
    its card names one.
    """

    languages: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Languages in the model card, such as `en`; empty for those of the base."""

    def repository(self, policy: str) -> str:
        """The repository of a policy; empty where none is named."""
        return (self.repo or "").replace(POLICY, policy)
