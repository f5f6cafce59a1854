"""How near does asking a teacher come to what `concurrency` allows? Writes benchmarks/teacher.md.

    python benchmarks/teacher.py

A server on loopback answers each request after half a second. The ideal is that many requests under way at every
moment: requests x 0.5 s / concurrency.
"""

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

REPO = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(REPO / "tests"), str(REPO / "workflow" / "scripts")]

from machine import machine  # noqa: E402
from PIL import Image  # noqa: E402
from teacher_server import MODEL, TeacherServer  # noqa: E402

from reinforced_cot.chains.settings import ChainSet, TeacherSettings, teacher_of  # noqa: E402
from reinforced_cot.chains.teacher import ask_teacher  # noqa: E402
from reinforced_cot.data.examples import Example  # noqa: E402
from reinforced_cot.endpoints.reply_store import ReplyStore  # noqa: E402
from reinforced_cot.files import write_json, write_text  # noqa: E402

DELAY = 0.5  # seconds
IMAGES, SIDE = 50, 224
ROUNDS = 60  # requests per place: half a minute, so that the start counts little


def seconds(folder: Path, concurrency: int) -> float:
    """How long asking ``ROUNDS`` times ``concurrency`` questions takes, each with an image of its own size."""
    count = ROUNDS * concurrency
    examples = [
        Example(f"q{number}", (f"{number % IMAGES}.jpg",), f"Is it {number}?", ("yes",), "verify")
        for number in range(count)
    ]
    with TeacherServer(lambda question, seed: "<think>I look.</think><answer>yes</answer>") as server:
        server.delay = DELAY
        values = {"by": "endpoint", "url": server.url, "model": MODEL, "concurrency": concurrency}
        teacher = teacher_of(ChainSet.model_validate(values))
        settings = TeacherSettings(name="teacher", seed=1, instruction="", teacher=teacher)
        started = time.perf_counter()
        with ReplyStore(folder / f"{concurrency}.jsonl") as store:
            ask_teacher(settings, examples, folder, store)
        return time.perf_counter() - started


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concurrency", nargs="+", type=int, default=[8, 32, 64])
    parser.add_argument("--out", type=Path, default=REPO / "benchmarks")
    arguments = parser.parse_args(argv)
    lines = [
        "# Asking a teacher",
        "",
        f"`python benchmarks/teacher.py` on {machine()}: a server on loopback that answers after {DELAY:g} s, "
        f"{ROUNDS} requests per place, each with an image of {SIDE}x{SIDE} pixels. Server and client share the cores.",
        "",
        "| concurrency | requests per second | ideal | share of it |",
        "| --- | --- | --- | --- |",
    ]
    found = {}
    with TemporaryDirectory() as work:
        folder = Path(work)
        for number in range(IMAGES):
            noise = random.Random(number).randbytes(3 * SIDE * SIDE)
            Image.frombytes("RGB", (SIDE, SIDE), noise).save(folder / f"{number}.jpg")
        for concurrency in arguments.concurrency:
            rate = ROUNDS * concurrency / seconds(folder, concurrency)
            ideal = concurrency / DELAY
            found[concurrency] = rate / ideal
            lines.append(f"| {concurrency} | {rate:.1f} | {ideal:.1f} | {rate / ideal:.2f} |")
    write_json(arguments.out / "teacher.json", {"machine": machine(), "share_of_ideal": found})
    write_text(arguments.out / "teacher.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
