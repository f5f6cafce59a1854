"""How fast is preparation? Writes benchmarks/preparation.md.

    python benchmarks/preparation.py --work /tmp

Questions: as many as GQA's train_balanced has, in the official form (source `gqa`) and as CSV (source `table`), over as
many image files; the files are small, so that the time is that of the questions. Images: photographs of GQA's usual
size, against a plain loop of Pillow in a pool of processes: decode, resize, encode. Each runs in a process of its own.
"""

import argparse
import csv
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import machine
from PIL import Image

REPO = Path(__file__).resolve().parents[1]
sys.path.append(str(REPO / "workflow" / "scripts"))

from reinforced_cot.data.images import fit_budget  # noqa: E402
from reinforced_cot.data.settings import PixelBudget  # noqa: E402
from reinforced_cot.files import write_json, write_text  # noqa: E402
from reinforced_cot.preparation.prepare import prepare  # noqa: E402
from reinforced_cot.sources.registry import read_split  # noqa: E402
from reinforced_cot.sources.settings import PreparedSplit  # noqa: E402

QUESTIONS, FILES = 943_000, 72_000  # of GQA's train_balanced
WIDTH, HEIGHT = 500, 375
BUDGETS = {
    "shrunk, written as PNG": PixelBudget(min_pixels=784, max_pixels=50_176),
    "within the budget, copied": PixelBudget(min_pixels=784, max_pixels=602_112),
}
THREADS = os.cpu_count() or 1
COLORS = ("red", "green", "blue", "black", "white", "brown")
THINGS = ("cup", "chair", "car", "dog", "shirt", "table", "lamp", "tree")


def write_questions(folder: Path, count: int, files: int) -> None:
    """The same questions as GQA's JSON and as CSV, and a small image file per image: all links to 64 images."""
    images = folder / "images"
    images.mkdir()
    for number in range(64):
        Image.new("RGB", (56, 56), (number * 4, 255 - number * 4, 90)).save(images / f"{number}.jpg")
    for number in range(64, files):
        os.link(images / f"{number % 64}.jpg", images / f"{number}.jpg")
    with open(folder / "gqa.json", "w") as gqa, open(folder / "table.csv", "w", newline="") as table:
        writer = csv.writer(table)
        writer.writerow(["question_id", "image", "question", "answer"])
        gqa.write("{")
        for number, (question, answer, image) in enumerate(_questions(count, files)):
            entry = {
                "semantic": [{"operation": "select", "dependencies": [], "argument": "cup (123)"}],
                "entailed": [],
                "equivalent": [str(number)],
                "question": question,
                "imageId": str(image),
                "isBalanced": True,
                "groups": {"global": None, "local": "10-cup_color"},
                "answer": answer,
                "semanticStr": "select: cup (123)->query: color [0]",
                "annotations": {"answer": {}, "question": {"4": "123"}, "fullAnswer": {"1": "123"}},
                "types": {"detailed": "attr", "semantic": "attr", "structural": "query"},
                "fullAnswer": f"It is {answer}.",
            }
            gqa.write(f'{", " if number else ""}"{number}": {json.dumps(entry)}')
            writer.writerow([number, f"{image}.jpg", question, answer])
        gqa.write("}")


def _questions(count: int, files: int) -> Iterator[tuple[str, str, int]]:
    draw = random.Random(1)
    for number in range(count):
        color, thing, other = draw.choice(COLORS), draw.choice(THINGS), draw.choice(THINGS)
        yield f"What color is the {thing} to the left of the {other}?", color, number % files


def write_photographs(folder: Path, count: int) -> None:
    """Images of GQA's usual size whose JPEG files are about as large as photographs' (some 40 KB)."""
    folder.mkdir()
    for number in range(count):
        draw = random.Random(number)
        small = Image.frombytes("RGB", (100, 75), draw.randbytes(100 * 75 * 3))
        large = small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        large.save(folder / f"{number}.jpg", quality=85)


def prepared(folder: Path, source: dict[str, Any], budget: PixelBudget, out: Path) -> dict[str, int]:
    """Prepare a split of one source."""
    settings = PreparedSplit.model_validate(
        {"seed": 1, "image": budget, "digits": None, "max_rejected_share": 0.0, "sources": [source]}
    )
    return prepare(read_split(settings, "train", out), budget, out, "train", 0.0, THREADS)


def plain(job: tuple[Path, Path, PixelBudget]) -> None:
    """What a loop of one's own would do with one image."""
    source, target, budget = job
    with Image.open(source) as image:
        fit_budget(image.convert("RGB"), budget).save(target, format="PNG")


def run(name: str, folder: Path) -> dict[str, Any]:
    """Carry out one measurement in this process."""
    out = folder / f"out-{name.replace(' ', '-')}"
    started = time.perf_counter()
    if name in ("gqa", "table"):
        file = folder / ("gqa.json" if name == "gqa" else "table.csv")
        source = {"source": name, "file": str(file), "images": str(folder / "images")}
        prepared(folder, source, next(iter(BUDGETS.values())), out)
    else:
        way, _, title = name.partition(": ")
        budget, photographs = BUDGETS[title], folder / "photographs"
        if way == "plain":
            out.mkdir()
            jobs = [(path, out / f"{path.stem}.png", budget) for path in sorted(photographs.iterdir())]
            with Pool(THREADS) as pool:
                pool.map(plain, jobs, chunksize=16)
        else:
            table = folder / "photographs.csv"
            names = sorted(path.name for path in photographs.iterdir())
            rows = "".join(f"{image},What is it?,{number}\n" for number, image in enumerate(names))
            write_text(table, f"image,question,answer\n{rows}")
            prepared(folder, {"source": "table", "file": str(table), "images": str(photographs)}, budget, out)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "bytes": peak}


def page(found: dict[str, Any]) -> str:
    """The page of the figures."""
    questions, photographs = found["questions"], found["photographs"]
    lines = [
        "# Preparation",
        "",
        f"`python benchmarks/preparation.py` on {found['machine']}, {THREADS} threads. Seconds include reading, "
        "checking and writing; memory is the largest resident size of the process.",
        "",
        f"## {questions:,} questions over {found['files']:,} image files",
        "",
        "| source | seconds | questions per second | GiB |",
        "| --- | --- | --- | --- |",
    ]
    for name in ("gqa", "table"):
        result = found[name]
        rate = questions / result["seconds"]
        lines.append(f"| `{name}` | {result['seconds']:.0f} | {rate:,.0f} | {result['bytes'] / 2**30:.2f} |")
    lines += [
        "",
        f"## {photographs:,} photographs of {WIDTH}x{HEIGHT} pixels",
        "",
        "Plain: decode, resize and encode as PNG with Pillow, in a pool of as many processes. Preparation also hashes, "
        "looks for equal images and writes records. The best of three runs in turns.",
        "",
        "| images | plain, per second | preparation, per second | ratio |",
        "| --- | --- | --- | --- |",
    ]
    for title in BUDGETS:
        ours, theirs = (photographs / found[f"{way}: {title}"]["seconds"] for way in ("prepared", "plain"))
        lines.append(f"| {title} | {theirs:,.0f} | {ours:,.0f} | {ours / theirs:.2f} |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure each in a process of its own, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="for some GB of temporary files")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--photographs", type=int, default=1500)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=REPO / "benchmarks")
    arguments = parser.parse_args(argv)
    if arguments.run:
        print(json.dumps(run(arguments.run, arguments.work)))
        return
    found: dict[str, Any] = {"machine": machine(), "questions": arguments.questions, "files": arguments.files}
    found["photographs"] = arguments.photographs
    with TemporaryDirectory(dir=arguments.work) as work:
        folder = Path(work)
        write_questions(folder, arguments.questions, arguments.files)
        write_photographs(folder / "photographs", arguments.photographs)
        for name in ("gqa", "table"):
            found[name] = _measured(name, folder)
        for title in BUDGETS:
            for _ in range(3):
                for way in ("plain", "prepared"):
                    name = f"{way}: {title}"
                    result = _measured(name, folder)
                    if name not in found or result["seconds"] < found[name]["seconds"]:
                        found[name] = result
    write_json(arguments.out / "preparation.json", found)
    write_text(arguments.out / "preparation.md", page(found))


def _measured(name: str, folder: Path) -> dict[str, Any]:
    for leftover in folder.glob("out-*"):
        subprocess.run(["rm", "-rf", leftover], check=True)
    command = [sys.executable, __file__, "--run", name, "--work", str(folder)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, Any] = json.loads(output.splitlines()[-1])
    return result


if __name__ == "__main__":
    main()
