"""RL whose prompts may open the chain of thought: rewards get it as a part of the completion."""

from collections.abc import Sequence
from typing import Any

import torch
from trl import GRPOTrainer

from reinforced_cot.data.opened_chains import opened_by

Conversation = list[dict[str, Any]]


class OpenedRolloutsTrainer(GRPOTrainer):
    """A `GRPOTrainer` whose rewards read each completion from its first tag on, though the prompt may hold that tag.

    Token ids are left as they are: what the prompt has opened was not drawn from the policy, and has no gradient.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # With a template of the checkpoint's own, TRL would put chains apart, where no reward finds them.
        self.processing_class.tokenizer.response_template = None

    def _calculate_rewards(
        self, inputs: Any, prompts: Sequence[Conversation], completions: Sequence[Conversation], *args: Any
    ) -> torch.Tensor:
        render = self.processing_class.apply_chat_template
        opened = [opened_by(render(prompt, tokenize=False, add_generation_prompt=True)) for prompt in prompts]
        whole = [
            [*before, {**last, "content": beginning + last["content"]}]
            for beginning, (*before, last) in zip(opened, completions, strict=True)
        ]
        rewards: torch.Tensor = super()._calculate_rewards(inputs, prompts, whole, *args)
        return rewards
