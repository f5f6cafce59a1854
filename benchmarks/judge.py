"""What the judge of chains says of chains that people labelled: by style, and on real chains.

    python benchmarks/judge.py --sample ../shared/data/gqa-cot-sample [--before JSON]     # judge.json and judge.md

With ``--before``, a judge.json of earlier rules, the page shows both.

The chains of `tests/data/chain_styles.jsonl` come in two parts: those that may be looked at while the judge is changed,
and those kept aside. With the sample, the 240 labelled chains of its teacher are judged, and all 498 with their own
answers.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from machine import machine

sys.path.append(str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from reinforced_cot.data.text_cleaning import without_prefix
from reinforced_cot.judging.consistency import judge
from reinforced_cot.paths import REPOSITORY
from reinforced_cot.scoring.version import RULES

DATA, PAGE = REPOSITORY / "tests" / "data", Path(__file__).with_suffix(".md")


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def confusion(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How often each label got each verdict, such as ``{"support as unknown": 3}``."""
    return dict(
        Counter(f"{row['label']} as {judge(row['chain'], row['answer'], row['question']).value}" for row in rows)
    )


def rates(counts: dict[str, int]) -> tuple[str, str, str]:
    """Support, false support and punished chains, as texts."""
    supported = {verdict: counts.get(f"support as {verdict}", 0) for verdict in ("support", "unknown", "contradict")}
    others = {
        verdict: counts.get(f"contradict as {verdict}", 0) + counts.get(f"unknown as {verdict}", 0)
        for verdict in supported
    }
    right, wrong = sum(supported.values()), sum(others.values())
    return (
        f"{supported['support']} of {right} ({supported['support'] / right:.2f})",
        f"{others['support']} of {wrong} ({others['support'] / wrong:.2f})",
        str(supported["contradict"]),
    )


def row(style: str, now: dict[str, int], before: dict[str, int] | None) -> str:
    """A row of a part's table."""
    earlier = rates(before) if before else ("-", "-", "-")
    cells = [cell for pair in zip(earlier, rates(now), strict=True) for cell in pair]
    return f"| {style} | " + " | ".join(cells) + " |"


def command(result: dict[str, Any]) -> str:
    """The command that made a result, with names in place of paths that lie elsewhere."""
    options = {"sample": "--sample ../shared/data/gqa-cot-sample", "before": "--before JSON"}
    return " ".join(["python benchmarks/judge.py", *(text for part, text in options.items() if part in result)])


def page(result: dict[str, Any]) -> str:
    """The page as Markdown."""
    before = result.get("before", {})
    head = "| chains | support, before | now | false support, before | now | punished, before | now |"
    text = [
        "# The judge of chains, on chains that people labelled",
        "",
        f"`{command(result)}`,",
        f"scoring rules {result['rules']}. The labels and who gave them:",
        "[tests/data/README.md](../tests/data/README.md). Support: of the chains that conclude the answer. False",
        "support: of the others. Punished: chains that conclude the answer and are judged a contradiction. The judge's",
        "weights are fitted to the development part, so that its figures flatter; the other part is unseen.",
    ]
    if before:
        text.append(f"Before: scoring rules {before['rules']}.")
    for part in ("development", "kept aside"):
        text += ["", f"## In 13 styles, {part}", "", head, "| --- |" + " --- |" * 6]
        text += [row(style, counts, before.get(part, {}).get(style)) for style, counts in result[part].items()]
    if sample := result.get("sample"):
        labelled, earlier = sample["labelled"], before.get("sample")
        text += [
            "",
            "## Real chains of one teacher (gqa-cot-sample)",
            "",
            f"Of {labelled['concluding']} labelled chains that conclude something, {labelled['supported']} support it;",
            f"of {labelled['silent']} that do not, {labelled['undecided']} are undecided.",
            f"Of all {sample['all']} chains,",
            f"{sample['all supported']} support the data set's answer.",
            *(
                [
                    f"Before: {earlier['labelled']['supported']}, {earlier['labelled']['undecided']} and "
                    f"{earlier['all supported']}."
                ]
                if earlier
                else []
            ),
        ]
    return "\n".join([*text, "", f"Machine: {result['machine']}.", ""])


def of_sample(folder: Path) -> dict[str, Any]:
    """Counts over the sample's chains: those labelled by reading, and all with their own answers."""
    chains = [
        (without_prefix(row["instruction"]), row["answer"], "\n".join(step["text"] for step in row["cot"]))
        for row in lines(folder / "train_data.jsonl")
    ]
    counts: Counter[tuple[bool, str]] = Counter()
    for label in lines(DATA / "chain_labels.jsonl"):
        question, answer, chain = chains[label["line"] - 1]
        counts[label["concludes"], judge(chain, label["answer"] or answer, question).value] += 1
    return {
        "labelled": {
            "concluding": sum(n for (concludes, _), n in counts.items() if concludes),
            "supported": counts[True, "support"],
            "silent": sum(n for (concludes, _), n in counts.items() if not concludes),
            "undecided": counts[False, "unknown"],
        },
        "all": len(chains),
        "all supported": sum(judge(chain, answer, question).value == "support" for question, answer, chain in chains),
    }


def main() -> None:
    """Judge all chains, and write the counts and their page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=Path, help="folder of gqa-cot-sample")
    parser.add_argument("--before", type=Path, help="a judge.json of earlier rules")
    args = parser.parse_args()
    rows = lines(DATA / "chain_styles.jsonl")
    result: dict[str, Any] = {"machine": machine(), "rules": RULES}
    for part, aside in (("development", False), ("kept aside", True)):
        chosen = [row for row in rows if row["kept_aside"] is aside]
        styles = dict.fromkeys(row["style"] for row in chosen)
        result[part] = {style: confusion(row for row in chosen if row["style"] == style) for style in styles}
        result[part]["all"] = confusion(chosen)
    if args.sample:
        result["sample"] = of_sample(args.sample)
    if args.before:
        result["before"] = {
            key: value for key, value in json.loads(args.before.read_text()).items() if key not in ("machine", "before")
        }
    PAGE.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
