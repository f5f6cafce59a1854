"""Answering with vLLM's offline engine: many times faster on a GPU, and the same answers but for rounding."""

import os
from pathlib import Path

os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")  # no hidden network access
os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # one engine per process: no second one to start and stop

from transformers import GenerationConfig, ProcessorMixin
from vllm import LLM, SamplingParams
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput

from reinforced_cot.errors import PipelineError
from reinforced_cot.files import read_json
from reinforced_cot.generation.batching import Batch, Completion, shown_images
from reinforced_cot.generation.rendering import started_turn
from reinforced_cot.generation.settings import AnswerSettings
from reinforced_cot.models.checkpoints import context_length
from reinforced_cot.models.embedded_adapter import ADAPTER_CONFIG, has_adapter
from reinforced_cot.models.loading import device
from reinforced_cot.models.processors import NEVER, prompt_length, vision_token_ids
from reinforced_cot.seeds import mixed

_RANK_LIMITS = (8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM's max_lora_rank may have


class VllmEngine:
    """A checkpoint in vLLM, which answers as `generate.generate_batch` does with transformers."""

    def __init__(
        self, folder: Path, processor: ProcessorMixin, settings: AnswerSettings, data: Path, images: int
    ) -> None:
        """
        Args:
            folder: a checkpoint; its processor has the pixel budget.
            data: the folder that image paths are relative to.
            images: how many images one question shows at most.
        """
        loading, answering = settings.base_model, settings.answer
        self._processor, self._prompt, self._data = processor, settings.prompt, data
        context = context_length(folder, loading.trust_remote_code)
        adapter = {"enable_lora": True, "max_lora_rank": _rank_limit(folder)} if has_adapter(folder) else {}
        self._engine = LLM(
            model=str(folder),
            dtype=loading.dtype,  # "auto" would make bfloat16 of float32
            trust_remote_code=loading.trust_remote_code,
            max_model_len=min(context, self._prompt.max_tokens + answering.max_new_tokens),
            max_num_seqs=answering.batch_size * max(1, answering.samples),
            gpu_memory_utilization=answering.gpu_memory_utilization,
            limit_mm_per_prompt={"image": images, "video": 0},
            generation_config="vllm",  # not the checkpoint's own sampling defaults
            enforce_eager=device().type == "cpu",  # compiling takes longer there than a short evaluation
            disable_log_stats=True,
            **adapter,
        )
        self._adapter = LoRARequest("adapter", 1, str(folder)) if adapter else None
        ends = GenerationConfig.from_pretrained(folder).eos_token_id
        self._options = {
            "top_p": 1.0,
            "top_k": 0,
            "logit_bias": dict.fromkeys(vision_token_ids(processor), NEVER),
            "stop_token_ids": [ends] if isinstance(ends, int) else ends,
        }

    def generate_batch(
        self, batch: Batch, *, max_new_tokens: int, samples: int = 0, seed: int = 0, begin: str = ""
    ) -> list[list[Completion]]:
        """Do what `generate.generate_batch` does.

        Raises:
            PipelineError: vLLM read a prompt as a different number of tokens from what the processor counts.
        """
        turns = [started_turn(self._processor, example, self._prompt, begin) for example in batch.examples]
        images = shown_images(batch, self._data)
        sampling = [
            SamplingParams(
                n=samples or 1,
                temperature=1.0 if samples else 0.0,
                max_tokens=max_new_tokens,
                seed=mixed(seed, "vllm", batch.number, position) % 2**31,
                **self._options,
            )
            for position in range(len(turns))
        ]
        prompts = [
            {"prompt": turn.text, "multi_modal_data": {"image": shown}}
            for turn, shown in zip(turns, images, strict=True)
        ]
        outputs = self._engine.generate(prompts, sampling, use_tqdm=False, lora_request=self._adapter)
        for turn, shown, example, output in zip(turns, images, batch.examples, outputs, strict=True):
            expected = prompt_length(self._processor, turn.text, [image.size for image in shown])
            if len(output.prompt_token_ids) != expected:
                raise PipelineError(
                    f"vLLM read the prompt of {example.id} as {len(output.prompt_token_ids)} tokens, not {expected}: "
                    "its pixel budget or template differs from the checkpoint's"
                )
        return [
            [self._completion(turn.written, answer) for answer in output.outputs]
            for turn, output in zip(turns, outputs, strict=True)
        ]

    def _completion(self, written: str, answer: CompletionOutput) -> Completion:
        # vLLM's own text lacks the beginning of a character that the last tokens leave unfinished.
        text = self._processor.tokenizer.decode(list(answer.token_ids), skip_special_tokens=True)
        return Completion(written + text, answer.finish_reason == "length")


def _rank_limit(folder: Path) -> int:
    """The smallest of vLLM's limits that an embedded adapter's rank is within.

    Raises:
        PipelineError: the rank is larger than all of them.
    """
    rank = read_json(folder / ADAPTER_CONFIG)["r"]
    if limit := next((limit for limit in _RANK_LIMITS if limit >= rank), None):
        return limit
    raise PipelineError(
        f"{folder} has an adapter of rank {rank} beside its weights, and vLLM takes {_RANK_LIMITS[-1]} at most: set "
        "answer.engine to transformers"
    )
