"""What went wrong in a training, read from its curves: in words, with what to try. No torch, no pandas.

The limits were set on the runs of `benchmarks/diagnosis.py`: some are spoilt on purpose, and the sound ones have to
stay without a finding.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, variance
from typing import Any

_FEWEST = 6  # logged values from which a trend is read
_PART = 0.25  # of the values stand for the beginning, and as many for the end
_CLEAR = 3.0  # standard errors by which beginning and end of a clear trend differ
_CORRECTNESS = "rewards/correctness_reward/mean"
_FORMAT = "rewards/format_reward/mean"


@dataclass(frozen=True)
class Finding:
    """A fault that a training's log shows.

    Attributes:
        policy: whose training.
        fault: its short name, such as ``equal-groups``.
        figure: the key of the chart that it is read from (`report.curves`).
        text: what was seen, with the figures.
        advice: what to try.
    """

    policy: str
    fault: str
    figure: str
    text: str
    advice: str

    @property
    def sentence(self) -> str:
        """The whole, for a page or a log."""
        return f"{self.policy}: {self.text} {self.advice}"


class Curve:
    """The values that were logged under a name, with their beginning and their end."""

    def __init__(self, history: Sequence[Mapping[str, Any]], name: str) -> None:
        self.values = [float(entry[name]) for entry in history if entry.get(name) is not None]
        part = max(2, round(len(self.values) * _PART))
        self._first, self._last = self.values[:part], self.values[-part:]

    @property
    def has_trend(self) -> bool:
        """Whether there are enough values to compare beginning and end."""
        return len(self.values) >= _FEWEST and all(map(isfinite, self.values))

    @property
    def start(self) -> float:
        """The mean of the beginning."""
        return fmean(self._first)

    @property
    def end(self) -> float:
        """The mean of the end."""
        return fmean(self._last)

    @property
    def change(self) -> float:
        """How much higher the end is than the beginning."""
        return self.end - self.start

    @property
    def peak(self) -> float:
        """The greatest mean of as many values in a row as stand for the end."""
        width = len(self._last)
        return max(fmean(self.values[place : place + width]) for place in range(len(self.values) - width + 1))

    @property
    def rises(self) -> bool:
        """Whether the end is clearly higher than the beginning, measured by how much both scatter."""
        error = sqrt(variance(self._first) / len(self._first) + variance(self._last) / len(self._last))
        return self.change > max(_CLEAR * error, 1e-9)


def diagnose(
    policy: str, method: str, history: Sequence[Mapping[str, Any]], updates_per_generation: float = 1
) -> list[Finding]:
    """What is wrong in a policy's training, the worst first; nothing for a sound one.

    Args:
        method: that trained the policy, as in `policies.methods`.
        history: the logged entries, each with its ``step``.
        updates_per_generation: how many optimizer steps RL takes with the same completions; with one, every importance
            ratio is 1 and nothing can be clipped.
    """
    checks = _RL if method == "grpo" else _SUPERVISED
    found = [Finding(policy, *seen) for check in checks for seen in check(history)]
    if method == "grpo" and updates_per_generation > 1:
        found += [Finding(policy, *seen) for seen in _never_clips(history)]
    return found


Seen = tuple[str, str, str, str]  # fault, figure, text, advice


def _equal_groups(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    share = Curve(history, "frac_reward_zero_std")
    if len(share.values) >= 2 and share.end > 0.75:
        yield (
            *("equal-groups", "equal-groups"),
            f"In {share.end:.0%} of the groups, all completions earned the same, so that RL learned nothing from them.",
            "Choose questions that are neither solved nor hopeless (`pass_rate`), sample at a higher `temperature`, or "
            "raise `num_generations`.",
        )


def _cut_off(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    share = Curve(history, "completions/clipped_ratio")
    if share.values and share.end > 0.5:
        yield (
            *("cut-off", "cut-off"),
            f"{share.end:.0%} of the completions were cut off before they ended, and what is cut off earns nothing for "
            "its answer.",
            "Raise `max_completion_length`, or teach shorter chains.",
        )


def _reward_without_answers(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    reward = Curve(history, "reward")
    if not (reward.has_trend and reward.rises):
        return
    right, validated, form = (Curve(history, name) for name in (_CORRECTNESS, "eval_accuracy", _FORMAT))
    if len(validated.values) >= 3:
        gained, figure, where = validated.values[-1] - validated.values[0], "val-accuracy", "right answers on val"
    elif right.has_trend:
        gained, figure, where = right.change, "reward-correctness", "right answers"
        if right.rises and gained > 0.02:
            return
    elif form.has_trend:
        gained, figure, where = 0.0, "reward", "right answers, which no reward pays,"
    else:
        return
    if gained > 0.02:
        return
    if form.has_trend and form.change > 0.15:
        yield (
            *("format-only", "reward-format"),
            f"The policy learned the format ({form.start:.2f} to {form.end:.2f}) and nothing else: {where} did not "
            "become more frequent.",
            "Give `correctness` a weight that outweighs `format`, and train longer once the format is learned.",
        )
    else:
        yield (
            *("reward-without-answers", figure),
            f"The reward rose from {reward.start:.2f} to {reward.end:.2f}, and {where} did not become more frequent "
            f"({gained:+.2f}).",
            "Something else is paid: look at the components, at the probes and at the completions in the gallery.",
        )


def _falling_reward(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    reward = Curve(history, "reward")
    if reward.has_trend and reward.peak - reward.end > 0.3 * max(abs(reward.peak), 0.5):
        yield (
            *("falling-reward", "reward"),
            f"The reward fell from {reward.peak:.2f} to {reward.end:.2f}: training made the policy worse.",
            "Lower `learning_rate`, keep clipping (`epsilon`), or hold the policy with `beta` above 0.",
        )


def _entropy_explosion(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    entropy = Curve(history, "entropy")
    if entropy.has_trend and entropy.end > 1 and entropy.end > 3 * entropy.start:
        yield (
            *("entropy-explosion", "entropy"),
            f"Entropy rose from {entropy.start:.2f} to {entropy.end:.2f} nats: the policy writes ever more at random.",
            "Lower `learning_rate`, or keep clipping (`epsilon`).",
        )


def _entropy_collapse(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    entropy = Curve(history, "entropy")
    if entropy.has_trend and entropy.end < 0.2 * entropy.start:
        yield (
            *("entropy-collapse", "entropy"),
            f"Entropy fell from {entropy.start:.3f} to {entropy.end:.4f} nats: the policy writes the same in nearly "
            "every sample, and no longer explores.",
            "Lower `learning_rate`, raise `epsilon_high` above `epsilon`, or stop earlier.",
        )


def _length_collapse(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    length = Curve(history, "completions/mean_length")
    if length.has_trend and length.end < 0.6 * length.start:
        yield (
            *("length-collapse", "length"),
            f"Completions shrank from {length.start:.0f} to {length.end:.0f} tokens: the chains may be gone.",
            "Lower the weight of rewards that pay for brevity, and read some completions in the gallery.",
        )


def _kl_runs_away(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    divergence = Curve(history, "kl")
    if divergence.has_trend and divergence.end > 0.5 and divergence.end > 2 * abs(divergence.start):
        yield (
            *("kl-runs-away", "kl"),
            f"The divergence from the policy at the start reached {divergence.end:.2f} nats per token and grows.",
            "Raise `beta`, or lower `learning_rate`.",
        )


def _never_clips(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    clipped = Curve(history, "clip_ratio/region_mean")
    acted = sum(value > 0 for value in clipped.values)
    equal = Curve(history, "frac_reward_zero_std")
    if equal.values and fmean(equal.values) > 0.5:
        return  # where nothing is learned, there is nothing to clip
    if clipped.has_trend and acted <= 0.3 * len(clipped.values):
        yield (
            *("never-clips", "clip-fraction"),
            f"Clipping acted at {acted} of {len(clipped.values)} logged steps: hardly any change of a token or sequence"
            " reaches the bound.",
            "Lower `epsilon`: for `importance_sampling_level: sequence` it is a thousandth part of what tokens need.",
        )


def _diverging_loss(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    loss = Curve(history, "loss")
    if len(loss.values) < 3:
        return
    best = min(loss.values)
    if loss.end > 2 * best + 0.05 or (loss.has_trend and loss.rises and loss.change > 0.1 * loss.start):
        yield (
            *("diverging-loss", "loss"),
            f"The loss did not settle: it was {best:.3f} at best and {loss.end:.3f} at the end.",
            "Lower `learning_rate`, or warm it up for longer.",
        )


def _flat_loss(history: Sequence[Mapping[str, Any]]) -> Iterator[Seen]:
    loss = Curve(history, "loss")
    if loss.has_trend and abs(loss.change) < 0.02 * abs(loss.start):
        yield (
            *("flat-loss", "loss"),
            f"The loss hardly changed ({loss.start:.3f} to {loss.end:.3f}): the policy learned next to nothing.",
            "Raise `learning_rate`, or train for more steps.",
        )


_RL: Sequence[Callable[[Sequence[Mapping[str, Any]]], Iterator[Seen]]] = (
    _kl_runs_away,
    _cut_off,
    _falling_reward,
    _entropy_explosion,
    _reward_without_answers,
    _length_collapse,
    _entropy_collapse,
    _equal_groups,  # what the others lead to, too
)
_SUPERVISED = (_diverging_loss, _flat_loss)
