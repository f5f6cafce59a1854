"""How fast are GQA's programs executed, and how many of their chains are kept? Writes benchmarks/gqa_programs.md.

    python benchmarks/gqa_programs.py --work /tmp

As many questions and scene graphs as GQA's train_balanced has, made up in the official form (tests/gqa_worlds.py),
since GQA's own files are not part of the repository. Their answers are known before their programs are written.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

REPO = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(REPO / "tests"), str(REPO / "workflow" / "scripts")]

import gqa_worlds  # noqa: E402
import psutil  # noqa: E402
from machine import machine  # noqa: E402

from reinforced_cot.chains.filters import filtered  # noqa: E402
from reinforced_cot.chains.settings import ChainSet  # noqa: E402
from reinforced_cot.data.examples import Example  # noqa: E402
from reinforced_cot.files import write_json, write_text  # noqa: E402
from reinforced_cot.programs.completions import Counts, Questions, completions  # noqa: E402
from reinforced_cot.result_files import read_result_rows, write_result_rows  # noqa: E402

QUESTIONS, IMAGES = 943_000, 72_000  # of GQA's train_balanced
JUDGED = 20_000
PROCESSES = os.cpu_count() or 1


def write_files(folder: Path, count: int, images: int) -> None:
    """GQA's files of questions, mixed as GQA's are, and of scene graphs."""
    per_image = -(-count // images)
    with open(folder / "graphs.json", "w") as graphs, open(folder / "questions.json", "w") as questions:
        graphs.write("{")
        questions.write("{")
        waiting: list[tuple[int, gqa_worlds.World]] = []
        written = 0
        for number in range(images):
            world = gqa_worlds.World(number)
            graphs.write(f'{", " if number else ""}"{number}": {json.dumps(world.graph())}')
            waiting.append((number, world))
            if len(waiting) == 1000 or number == images - 1:
                for place in range(per_image):
                    for image, one in waiting:
                        if written < count:
                            [question] = gqa_worlds.questions(one, 1)
                            row = gqa_worlds.entry(question, f"{image:06d}{place:02d}", str(image))
                            questions.write(f'{", " if written else ""}"{image:06d}{place:02d}": {json.dumps(row)}')
                            written += 1
                waiting = []
        graphs.write("}")
        questions.write("}")


class Memory(Thread):
    """Looks at the resident size of this process and its children, all together, ten times a second.

    ``ru_maxrss`` would not do: a process inherits that of the process that started it.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._largest, self._ended = 0, Event()

    def run(self) -> None:
        process = psutil.Process()
        while not self._ended.wait(0.1):
            together = [process, *process.children()]
            with suppress(psutil.NoSuchProcess):
                self._largest = max(self._largest, sum(one.memory_info().rss for one in together))

    def largest(self) -> int:
        """The largest size that was seen, in bytes."""
        self._ended.set()
        self.join()
        return self._largest


def run(folder: Path) -> dict[str, Any]:
    """Execute all programs, in this process and ``PROCESSES`` others."""
    memory = Memory()
    memory.start()
    started = time.perf_counter()
    wanted = set(json.loads((folder / "ids.json").read_text()))
    counts, questions = Counts(), [Questions([folder / "questions.json"])]
    made = completions(questions, [folder / "graphs.json"], wanted, folder, PROCESSES, counts)
    write_result_rows(folder / "executed.jsonl", ({"id": id, "samples": [text]} for id, text in made))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "bytes": memory.largest(), **counts.as_dict()}


def judged(folder: Path) -> dict[str, Any]:
    """What the filters keep of some chains, and how long they take."""
    entries = json.loads((folder / "sample.json").read_text())
    examples = [Example(id, ("x.jpg",), question, (answer,), "") for id, question, answer in entries]
    known = {row["id"]: row["samples"] for row in read_result_rows(folder / "executed.jsonl")}
    started = time.perf_counter()
    result = filtered(
        examples, {one.id: known.get(one.id, []) for one in examples}, ChainSet(by="gqa_programs"), PROCESSES
    )
    return {"seconds": time.perf_counter() - started, **result.summary()}


def page(found: dict[str, Any]) -> str:
    """The page of the figures."""
    ran, kept = found["run"], found["judged"]
    rejected = kept["rejected"]
    supported = 1 - sum(n for reason, n in rejected.items() if "does not lead" in reason) / kept["completions"]
    wrong = rejected.get("wrong answer", 0)
    lines = [
        "# GQA's programs",
        "",
        f"`python benchmarks/gqa_programs.py` on {found['machine']}, {PROCESSES} processes: {found['questions']:,} "
        f"questions over {found['images']:,} scene graphs, made up in the form of GQA's files. Seconds include reading "
        "both files and writing the chains. Memory is the largest resident size of all processes together.",
        "",
        "| | seconds | questions per second | GiB |",
        "| --- | --- | --- | --- |",
        f"| executing and wording | {ran['seconds']:.0f} | {found['questions'] / ran['seconds']:,.0f} | "
        f"{ran['bytes'] / 2**30:.2f} |",
        f"| filtering {kept['questions']:,} of them | {kept['seconds']:.0f} | "
        f"{kept['questions'] / kept['seconds']:,.0f} | |",
        "",
        f"Of {kept['questions']:,} questions, {kept['completions']:,} have a chain; {wrong} chains come to another "
        f"answer than the question's. The judge says SUPPORT of {supported:.1%}, and the filters keep "
        f"{kept['chains']:,}, with a median of {kept['words']['median']} words and {kept['distinct_openings']:,} "
        "beginnings. Left out: "
        f"{', '.join(f'{reason} {count:,}' for reason, count in rejected.items()) or 'none'}.",
        "",
        "## Operations",
        "",
        "How often each operation occurs in these questions, by its name in the file:",
        "",
        "| operation | steps |",
        "| --- | --- |",
        *(f"| {name} | {count:,} |" for name, count in ran["operations"].items()),
    ]
    left = ", ".join(f"{reason} {count:,}" for reason, count in ran["left_out"].items())
    return "\n".join([*lines, "", f"Questions without a chain: {left or 'none'}."]) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    """Measure in processes of their own, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="for some GB of temporary files")
    parser.add_argument("--questions", type=int, default=QUESTIONS)
    parser.add_argument("--images", type=int, default=IMAGES)
    parser.add_argument("--run", choices=("run", "judged"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=REPO / "benchmarks")
    arguments = parser.parse_args(argv)
    if arguments.run:
        print(json.dumps((run if arguments.run == "run" else judged)(arguments.work)))
        return
    found: dict[str, Any] = {"machine": machine(), "questions": arguments.questions, "images": arguments.images}
    with TemporaryDirectory(dir=arguments.work) as work:
        folder = Path(work)
        write_files(folder, arguments.questions, arguments.images)
        rows = json.loads((folder / "questions.json").read_text())
        (folder / "ids.json").write_text(json.dumps([*rows]))
        step = max(1, len(rows) // JUDGED)
        sample = [(id, row["question"], row["answer"]) for id, row in [*rows.items()][::step]]
        (folder / "sample.json").write_text(json.dumps(sample))
        del rows
        for name in ("run", "judged"):
            command = [sys.executable, __file__, "--run", name, "--work", str(folder)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found[name] = json.loads(output.splitlines()[-1])
    for many in ("accepted", "refused"):
        del found["judged"][many]
    write_json(arguments.out / "gqa_programs.json", found)
    write_text(arguments.out / "gqa_programs.md", page(found))


if __name__ == "__main__":
    main()
