"""A reward model in a folder: a sequence classifier with one output grades the conversation, with its images."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoProcessor, AutoTokenizer

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.data.parsing import parse_completion
from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import PipelineError
from reinforced_cot.generation.batching import opened
from reinforced_cot.scoring.judge_settings import PREFIX, Judge

log = logging.getLogger(__name__)


class RewardModel:
    """A reward that a model computes; `reward_loading.checked` wraps it.

    Args:
        name: of the judge. judge: its settings, with their defaults.
        examples: the records that will be asked about. data: the folder that their images are relative to.
        device: where the model computes.

    Raises:
        PipelineError: the folder has no such model, or one with several outputs, or no chat template that keeps chains.
    """

    def __init__(
        self,
        name: str,
        judge: Judge,
        examples: Sequence[Example],
        data: Path,
        prompt: Prompt,
        device: torch.device,
        trust_remote_code: bool = False,
    ) -> None:
        folder, place, self._prompt = str(judge.path), f"{PREFIX}{name}.path", prompt
        options = {"trust_remote_code": trust_remote_code, "local_files_only": True}
        try:
            config = AutoConfig.from_pretrained(folder, **options)
            if config.num_labels != 1:
                raise PipelineError(f"`{place}`: {folder} has {config.num_labels} outputs; a reward model has one")
            model, loaded = AutoModelForSequenceClassification.from_pretrained(
                folder, dtype="auto", output_loading_info=True, **options
            )
            if loaded["missing_keys"]:  # transformers would draw them at random, and grade at random
                raise PipelineError(
                    f"`{place}`: {folder} lacks the weights {', '.join(sorted(loaded['missing_keys']))}"
                )
            takes_images = hasattr(config, "vision_config")
            self._processor = (AutoProcessor if takes_images else AutoTokenizer).from_pretrained(folder, **options)
        except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
            raise PipelineError(f"`{place}`: {folder} is no reward model that transformers loads: {error}") from error
        if not getattr(self._processor, "chat_template", None):
            raise PipelineError(f"`{place}`: {folder} has no chat template, which says how a conversation is written")
        self._takes_images = takes_images
        example = Example("asked", ("a.png",), "What is it?", ("red",), "query")
        written = self._rendered(example, completion_text("I look at it.", "red"))
        if "I look at it." not in written:
            raise PipelineError(f"`{place}`: the chat template of {folder} drops the chain of thought: {written!r}")
        self._model = model.eval().requires_grad_(False).to(device)
        tokenizer = getattr(self._processor, "tokenizer", self._processor)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
        self._records = {example.id: example for example in examples}
        self._judge, self._data = judge, data
        log.info("%s grades %s", folder, "conversations with their images" if takes_images else "texts alone")

    @torch.no_grad()
    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """The output for each completion on the judge's scale, 0 to 1; 0 for a malformed one."""
        texts = [messages[-1]["content"] for messages in completions]
        asked = [place for place, text in enumerate(texts) if parse_completion(text).well_formed]
        grades = [0.0] * len(texts)
        size = self._judge.batch_size or len(asked)
        for start in range(0, len(asked), size):
            places = asked[start : start + size]
            records = [self._records[columns["id"][place]] for place in places]
            outputs = self._outputs(records, [texts[place] for place in places])
            for place, output in zip(places, outputs, strict=True):
                grades[place] = self._on_scale(output)
        return grades

    def _outputs(self, records: Sequence[Example], texts: Sequence[str]) -> list[float]:
        rendered = [self._rendered(*pair) for pair in zip(records, texts, strict=True)]
        options: dict[str, Any] = {"padding": True, "return_tensors": "pt"}
        if self._takes_images:
            options["images"] = [[opened(self._data / name) for name in record.images] for record in records]
        inputs = self._processor(text=rendered, add_special_tokens=False, **options).to(self._model.device)
        logits = self._model(**inputs).logits
        return [float(value) for value in logits[:, 0].float()]

    def _rendered(self, record: Example, text: str) -> str:
        rendered: str = self._processor.apply_chat_template(self._conversation(record, text), tokenize=False)
        return rendered

    def _conversation(self, record: Example, text: str) -> list[dict[str, Any]]:
        messages = prompt_messages(record.question, len(record.images), self._prompt)
        reply: dict[str, Any] = {"role": "assistant", "content": [{"type": "text", "text": text}]}
        if self._takes_images:
            return [*messages, reply]
        return [{**message, "content": _words(message)} for message in [*messages, reply]]

    def _on_scale(self, output: float) -> float:
        low, high = self._judge.scale or (0.0, 1.0)
        return min(1.0, max(0.0, (output - low) / (high - low)))


def _words(message: Mapping[str, Any]) -> str:
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


def reward_models(judges: Mapping[str, Judge], *arguments: Any) -> dict[str, RewardModel]:
    """The judges that are models, by the names of their rewards; arguments and errors as for `RewardModel`."""
    return {
        f"{PREFIX}{name}": RewardModel(name, judge, *arguments) for name, judge in judges.items() if judge.by == "model"
    }
