"""Write the ratios of all pages into the table of benchmarks/README.md, from the figures of their last runs.

python benchmarks/summary.py
"""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
README = FOLDER / "README.md"
BLOCK = re.compile(r"(?<=<!-- summary.py writes this -->\n).*(?=<!-- until here -->)", re.DOTALL)
PAGES = (
    "shared_prefix",
    "scaling",
    "grpo_step",
    "sft",
    "evaluation",
    "merge",
    "preparation",
    "run_time",
    "report_page",
)
Row = tuple[str, str, str, str, str]


def rows(found: dict[str, dict[str, Any]]) -> list[Row]:
    """The rows of the table: work, reference, target, measured ratio, and page.

    Args:
        found: the JSON of each of `PAGES`.
    """
    [update] = [row for row in found["shared_prefix"]["results"] if row["completions_per_group"] == 8]
    [long] = [row for row in found["scaling"]["results"] if (row["G"], row["C"]) == (8, 300)]
    [step] = [row for row in found["grpo_step"]["results"] if row["completions_per_group"] == 8]
    sft, evaluation, ways = found["sft"], found["evaluation"], found["merge"]["ways"]
    shortest, longest = update["completion_tokens"]
    prompts = " and ".join(map(str, update["prompt_tokens"]))
    tokens = f"8 completions of {shortest} to {longest} tokens after {prompts}"
    longer = f"8 completions of {long['C']} tokens after {long['P']}"
    merge = {way: ways["peft"]["seconds"] / figures["seconds"] for way, figures in ways.items()}
    share = ways["proved"]["rss"] / ways["peft"]["rss"]
    times = "{:.2f} times".format
    prepared = found["preparation"]
    shrunk, copied = (
        prepared[f"plain: {title}"]["seconds"] / prepared[f"prepared: {title}"]["seconds"]
        for title in ("shrunk, written as PNG", "within the budget, copied")
    )
    report = found["report_page"]
    opened = f"{report['report']['usable']:.1f} s, and {report['table']['usable']:.1f} s"
    scrolled = f"{report['report']['frames_per_second']:.0f}, and {report['table']['frames_per_second']:.0f}"
    return [
        (f"GRPO's update: {tokens}", "stock TRL", "2.5", times(update["ratio"]), "shared_prefix"),
        (f"GRPO's update: {longer}", "stock TRL", "", times(long["ratio"]), "scaling"),
        ("a whole GRPO step, rollouts included", "stock TRL", "2", times(step["ratio"]), "grpo_step"),
        ("SFT", "the original, padded to 2048", "5", times(sft["own"] / sft["original"]), "sft"),
        ("SFT", "stock TRL", "1.3", times(sft["own"] / sft["stock"]), "sft"),
        (
            *("evaluation", "the original, padded to 2048", "5"),
            *(times(evaluation["first_policy"] / evaluation["original"]), "evaluation"),
        ),
        ("merge, without its proof", "PEFT", "1.5", times(merge["ours"]), "merge"),
        ("merge with its proof", "PEFT, which has no proof", "", times(merge["proved"]), "merge"),
        ("memory of a merge, with its proof", "PEFT", "0.25 of it", f"{share:.2f} of it", "merge"),
        ("images of preparation, shrunk", "a plain loop of Pillow", "0.8", times(shrunk), "preparation"),
        ("images of preparation, copied", "a plain loop of Pillow", "", times(copied), "preparation"),
        (
            "the whole run of the demo",
            "the same with its switches off",
            "1.5",
            times(found["run_time"]["ratio"]),
            "run_time",
        ),
        (f"opening a report of {report['questions']:,} questions", "a plain HTML table", "3 s", opened, "report_page"),
        ("scrolling it, frames per second", "a plain HTML table", "30", scrolled, "report_page"),
    ]


def table() -> str:
    """The table as Markdown, and the machines of its figures."""
    found = {page: json.loads((FOLDER / f"{page}.json").read_text(encoding="utf-8")) for page in PAGES}
    lines = ["| what | against | aimed at | measured | page |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(cells)} | [{page}.md]({page}.md) |" for *cells, page in rows(found)]
    machines: dict[str, list[str]] = {}
    for page, figures in found.items():
        machines.setdefault(figures["machine"], []).append(page)
    lines += ["", *(f"Measured on {machine}: {', '.join(pages)}." for machine, pages in machines.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: table(), README.read_text(encoding="utf-8")), encoding="utf-8")
