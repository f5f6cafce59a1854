"""Configuration files in the form before policies became a graph: refused, with the same file in the present form."""

import copy
from collections.abc import Mapping
from typing import Any

import yaml

_GQA = ("gqa_questions", "gqa_choices")
OLD_KEYS = dict.fromkeys(
    ("sft", "rl", "evaluation"),
    "is a key of the form before `policies` became a graph: see docs/configuration.md",
)
_STAGES = {"rl": "grpo", "evaluate": "answer"}


def is_old_form(content: Mapping[str, Any]) -> bool:
    """Whether a file's content has keys of the old form; values of other types are left to the validation."""
    launch, listed = content.get("launch"), content.get("policies")
    return (
        any(isinstance(content.get(key), Mapping) for key in ("sft", "rl", "evaluation"))
        or (isinstance(listed, list) and all(isinstance(name, str) for name in listed))
        or (isinstance(launch, Mapping) and not _STAGES.keys().isdisjoint(launch))
    )


def in_new_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a file in the old form, as the present form says it.

    ``sft`` and the entries of ``rl`` become policies; ``policies``, a list, becomes ``report``; ``evaluation`` becomes
    ``answer`` and ``evaluate``; ``launch.rl`` and ``launch.evaluate`` become ``launch.grpo`` and ``launch.answer``.
    """
    old = copy.deepcopy(dict(content))
    new: dict[str, Any] = {}
    sft = old.get("sft")
    selection = sft.get("selection") if isinstance(sft, Mapping) else None
    for key, value in old.items():
        if key == "policies" and isinstance(value, list):
            new["report"] = list(dict.fromkeys(["base", "sft", *value]))
        elif key == "sft" and isinstance(value, Mapping):
            _add(new, "policies", {"sft": {"method": "sft", "from": "base", **value}})
        elif key == "rl" and isinstance(value, Mapping):
            _add(new, "policies", {name: _rl_policy(settings, selection) for name, settings in value.items()})
        elif key == "evaluation" and isinstance(value, Mapping):
            for name, setting in value.items():
                _add(new, "evaluate" if name in _GQA else "answer", {name: setting})
        elif key == "launch" and isinstance(value, Mapping):
            for stage, job in value.items():
                name = _STAGES.get(str(stage), stage)
                there = new.get(key, {}).get(name)
                if job is not None or name == stage:
                    _add(
                        new, key, {name: {**there, **job} if isinstance(there, dict) and isinstance(job, dict) else job}
                    )
        elif isinstance(value, dict):
            _add(new, key, value)
        elif value is not None or key not in new:
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
    """An entry of ``rl``. A policy that is ``like`` another takes method and origin from there. In the old form, the
    merge of an adapter of a quantized base used the questions of SFT's selection.
    """
    if not isinstance(settings, Mapping):
        return settings
    selected = {"selection": selection} if settings.get("quantization") and selection else {}
    origin = {} if "like" in settings else {"method": "grpo", "from": "sft"}
    return {**origin, **settings, **selected}


def _add(new: dict[str, Any], key: str, entries: Mapping[Any, Any]) -> None:
    section = new.get(key)
    new[key] = {**(section if isinstance(section, dict) else {}), **entries}


class _Writer(yaml.SafeDumper):
    """Writes numbers as YAML reads them back, and repeated values without aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
