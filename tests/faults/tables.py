"""The results of all trials as Markdown, for docs/robustness.md."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

from corruptions import CorruptionTrial
from kills import MOMENTS, KillTrial

MARKS = ("<!-- results: written by `make faults` -->", "<!-- end of results -->")


class Trial(Protocol):
    """What the four kinds of trials have in common."""

    @property
    def seconds(self) -> float:
        """How long it took."""

    @property
    def name(self) -> str:
        """What is done."""

    @property
    def said(self) -> str:
        """What the run made of it, in full."""

    @property
    def outcome(self) -> str:
        """The same in a word or two, where nothing is wrong."""

    @property
    def problem(self) -> str:
        """What is wrong; empty if nothing is."""


class Record(NamedTuple):
    """A trial that has ended: its kind, its number among those that were drawn, the commit, and the seconds it took."""

    part: str
    number: int
    trial: Trial
    commit: str
    seconds: float
    drawn: str


def results(done: Mapping[str, Sequence[Record]], seed: int) -> str:
    """One line for each kind of fault, one for each trial that went wrong, then what was tried in detail.

    Args:
        done: the trials, by the titles of their kinds.
    """
    records = [record for part in done.values() for record in part]
    commits, hours = dict.fromkeys(record.commit for record in records), sum(r.seconds for r in records) / 3600
    at = f"Commit{'s' * (len(commits) > 1)} {', '.join(commits)}"
    lines = [f"{at}, seed {seed}, {os.cpu_count()} cores; {hours:.1f} hours of trials, one after another.", ""]
    trials = {title: [record.trial for record in part] for title, part in done.items()}
    lines += table(("faults", "trials", "as required", "of these"), map(_summary, trials, trials.values()))
    wrong = [record.trial for record in records if record.trial.problem]
    if wrong:
        lines += ["", "Not as required:", ""]
        lines += [f"- {trial.name}: {' '.join(trial.problem.split())[:200]}" for trial in wrong]
    every = [record.trial for record in records]
    killed = [trial for trial in every if isinstance(trial, KillTrial)]
    if killed:
        lines += ["", *table(("killed stage", "kills", "as required", "moments by name"), _by_stage(killed))]
    damaged = [trial for trial in every if isinstance(trial, CorruptionTrial)]
    if damaged:
        lines += ["", *table(("damaged file", "read by", "noticed", "healed", "neither"), _by_file(damaged))]
    return "\n".join(lines)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(map(str, row))} |"


def _summary(title: str, trials: Sequence[Trial]) -> Sequence[object]:
    good = Counter(trial.outcome for trial in trials if not trial.problem)
    return title, len(trials), sum(good.values()), ", ".join(f"{number} {word}" for word, number in good.most_common())


def _by_stage(trials: Sequence[KillTrial]) -> Iterator[Sequence[object]]:
    """One row per stage; a trial may have two kills."""
    for rule, moments in MOMENTS.items():
        own = [trial for trial in trials if trial.job.split()[0] == rule]
        kills = sum(happened == "killed" for trial in own for happened in trial.happened)
        yield rule, kills, f"{sum(not trial.problem for trial in own)} of {len(own)} trials", _code(moments)


def _by_file(trials: Sequence[CorruptionTrial]) -> Iterator[Sequence[object]]:
    for target, group in groupby(trials, key=lambda trial: trial.target):
        own = list(group)
        words = ["neither" if trial.problem else trial.outcome for trial in own]
        names = (
            ", ".join(trial.damage for trial, word in zip(own, words, strict=True) if word == column)
            for column in ("noticed", "healed", "neither")
        )
        yield f"`{target.pattern.lstrip('/')}`", target.job + (", resuming" if target.kept else ""), *names


def _code(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def write_results(document: Path, text: str) -> None:
    """Put ``text`` between the two marks of a document."""
    before, _, rest = document.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    document.write_text(f"{before}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{after}", encoding="utf-8")
