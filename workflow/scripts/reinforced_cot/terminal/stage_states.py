"""What is done, stale, running and missing, as Snakemake itself finds it in a dry-run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reinforced_cot.inert_text import visible
from reinforced_cot.terminal.progress import StageLog
from reinforced_cot.terminal.running import RunningStage
from reinforced_cot.terminal.sentences import duration, progress_in_words, title


@dataclass(frozen=True)
class StageState:
    """One line of `make status`.

    Attributes:
        state: done, stale, running or missing.
        detail: when and how long, why, how far, or what it waits for.
    """

    title: str
    state: str
    detail: str


def stage_states(dag: Any, running: Sequence[RunningStage]) -> Iterator[StageState]:
    """The states of all stages of a dry-run's ``dag``, each after those that it needs."""
    runs = {stage.outputs: stage for stage in running}
    for level in dag.toposorted():
        for job in sorted(level, key=lambda job: (job.rule.name, str(job.wildcards_dict))):
            if job.benchmark is not None:
                name = title(job.rule.name, job.wildcards_dict)
                yield StageState(name, *_state(dag, job, runs.get(tuple(map(str, job.output)))))


def _state(dag: Any, job: Any, run: RunningStage | None) -> tuple[str, str]:
    if run:
        spent = duration(time.time() - run.started)
        return "running", f"{progress_in_words(StageLog(Path(run.log)).progress())} ({spent} so far)"
    if not dag.needrun(job):
        return "done", _when(job)
    absent = [str(file) for file in job.output if not Path(file).exists()]
    reason = dag.reason(job)
    if len(absent) == len(job.output):
        return "missing", _waits_for(dag, job, reason)
    return "stale", why(dag, job, absent)


def _when(job: Any) -> str:
    """When a stage ended, and the seconds that it took, by its benchmark."""
    ended = max((file.stat().st_mtime for file in map(Path, job.output) if file.exists()), default=0.0)
    text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(ended))
    try:
        seconds = float(Path(job.benchmark).read_text(encoding="utf-8").splitlines()[1].split("\t")[0])
    except (OSError, ValueError, IndexError):
        return text
    return f"{text}, took {duration(seconds)}"


def why(dag: Any, job: Any, absent: Sequence[str]) -> str:
    """One phrase for Snakemake's reason to run a job of which only the outputs ``absent`` are not there."""
    reason = dag.reason(job)
    if absent:
        return visible(f"{absent[0]} is missing")
    if reason.forced or reason.incomplete_output:  # the profile forces what is incomplete
        return "a run that was killed left it incomplete"
    if reason.params_changed:
        return _changed_params(reason.params_changed)
    if reason.code_changed:
        return f"the rule {visible(job.rule.name)} changed"
    if reason.input_changed:
        return "it has other input files"
    by_jobs = {str(file) for file in reason.updated_input_run}
    if changed := [file for file in map(str, reason.updated_input) if file not in by_jobs]:
        return visible(f"{_first(changed)} changed")
    if by_jobs:
        makers = _makers(dag, job, by_jobs)
        if settings := [file for file, maker in makers.items() if maker.benchmark is None]:
            return visible(f"config changed ({_first(settings)})")
        return (
            f"after {_names(makers.values())}, if {'its' if len(set(makers.values())) == 1 else 'their'} results change"
        )
    return visible(str(reason))


def _waits_for(dag: Any, job: Any, reason: Any) -> str:
    """The stages that must run before a missing one can."""
    waits = [maker for maker in dag.dependencies[job] if dag.needrun(maker) and maker.benchmark is not None]
    return f"after {_names(waits)}" if waits else "can run now"


def _makers(dag: Any, job: Any, files: set[str]) -> dict[str, Any]:
    """The job that makes each of ``files``, by file."""
    return {str(file): maker for maker, made in dag.dependencies[job].items() for file in made if str(file) in files}


def _names(jobs: Any) -> str:
    first, *further = sorted({title(job.rule.name, job.wildcards_dict) for job in jobs})
    return f"{first} and {len(further)} more" if len(further) > 1 else ", ".join([first, *further])


def _changed_params(change: Any) -> str:
    """Which code changed, by the hashes among the params (``reinforced_cot.training.sft 0a1b``), or which argument."""
    modules = {name for text in change.only_new for name in [_module(str(text))] if name}
    gone = {name for text in change.only_old for name in [_module(str(text))] if name} - modules
    if modules or gone:
        first, *further = sorted(modules or gone)
        more = f" and {len(further)} more files" if further else ""
        return visible(f"code of {first.replace('.', '/')}.py{more} changed")
    return visible(
        f"an argument changed to {_first(map(str, change.only_new))}" if change.only_new else "fewer arguments"
    )


def _module(param: str) -> str:
    """The module of a param that is a code hash, else ''."""
    name, _, digest = param.strip("'\"").partition(" ")
    is_hash = len(digest) >= 12 and all(character in "0123456789abcdef" for character in digest)
    return name if is_hash and name.replace(".", "").isidentifier() else ""


def _first(names: Any) -> str:
    return min(map(str, names))


def as_table(states: Sequence[StageState]) -> str:
    """One line per stage."""
    width = max((len(stage.title) for stage in states), default=0)
    return "\n".join(f"{stage.title:{width}}  {stage.state:7}  {stage.detail}".rstrip() for stage in states)


def counted(states: Sequence[StageState]) -> str:
    """``3 done, 1 running, 9 missing``."""
    found: Mapping[str, int] = {
        state: sum(stage.state == state for stage in states) for state in ("done", "running", "stale", "missing")
    }
    return ", ".join(f"{count} {state}" for state, count in found.items() if count)
