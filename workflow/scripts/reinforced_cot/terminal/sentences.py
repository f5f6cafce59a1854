"""The lines that a person reads about stages."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from reinforced_cot.inert_text import visible
from reinforced_cot.terminal.progress import Progress

_SHORTEST = 100  # seconds up to which a duration has no minutes
_LONGEST_MESSAGE = 600  # characters


def title(rule: str, wildcards: Mapping[str, str]) -> str:
    """A stage's name and what it works on: ``answer (sft)``, ``grpo`` where the policy has the rule's name."""
    chosen = [value for value in wildcards.values() if value != rule]
    return visible(f"{rule} ({', '.join(chosen)})" if chosen else rule)


def duration(seconds: float) -> str:
    """``16 s``, ``4 min 25 s``, ``3 h 05 min``."""
    whole = round(seconds)
    if whole < _SHORTEST:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def progress_in_words(progress: Progress | None) -> str:
    """``step 16/70, 1.4/s, 38 s left, reward 1.83``; ``under way`` before the first bar."""
    if progress is None:
        return "under way"
    total = "" if progress.total is None else f"/{progress.total}"
    parts = [f"{visible(progress.unit)} {progress.step}{total}"]
    if progress.rate:
        parts.append(f"{progress.rate:.3g}/s" if progress.rate >= 1 else f"{1 / progress.rate:.3g} s each")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return ", ".join([*parts, *metric_in_words(progress)])


def metric_in_words(progress: Progress | None) -> list[str]:
    """``reward 1.83``, or nothing."""
    return [f"{progress.metric[0]} {progress.metric[1]:.3g}"] if progress and progress.metric else []


def last_error(log: Path) -> str:
    """What a failed stage said last, in one line: its own error, or the exception that ended it; else ''."""
    lines = [line.rstrip() for line in _end_of(log).replace("\r", "\n").split("\n")]
    told = [index for index, line in enumerate(lines) if line.startswith("error: ")]
    if told:
        first, *further = [line for line in lines[told[-1] :] if line.strip()]
        more = f" (and {len(further)} more lines)" if len(further) > 1 else f" {further[0].strip()}" if further else ""
        return _cut(visible(first.removeprefix("error: ") + more))
    raised = [line for line in lines if _names_an_exception(line)]
    return _cut(visible(raised[-1])) if raised else ""


def was_interrupted(log: Path) -> bool:
    """Whether a stage ended because of Ctrl-C."""
    lines = [line for line in _end_of(log).replace("\r", "\n").split("\n") if line.strip()]
    return bool(lines) and lines[-1].startswith(("interrupted: ", "KeyboardInterrupt"))


def fitted(line: str, width: int) -> str:
    """``line``, cut so that it takes at most ``width`` columns; characters of East Asia take two."""
    taken = 0
    for index, character in enumerate(line):
        taken += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if taken > width:
            return line[: max(index - 1, 0)] + "…"
    return line


def _names_an_exception(line: str) -> bool:
    name = line.partition(":")[0]
    return name.replace(".", "").isidentifier() and name.endswith(("Error", "Exception", "Exit"))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _end_of(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(file.seek(0, 2) - (1 << 16), 0))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
