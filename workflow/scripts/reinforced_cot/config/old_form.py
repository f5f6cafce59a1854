"""Configuration files in the form before policies became a graph: refused, with the same file in the present form."""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

_GQA = ("gqa_questions", "gqa_choices")


def is_old_form(content: Mapping[str, Any]) -> bool:
    """Whether a file's content has keys of the old form."""
    launch = content.get("launch")
    return (
        not {"sft", "rl", "evaluation"}.isdisjoint(content)
        or isinstance(content.get("policies"), list)
        or (isinstance(launch, Mapping) and not {"rl", "evaluate"}.isdisjoint(launch))
    )


def in_new_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file in the old form, as the present form says it.

    ``sft`` and the entries of ``rl`` become policies; ``policies``, a list, becomes ``report``; ``evaluation`` becomes
    ``answer`` and ``evaluate``; ``launch.rl`` and ``launch.evaluate`` become ``launch.grpo`` and ``launch.answer``.
    """
    old = copy.deepcopy(dict(content))
    new: dict[str, Any] = {}
    for key, value in old.items():
        if key == "policies" and isinstance(value, list):
            new["report"] = ["base", "sft", *value]
        elif key == "sft":
            _add(new, "policies", {"sft": {"method": "sft", "from": "base", **(value or {})}})
        elif key == "rl":
            selection = (old.get("sft") or {}).get("selection")
            _add(new, "policies", {name: _rl_policy(settings, selection) for name, settings in (value or {}).items()})
        elif key == "evaluation":
            for name, setting in (value or {}).items():
                _add(new, "evaluate" if name in _GQA else "answer", {name: setting})
        elif key == "launch" and isinstance(value, Mapping):
            new["launch"] = {
                {"rl": "grpo", "evaluate": "answer"}.get(stage, stage): job for stage, job in value.items()
            }
        elif isinstance(new.get(key), dict) and isinstance(value, dict):
            _add(new, key, value)
        else:
            new[key] = value
    return new


def refusal(path: str, content: Mapping[str, Any]) -> str:
    """The message that refuses a file in the old form and shows the same file in the present one."""
    text = yaml.dump(in_new_form(content), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=120)
    return (
        f"{path} is in the form that was used before `policies` became a graph. The same file in the present form:\n\n"
        f"{text}"
    )


def _rl_policy(settings: Any, selection: Any) -> Any:
    """An entry of ``rl``. A policy that is ``like`` another has its method and origin from there; the merge of an
    adapter of a quantized base asked the questions of SFT's selection.
    """
    if not isinstance(settings, Mapping):
        return settings
    asked = {"selection": selection} if settings.get("quantization") and selection else {}
    origin = {} if "like" in settings else {"method": "grpo", "from": "sft"}
    return {**origin, **settings, **asked}


def _add(new: dict[str, Any], key: str, entries: Mapping[str, Any]) -> None:
    new[key] = {**new.get(key, {}), **entries}


class _Writer(yaml.SafeDumper):
    """Writes numbers as YAML reads them back, and what stands twice twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
