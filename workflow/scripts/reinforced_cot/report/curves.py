"""The report's curves: what each training logged, over its steps."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from reinforced_cot.report.charts import Figure, curve
from reinforced_cot.report.diagnosis import Finding
from reinforced_cot.report.logged_steps import history
from reinforced_cot.report.run import Run
from reinforced_cot.scoring.hack_probes import PROBES

_COMPONENT = re.compile(r"rewards/(.+)/mean")
_NOT_OF_A_WORD = re.compile(r"\W+")


class Logged(NamedTuple):
    """A curve that every RL policy may have: the name in the log, and the words about it."""

    name: str
    key: str
    title: str
    label: str


REWARD = Logged("reward", "reward", "Reward of the sampled completions", "weighted sum")
OF_TRAINING = (
    Logged("entropy", "entropy", "Entropy of the next token", "nats"),
    Logged("kl", "kl", "Divergence from the policy at the start (KL)", "nats per token"),
    Logged("clip_ratio/region_mean", "clip-fraction", "Tokens whose change was clipped", "share"),
    Logged("completions/mean_length", "length", "Length of the completions", "tokens"),
    Logged("completions/clipped_ratio", "cut-off", "Completions cut off at the greatest length", "share"),
    Logged("frac_reward_zero_std", "equal-groups", "Groups whose completions all earned the same", "share"),
)


def curves(run: Run, findings: Sequence[Finding] = ()) -> list[Figure]:
    """The charts of what was logged, with what was found in each below it."""
    histories = {policy: history(found) for policy, found in run.metrics.items()}
    colours = {policy.name: number for number, policy in enumerate(run.policies)}

    def said(key: str) -> list[str]:
        return [finding.sentence for finding in findings if finding.figure == key]

    figures = []
    for logged in _shared(histories):
        if lines := _lines(histories, logged.name):
            figures.append(curve(logged.key, logged.title, lines, logged.label, colours, said(logged.key)))
    figures += _validation(run, histories, colours, said("val-accuracy"))
    titles = dict.fromkeys(policy.loss_title for policy in run.trained if policy.loss_title)
    for number, title in enumerate(titles):
        names = [policy.name for policy in run.trained if policy.loss_title == title]
        if lines := _lines({name: histories[name] for name in names if name in histories}, "loss"):
            key = f"loss-{number}" if number else "loss"
            figures.append(curve(key, title, lines, "cross-entropy", colours, said(key)))
    for policy, frame in histories.items():
        probes = {name.removeprefix(PROBES).replace("_", " "): frame[name] for name in frame if name.startswith(PROBES)}
        if probes:
            key = f"probes-{policy}"
            figures.append(curve(key, f"What cheating would have earned {policy}", probes, "reward", {}, said(key)))
    return figures


def _shared(histories: Mapping[str, pd.DataFrame]) -> Iterator[Logged]:
    """The reward, each of its components, and the measures of training."""
    yield REWARD
    names = dict.fromkeys(str(name) for frame in histories.values() for name in frame)
    for name in names:
        if component := _COMPONENT.fullmatch(name):
            said = component[1].replace("_", " ").removesuffix(" reward")
            title = f"Grades by {said}" if said.startswith("judges.") else f"Reward for {said}"
            yield Logged(name, f"reward-{_NOT_OF_A_WORD.sub('-', said)}", title, "mean, before its weight")
    yield from OF_TRAINING


def _lines(histories: Mapping[str, pd.DataFrame], name: str) -> dict[str, pd.Series]:
    """The values of each policy that has logged some."""
    return {policy: frame[name] for policy, frame in histories.items() if name in frame and frame[name].notna().any()}


def _validation(
    run: Run, histories: Mapping[str, pd.DataFrame], colours: Mapping[str, int], says: Sequence[str]
) -> Iterator[Figure]:
    """Accuracy on val; greedy answers and samples apart, since the one measures what the other does not."""
    for key, samples, title in (("val-accuracy", False, "greedy"), ("val-accuracy-sampled", True, "sampled")):
        frames = {
            policy: frame for policy, frame in histories.items() if bool(run.metrics[policy]["val_samples"]) is samples
        }
        if lines := _lines(frames, "eval_accuracy"):
            yield curve(key, f"Share of right answers to questions of val, {title}", lines, "share", colours, says)
            says = ()
