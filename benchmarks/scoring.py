"""How long scoring takes per question: judging and matching the answers, and everything of eval.json.

    python benchmarks/scoring.py --sample ../shared/data/gqa-cot-sample [--before CHECKOUT]   # scoring.json, scoring.md

Two files of predictions are scored: the sample's own long chains, and short ones such as a small policy writes. With
``--before``, another checkout of this repository scores the same files, in turn with this one.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from machine import machine

REPO = Path(__file__).resolve().parents[1]
PAGE = Path(__file__).with_suffix(".md")
ROUNDS = 5
# Runs in a process of its own, with one checkout's package: prints seconds of processor time.
TIMED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1] + "/workflow/scripts")
from reinforced_cot.evaluation import scores
from reinforced_cot.scoring.predictions import read_predictions, scored
rows = read_predictions(Path(sys.argv[2]))
start = time.process_time()
if hasattr(scores, "scored_rows"):  # older checkouts judge the negative control in `evaluate`
    rows = list(scores.scored_rows(rows))
else:
    rows = [scored(row) for row in rows]
middle = time.process_time()
scores.evaluate(rows)
print(middle - start, time.process_time() - middle)
"""


def predictions(sample: Path, short: bool) -> list[dict[str, Any]]:
    """Rows whose answers are the data set's; one chain per question, whole or cut to its last 40 words."""
    rows = []
    for line in (sample / "train_data.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        chain = "\n".join(step["text"] for step in record["cot"])
        chain = " ".join(chain.split()[-40:]) if short else chain
        answer = f"<think>{chain}</think><answer>{record['answer']}</answer>"
        row = {"image_id": record["imageId"], "instruction": record["instruction"], "gt_answer": record["answer"]}
        rows.append({**row, "prediction_raw": answer})
    return rows


def seconds(checkout: Path, file: Path) -> tuple[float, float]:
    """Processor time of scoring the rows, and of the rest of eval.json."""
    command = [sys.executable, "-c", TIMED, str(checkout), str(file)]
    judged, rest = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(judged), float(rest)


def commit(checkout: Path | None) -> str | None:
    """The commit of a checkout."""
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() if checkout else None


def page(result: dict[str, Any]) -> str:
    """The page as Markdown."""
    text = [
        "# Milliseconds of scoring",
        "",
        f"`python benchmarks/scoring.py --sample ../shared/data/gqa-cot-sample --before CHECKOUT`: milliseconds of "
        f"processor time per question, median of {ROUNDS} runs, for the chains of 498 questions, whole or cut to their "
        f"last 40 words. The checkout before is at {result['before'] or 'none'}. Older checkouts judge the negative "
        "control in the second part, newer ones in the first. A chain whose conclusion has a heading is judged by its "
        "conclusion alone; a cut chain mostly has none, and all of it is judged.",
        "",
        "| chains | checkout | match and judge | the rest of eval.json | both |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in result["results"]:
        both = row["judged"] + row["rest"]
        text.append(f"| {row['chains']} | {row['checkout']} | {row['judged']:.2f} | {row['rest']:.2f} | {both:.2f} |")
    return "\n".join([*text, "", f"Machine: {result['machine']}.", ""])


def main() -> None:
    """Time both checkouts in turn, and write the figures and their page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=Path, required=True, help="folder of train_data.jsonl")
    parser.add_argument("--before", type=Path, help="another checkout of this repository")
    args = parser.parse_args()
    checkouts = {"before": args.before, "now": REPO} if args.before else {"now": REPO}
    result: dict[str, Any] = {"machine": machine(), "before": commit(args.before), "results": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, short in (("of 200 words", False), ("of 40 words", True)):
            rows = predictions(args.sample, short)
            file = Path(folder) / f"{short}.jsonl"
            file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            runs: dict[str, list[tuple[float, float]]] = {checkout: [] for checkout in checkouts}
            for _ in range(ROUNDS):
                for checkout, path in checkouts.items():
                    runs[checkout].append(seconds(path, file))
            for checkout, times in runs.items():
                judged, rest = (1000 * median(time[part] for time in times) / len(rows) for part in (0, 1))
                result["results"].append({"chains": name, "checkout": checkout, "judged": judged, "rest": rest})
    PAGE.with_suffix(".json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
