"""A trainer that really has the weights of the checkpoint it goes on from."""

from pathlib import Path

import torch
from peft import PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import Trainer

from reinforced_cot.lora.adapter import ADAPTER_FILES


class ResumingTrainer(Trainer):
    """In two cases `Trainer` says nothing, and goes on with the weights that the run had started from.

    In full, it compares a file's names, which are those of the model's first publication, with its modules', and finds
    none of them. With an adapter and its reference (TRL's ``ref``, a folder in the checkpoint), it loads that alone.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        elif isinstance(self.model, PeftModel):
            set_peft_model_state_dict(self.model, load_file(Path(resume_from_checkpoint) / ADAPTER_FILES[1]))
        else:
            for process in range(self.accelerator.num_processes):  # in turn: each has the whole model in memory
                if process == self.accelerator.process_index:
                    saved = type(self.model).from_pretrained(resume_from_checkpoint, dtype=self.model.dtype)
                    self.model.load_state_dict(saved.state_dict())
                    del saved
                self.accelerator.wait_for_everyone()
