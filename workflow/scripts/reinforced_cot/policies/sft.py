"""Settings of supervised fine-tuning on chains of thought."""

from reinforced_cot.policies.settings import TrainedPolicy, TrainSettings
from reinforced_cot.section import Switch


class SftPolicy(TrainedPolicy):
    """A policy made by supervised fine-tuning on chains of thought. The loss is taken on completion tokens only, and
    nothing is truncated.
    """

    padding_free: Switch = "auto"
    """Put chains of several lengths into one row without padding, in which each sees only itself: `auto` where the
    model allows it (else the log says why not), `on` insists, `off` pads. Loss and gradients are the same, except for
    what dropout draws.
    """


class SftSettings(TrainSettings):
    """What the stage `sft` reads."""

    policy: SftPolicy
