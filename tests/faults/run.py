"""Every fault of tests/faults/ in turn, against a finished run: the long version of the tests, with a table of results.

    python tests/faults/run.py --kills 200 --seed 1 --document docs/robustness.md

It makes the undisturbed run first (or takes the one in --finished), and writes its table between the two marks of the
document. A trial that went wrong leaves its folder below --folder, which its line names. With --records, each trial is
written to a file when it ends, and the same command after an interruption goes on with the others.
"""

import argparse
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import corruptions
import full_disk
import kills
import two_writers
from chain_sets import reply, with_chains
from jobs import jobs_of
from places import REPO
from processes import take_interrupts
from tables import Record, Trial, results, write_results
from teacher_server import TeacherServer
from workflow_copy import WorkflowCopy, copy_workflow

SMOKE = ("--configfile", "tests/configs/smoke.yaml")


class Part(NamedTuple):
    """One kind of fault: its title, its trials, and what carries one of them out."""

    title: str
    trials: Sequence[Any]
    perform: Callable[..., Trial]


class Broken(NamedTuple):
    """A trial that the harness could not carry out."""

    name: str
    problem: str
    said: str = ""
    outcome: str = ""
    seconds: float = 0.0


def recorded(file: Path | None, drawn: str) -> dict[tuple[str, int], Record]:
    """The trials that an earlier call has carried out as required, by kind and number.

    Args:
        drawn: the seed and count by which the trials were drawn; those of others are left out.
    """
    found = {}
    if file and file.exists():
        with file.open("r+b") as stream:
            while stream.peek(1):
                end = stream.tell()
                try:
                    record: Record = pickle.load(stream)
                except (EOFError, pickle.UnpicklingError):  # the call was killed while it wrote
                    stream.truncate(end)
                    break
                if record.drawn == drawn and not record.trial.problem:
                    found[record.part, record.number] = record
    return found


def commit() -> str:
    """The commit of the workflow, with a mark where files differ from it."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=REPO, capture_output=True, text=True)
    return described.stdout.strip()


def parts(jobs: Any, count: int, seed: int, folder: Path) -> dict[str, Part]:
    """All faults, by the names that --only takes."""
    disks = full_disk.all_full_disks() if full_disk.can_mount(folder / "mount") else []
    if not disks:
        print("full disks are left out: mounting a tmpfs takes root", flush=True)
    writers = [two_writers.TwoWritersTrial(job) for job in two_writers.JOBS]
    return {
        "kills": Part("kills", kills.drawn_kills(jobs, count, seed), kills.perform),
        "corruptions": Part("corruptions", corruptions.all_corruptions(seed), corruptions.perform),
        "disks": Part("full disks", disks, full_disk.perform),
        "writers": Part("two writers", writers, two_writers.perform),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=("kills", "corruptions", "disks", "writers"), help="not all four")
    parser.add_argument("--jobs", nargs="+", default=[], help="not all jobs: rules, or names such as 'sft taught'")
    parser.add_argument("--kills", type=int, default=200, help="how many trials with kills")
    parser.add_argument("--sample", type=int, help="only this many trials of each kind, drawn by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="trials at the same time")
    parser.add_argument("--folder", type=Path, help="for the copies; a temporary one by default")
    parser.add_argument(
        "--finished", type=Path, help="a finished run of the smoke configuration, to which chains are added"
    )
    parser.add_argument("--records", type=Path, help="file for the trials that have ended, which are not repeated")
    parser.add_argument("--document", type=Path, help="Markdown file that the table is written into")
    args = parser.parse_args()
    take_interrupts()
    with TeacherServer(reply) as teacher:
        sys.exit(0 if all_as_required(args, teacher) else 1)


def all_as_required(args: argparse.Namespace, teacher: TeacherServer) -> bool:
    """Carry the trials out, print their results, and return whether nothing went wrong."""
    folder = args.folder or Path(mkdtemp(prefix="faults-"))
    folder.mkdir(parents=True, exist_ok=True)
    if args.finished:
        run = WorkflowCopy(args.finished.resolve(), SMOKE)
    else:
        run = copy_workflow(REPO, folder / "finished", *SMOKE)
        run.snakemake("--cores", "2")
    run = with_chains(run, teacher)
    drawn = f"seed {args.seed}, {args.kills} kills"
    jobs, known, revision = jobs_of(run), recorded(args.records, drawn), commit()
    if unknown := {*args.jobs} - {*jobs} - {job.rule for job in jobs.values()}:
        sys.exit(f"no job of the run is {' or '.join(unknown)}; there are {', '.join(jobs)}")
    done: dict[str, list[Record]] = {}
    for name, part in parts(jobs, args.kills, args.seed, folder).items():
        if args.only and name not in args.only:
            continue
        trials = [
            (number, trial)
            for number, trial in enumerate(part.trials)
            if not args.jobs or {trial.job, trial.job.split()[0]} & {*args.jobs}
        ]
        if args.sample and args.sample < len(trials):
            trials = Random(args.seed).sample(trials, args.sample)

        def carry_out(numbered: tuple[int, Any], name: str = name, part: Part = part) -> Record:
            number, trial = numbered
            if (name, number) in known:
                return known[name, number]
            started = time.monotonic()
            result: Trial
            root = folder / f"{name}-{number}"
            try:
                result = part.perform(trial, run, jobs, root)
            except Exception as error:  # hours of other trials must not be lost
                result = Broken(trial.name, f"the harness fails: {error!r}")
            state = f"WRONG ({root}): {result.problem}" if result.problem else result.said
            print(f"{name} {number} [{result.seconds:.0f} s] {result.name}: {state}", flush=True)
            record = Record(name, number, result, revision, time.monotonic() - started, drawn)
            if args.records:
                with args.records.open("ab") as file:
                    file.write(pickle.dumps(record))
            return record

        with ThreadPoolExecutor(args.workers) as pool:
            done[part.title] = list(pool.map(carry_out, trials))
    text = results(done, args.seed)
    print(text)
    if args.document:
        write_results(args.document, text)
    return not any(record.trial.problem for records in done.values() for record in records)


if __name__ == "__main__":
    main()
