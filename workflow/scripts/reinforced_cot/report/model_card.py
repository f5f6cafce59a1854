"""The model card of a trained policy: what it is made from, its scores, what speaks against them, how to load it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reinforced_cot.models.families import Family
from reinforced_cot.models.model_cards import front_matter, inert
from reinforced_cot.report import flags
from reinforced_cot.report.card_snippets import transformers_snippet, vllm_snippet

INTRODUCTION = (
    "A vision-language model that thinks before it answers: it writes\n"
    "`<think>` chain of thought `</think>` `<answer>` answer `</answer>`."
)


@dataclass(frozen=True)
class CardFacts:
    """What a card says that no file of the policy says, from the configuration.

    Attributes:
        source: what the base is: an id of the hub, a folder, or empty for the tiny model of the demo.
        known: licence and languages (`models.model_cards.published_facts`, and the section ``push``).
        datasets: ids of the hub's data sets that the policy learned from.
        sources: per split, what its questions come from.
        line: the policies from the base to this one.
    """

    source: str
    known: Mapping[str, Any]
    datasets: Sequence[str]
    sources: Mapping[str, Sequence[str]]
    line: Sequence[str]


@dataclass(frozen=True)
class PolicyFiles:
    """The content of a policy's files.

    Attributes:
        name: of the policy.
        settings: of train.yaml.
        evaluation: of eval.json.
        history: the steps that metrics.json logs.
        summary: of data/summary.json.
        manifest: of model.json.
        form: of merge.json; empty for a policy that was trained in full.
        max_new_tokens: the longest completion in the evaluation.
    """

    name: str
    settings: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    history: Any
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    form: str
    max_new_tokens: int


def model_card(facts: CardFacts, files: PolicyFiles, family: Family, versions: Mapping[str, str]) -> str:
    """The text of the card.

    Args:
        family: of the base.
        versions: of the libraries, by name.
    """
    is_on_hub = "/" in facts.source and not facts.source.startswith((".", "/", "~"))
    fields = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "base_model": facts.source if is_on_hub else None,
        **facts.known,
        "datasets": list(facts.datasets),
        "tags": ["reinforced-cot", str(files.settings["policy"]["method"])],
    }
    sections = [
        ("", INTRODUCTION),
        ("Base", _base(facts)),
        ("Data", _data(facts, files)),
        ("Scores", _scores(files)),
        ("What speaks against the scores", _doubts(files)),
        ("Load it with transformers", transformers_snippet(family, files.settings["prompt"], files.max_new_tokens)),
        ("Serve it with vLLM", vllm_snippet(files.form)),
        ("Prompt", _prompt(files.settings["prompt"])),
        ("Settings", _settings(files.settings)),
        ("Versions", "\n".join(f"- {inert(name)} {inert(version)}" for name, version in sorted(versions.items()))),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" if title else text for title, text in sections)
    return f"{front_matter(fields)}\n# {inert(files.name)}\n\n{body}\n"


def _base(facts: CardFacts) -> str:
    named = inert(facts.source) if facts.source else "a tiny Qwen2.5-VL, built and trained by the run itself"
    licence = facts.known.get("license")
    return (
        f"- Base: {named}\n- Trained as: {' → '.join(map(inert, facts.line))}\n"
        f"- Licence: {inert(licence) if licence else 'not known; ask the makers of the base and of the data'}"
    )


def _data(facts: CardFacts, files: PolicyFiles) -> str:
    lines = ["| split | questions | images | from |", "| --- | ---: | ---: | --- |"]
    for split in ("train", "val", "test"):
        counted = files.summary["splits"][split]
        named = ", ".join(map(inert, facts.sources.get(split, ()))) or "not known"
        lines.append(f"| {split} | {counted['questions']} | {counted['images']} | {named} |")
    return "\n".join(lines)


def _scores(files: PolicyFiles) -> str:
    scores = files.evaluation
    lines = [
        f"Greedy answers to {scores['n']} questions of the test split, about {scores['n_images']} images. Intervals",
        "are at 95 %, and count questions about one image as one.",
        "",
        "| | share | interval |",
        "| --- | ---: | --- |",
        _score("right answers", scores["accuracy"], scores["accuracy_interval"]),
        _score("completions in the form above", scores["format_rate"], None),
        _score("chains that support the answer", scores["consistency"], None),
        _score("right answers with such a chain", scores["supported_accuracy"], None),
    ]
    if direct := scores.get("direct"):
        lines.append(_score("right answers without a chain", direct["accuracy"], direct["accuracy_interval"]))
    for kind, part in sorted(scores["by_question_type"].items()):
        lines.append(_score(f"right answers, type {kind} ({part['n']})", part["accuracy"], part["accuracy_interval"]))
    return "\n".join(lines)


def _score(label: str, share: float | None, interval: Sequence[float] | None) -> str:
    bounds = f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""
    return f"| {inert(label)} | {'' if share is None else f'{share:.3f}'} | {bounds} |"


def _doubts(files: PolicyFiles) -> str:
    evaluations, histories = {files.name: files.evaluation}, {files.name: files.history}
    said = [line for _, line in flags.all_flags(evaluations, histories)]
    lines = [*said, *flags.few_images(files.evaluation["n_images"]), *flags.leaks(files.summary)]
    if not lines:
        return "No probe came near the policy's scores, and no other check has found anything."
    return "\n".join(f"- {inert(line)}" for line in lines)


def _prompt(prompt: Mapping[str, Any]) -> str:
    system, instruction = prompt["system"], prompt["instruction"]
    lines = [
        "- System message, which the chat template adds where a conversation has none: "
        + (inert(system) if system else "none"),
        "- Behind the question, on a line of its own, which the snippets write out: "
        + (inert(instruction) if instruction else "nothing"),
    ]
    return "\n".join(lines)


def _settings(settings: Mapping[str, Any]) -> str:
    policy = settings["policy"]
    shown = {
        "method": policy["method"],
        "seed": settings["seed"],
        "dtype": settings["base_model"]["dtype"],
        "rows per update": policy["global_batch_size"],
        **{f"lora.{key}": value for key, value in sorted((policy["lora"] or {}).items())},
        **{f"rewards.{key}": value for key, value in sorted((policy.get("rewards") or {}).items())},
        **{f"training.{key}": value for key, value in sorted(policy["training"].items())},
    }
    rows = [f"| {inert(key)} | {inert(value)} |" for key, value in shown.items() if value is not None]
    return "\n".join(["| key | value |", "| --- | --- |", *rows])
