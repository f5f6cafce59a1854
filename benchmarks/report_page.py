"""How fast is a report of as many questions as GQA's test-dev has? Writes benchmarks/report_page.md.

    python benchmarks/report_page.py

Four policies, chains of about 60 words, 400 images of GQA's usual size. The report is rendered by its script and opened
in Chromium as a file. The same rows as one plain HTML table, written by pandas, are opened in turn with it. Texts are
random words; times are medians of several openings, each in a fresh browser.
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Sequence
from html import escape
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from machine import machine
from PIL import Image

REPO = Path(__file__).resolve().parents[1]
sys.path += [str(REPO / "workflow" / "scripts"), str(REPO / "tests")]

import report  # noqa: E402
from report_runs import facts, write_run  # noqa: E402

from reinforced_cot.files import read_jsonl, write_jsonl  # noqa: E402
from reinforced_cot.report.policy_facts import as_text  # noqa: E402

QUESTIONS, IMAGES, CHAIN_WORDS = 12_578, 400, 60  # GQA's balanced test-dev has 398 images
WIDTH, HEIGHT = 500, 375
POLICIES = ["base", "sft", "grpo", "gspo"]
LIMITS = {"usable": 3.0, "frames_per_second": 30.0}
NOUNS = ["cup", "chair", "car", "dog", "shirt", "table", "lamp", "tree"]
WORDS = [*NOUNS, "the", "is", "are", "on", "under", "near", "left", "right", "of", "a", "red", "green", "blue", "small"]
SCROLLED_SECONDS = 4
PIXELS_PER_SECOND = 3000  # a fast flick of the wheel

# Notes when gallery and charts are ready, in seconds since the page was asked for.
MARKS = """
    globalThis.marks = {};
    const look = () => {
        for (const [name, value] of Object.entries(document.documentElement.dataset)) {
            marks[name] ??= performance.now() / 1000;
        }
    };
    new MutationObserver(look).observe(document, { attributes: true, subtree: true });
"""
# Frames while the page is scrolled: those per second, and the longest that one took.
SCROLL = """
    ([seconds, speed]) => new Promise((done) => {
        const frames = [];
        const begin = scrollY;
        const frame = (now) => {
            frames.push(now);
            const passed = (now - frames[0]) / 1000;
            scrollTo({ top: begin + passed * speed, behavior: "instant" });
            if (passed < seconds) return requestAnimationFrame(frame);
            const steps = frames.slice(1).map((time, place) => time - frames[place]);
            done({
                frames_per_second: steps.length / passed,
                longest_frame: Math.max(...steps) / 1000,
                scrolled: scrollY - begin,
            });
        };
        requestAnimationFrame(frame);
    })
"""
# Seconds from a typed search until the count says its result and a frame was drawn.
SEARCH = """
    (words) => new Promise((done) => {
        const box = document.getElementById("gallery-search");
        const count = document.getElementById("gallery-count");
        const begin = performance.now();
        new MutationObserver((_, observer) => {
            observer.disconnect();
            requestAnimationFrame(() => setTimeout(() => done((performance.now() - begin) / 1000), 0));
        }).observe(count, { childList: true, characterData: true, subtree: true });
        box.value = words;
        box.dispatchEvent(new Event("input", { bubbles: true }));
    })
"""


def write_questions(results: Path, questions: int) -> None:
    """Put that many questions, and the answers of every policy, into the folder of a small run."""
    chance = random.Random(1)

    def words(count: int) -> str:
        return " ".join(chance.choices(WORDS, k=count))

    folder = results / "data/images/test"
    for number in range(IMAGES):
        tiles = Image.effect_noise((WIDTH // 10, HEIGHT // 10), 80).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        tiles.convert("RGB").save(folder / f"{number}.jpg", quality=90)
    examples = [
        {
            "id": f"{number:08}",
            "images": [f"images/test/{number % IMAGES}.jpg"],
            "question": f"Is {words(8)} {number}?",
            "answers": [chance.choice(WORDS)],
            "question_type": ("verify", "query", "choose", "logical", "compare")[number % 5],
        }
        for number in range(questions)
    ]
    write_jsonl(results / "data/test.jsonl", examples)
    for policy in POLICIES:
        rows = []
        for number, example in enumerate(examples):
            truth = example["answers"][0]
            is_right = chance.random() < 0.6
            chain, answer = words(CHAIN_WORDS), truth if is_right else chance.choice(WORDS)
            row: dict[str, Any] = {
                "id": example["id"],
                "image_id": str(number % IMAGES),
                "question_type": example["question_type"],
            }
            row |= {"instruction": example["question"], "gt_answer": truth, "truncated": False, "bare_chain": False}
            row |= {"prediction_raw": f"<think>{chain}</think><answer>{answer}</answer>", "parse_problem": None}
            row |= {"pred_think": chain, "pred_answer": answer, "is_correct": is_right, "is_consist": is_right}
            rows.append({**row, "chain_verdict": "support" if is_right else "unknown"})
        write_jsonl(results / policy / "predictions.jsonl", rows)


def write_plain_table(results: Path, page: Path) -> None:
    """The same rows as a good engineer writes them in an hour: images that load when they are seen, texts, marks."""
    columns: dict[str, list[str]] = {"image": [], "question": [], "true answer": []}
    for _, example in read_jsonl(results / "data/test.jsonl"):
        columns["image"].append(f'<img loading="lazy" height="48" width="64" src="data/{example["images"][0]}">')
        columns["question"].append(escape(example["question"]))
        columns["true answer"].append(escape(example["answers"][0]))
    for policy in POLICIES:
        rows = [row for _, row in read_jsonl(results / policy / "predictions.jsonl")]
        columns[policy] = [f"{'✓' if row['is_correct'] else '✗'} {escape(row['pred_answer'])}" for row in rows]
        columns[f"chain of {policy}"] = [escape(row["pred_think"]) for row in rows]
    table = pd.DataFrame(columns).to_html(escape=False, index=False)
    page.write_text(f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><body>{table}', encoding="utf-8")


def opened_report(browser: Any, page: Path) -> dict[str, float]:
    """Seconds until the report can be used, its frames while 250 rows are scrolled, and seconds of a search."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(600_000)
    tab.add_init_script(MARKS)
    tab.goto(page.as_uri())
    tab.wait_for_function("globalThis.marks.charts && globalThis.marks.gallery")
    marks = tab.evaluate("globalThis.marks")
    found = {"usable": marks["gallery"], "charts": marks["charts"]}
    found["search"] = tab.evaluate(SEARCH, f"{QUESTIONS // 3}?")
    assert tab.locator("#gallery-count").inner_text().startswith("1 of"), "the search found something else"
    tab.fill("#gallery-search", "")
    tab.select_option("#gallery .dt-length select", "250")
    tab.wait_for_function("document.querySelectorAll('#gallery-table tbody tr').length === 250")
    tab.evaluate("document.getElementById('gallery-table').scrollIntoView({ behavior: 'instant' })")
    found |= tab.evaluate(SCROLL, [SCROLLED_SECONDS, PIXELS_PER_SECOND])
    tab.close()
    return found


def opened_table(browser: Any, page: Path) -> dict[str, float]:
    """Seconds until the plain table is there and drawn, and its frames while it is scrolled."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(600_000)
    tab.goto(page.as_uri())
    usable = tab.evaluate(
        "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now() / 1000), 0)))"
    )
    found = {"usable": usable, **tab.evaluate(SCROLL, [SCROLLED_SECONDS, PIXELS_PER_SECOND])}
    tab.close()
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--work", type=Path, help="where the run is made; default: the folder for temporary files")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args(argv)
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory(dir=args.work) as folder, sync_playwright() as playwright:
        results = Path(folder) / "results"
        write_run(results, POLICIES)
        write_questions(results, QUESTIONS)
        begin = time.perf_counter()
        report.main(["--results", str(results), "--policies", as_text(facts(POLICIES))])
        rendered = time.perf_counter() - begin
        begin = time.perf_counter()
        write_plain_table(results, results / "table.html")
        written = time.perf_counter() - begin
        ways: dict[str, list[dict[str, float]]] = {"report": [], "table": []}
        for _ in range(args.repeats):
            for way, measure, page_ in (
                ("report", opened_report, results / "report.html"),
                ("table", opened_table, results / "table.html"),
            ):
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                version = browser.version
                ways[way].append(measure(browser, page_))
                browser.close()
        files = results / "report_files"
        found = {
            "machine": machine(),
            "chromium": version,
            "questions": QUESTIONS,
            "images": IMAGES,
            "policies": len(POLICIES),
            "repeats": args.repeats,
            "report": {"rendered": rendered, **medians(ways["report"])},
            "table": {"rendered": written, **medians(ways["table"])},
            "bytes": {
                "page": (results / "report.html").stat().st_size,
                "rows": sum(file.stat().st_size for file in files.glob("rows-*.js")),
                "table": (results / "table.html").stat().st_size,
            },
        }
    args.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    args.out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """The median of each figure."""
    return {name: median(run[name] for run in runs) for name in runs[0]}


def page(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    own, plain, sizes = found["report"], found["table"], found["bytes"]
    kept = {
        "usable": own["usable"] <= LIMITS["usable"],
        "frames_per_second": own["frames_per_second"] >= LIMITS["frames_per_second"],
    }
    said = {name: "kept" if is_kept else "missed" for name, is_kept in kept.items()}
    rows = [
        ("rendered by its script, s", f"{own['rendered']:.1f}", f"{plain['rendered']:.1f}"),
        ("opened until it can be used, s", f"{own['usable']:.2f}", f"{plain['usable']:.2f}"),
        ("until all charts are drawn, s", f"{own['charts']:.2f}", "-"),
        (
            "frames per second while it is scrolled",
            f"{own['frames_per_second']:.0f}",
            f"{plain['frames_per_second']:.0f}",
        ),
        ("longest frame, s", f"{own['longest_frame']:.2f}", f"{plain['longest_frame']:.2f}"),
        ("from a typed search to its result, s", f"{own['search']:.2f}", "-"),
        ("page, MB", f"{sizes['page'] / 1e6:.1f}", f"{sizes['table'] / 1e6:.1f}"),
        ("rows beside the page, MB", f"{sizes['rows'] / 1e6:.1f}", "-"),
    ]
    lines = [
        "# The report of a large test split",
        "",
        f"A report of {found['questions']:,} questions about {found['images']} images, which {found['policies']} "
        f"policies answered with chains of about {CHAIN_WORDS} words, opened as a file; beside it the same rows as one "
        "plain HTML table by pandas, with images that load when they are seen. In the report, a page of 250 rows is "
        f"scrolled by {PIXELS_PER_SECOND} pixels per second.",
        f"Written by report_page.py on {found['machine']}, with Chromium {found['chromium']} without a GPU. Figures "
        f"are medians of {found['repeats']} openings, in turn, each in a fresh browser.",
        "",
        "| | report | plain table |",
        "| --- | --- | --- |",
        *[f"| {' | '.join(row)} |" for row in rows],
        "",
        f"The bounds: usable within {LIMITS['usable']:.0f} s ({said['usable']}), and at least "
        f"{LIMITS['frames_per_second']:.0f} frames per second ({said['frames_per_second']}). A search waits 0.15 s for "
        "the next letter, which its time includes. The plain table has no charts, filters, labels or links, and its "
        "search is the browser's.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
