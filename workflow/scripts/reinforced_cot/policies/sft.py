"""Settings of supervised fine-tuning on chains of thought."""

from dataclasses import replace

from reinforced_cot.chains.policy_keys import DATA
from reinforced_cot.policies.settings import TrainedPolicy, TrainSettings, Workload
from reinforced_cot.section import Switch, Text


class SftPolicy(TrainedPolicy):
    """A policy made by supervised fine-tuning on chains of thought. The loss is taken on completion tokens only, and
    nothing is truncated.
    """

    chains: Text = DATA
    """The chains that it learns from: `data` for those that came with the data, or a set under `chains`."""

    padding_free: Switch = "auto"
    """Put chains of several lengths into one row without padding, in which each sees only itself: `auto` where the
    model allows it (else the log says why not), `on` insists, `off` pads. Loss and gradients are the same, except for
    what dropout draws.
    """

    @property
    def chain_set(self) -> str:
        """As `TrainedPolicy.chain_set`."""
        return self.chains

    def new_tokens(self) -> dict[str, int]:
        """As `TrainedPolicy.new_tokens`: an answer's, by which the checkpoint is chosen."""
        return {"selection.max_new_tokens": self.selection.max_new_tokens}

    def workload(self, prompt: int, row: int, processes: int, trees: bool) -> Workload:
        """As `TrainedPolicy.workload`, with the questions of val that are asked at each save."""
        selection = self.selection
        return replace(
            super().workload(prompt, row, processes, trees),
            generated_rows=selection.batch_size * max(1, selection.samples),
            generated_tokens=prompt + selection.max_new_tokens,
            prompts=selection.batch_size,
            prompt_tokens=prompt,
        )


class SftSettings(TrainSettings):
    """What the stage `sft` reads."""

    policy: SftPolicy
