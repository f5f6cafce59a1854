"""Chains by a user's own function, which gets a record."""

from collections.abc import Mapping, Sequence
from typing import Any

from reinforced_cot.chains.settings import KIND
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example, as_row
from reinforced_cot.errors import DataError
from reinforced_cot.own_code import imported, raised


def own_completions(name: str, examples: Sequence[Example]) -> Mapping[str, Sequence[str]]:
    """What the function ``module:function`` writes of each record, with the record's answer behind it, by the id.

    The function gets a mapping with the keys of ``data/train.jsonl``.

    Raises:
        PipelineError: it cannot be imported.
        DataError: it raises an exception, or returns neither a text, nor a list of texts, nor None.
    """
    function = imported(name, KIND)
    return {example.id: _completions(name, function, example) for example in examples}


def _completions(name: str, function: Any, example: Example) -> list[str]:
    try:
        found = function(as_row(example))
    except (Exception, SystemExit) as error:
        raise DataError(f"{KIND} {name}, question {example.id}: {raised(error)}") from error
    chains = [found] if isinstance(found, str) else found or []
    if not isinstance(chains, list) or not all(isinstance(chain, str) for chain in chains):
        raise DataError(
            f"{KIND} {name}, question {example.id}: must return a text, a list of texts or None, not {found!r:.100}"
        )
    return [completion_text(chain, example.answer) for chain in chains]
