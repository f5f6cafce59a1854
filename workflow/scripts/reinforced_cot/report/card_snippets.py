"""The code in a model card: how to load the policy with transformers, and how to serve it with vLLM."""

from collections.abc import Mapping
from typing import Any

from reinforced_cot.models.families import Family


def transformers_snippet(family: Family, prompt: Mapping[str, Any], max_new_tokens: int) -> str:
    """Python that asks the policy one question.

    Args:
        family: of the base.
        prompt: the configuration's section.
        max_new_tokens: the longest completion.
    """
    return f'''\
`MODEL` is this folder, or its name on the hub. It needs `transformers`, `torch` and `pillow`, and `peft` where the
folder has an adapter; torchvision is not needed.

```python
from PIL import Image
from transformers import AutoModelForImageTextToText, {family.processor}

MODEL, IMAGE, QUESTION = "model", "photo.jpg", "What color is the cup?"
INSTRUCTION = {_literal(prompt["instruction"])}


class Processor({family.processor}):
    """Without the part for videos, which needs torchvision."""

    @classmethod
    def get_attributes(cls):
        return [name for name in super().get_attributes() if name != "video_processor"]


processor = Processor.from_pretrained(MODEL)
model = AutoModelForImageTextToText.from_pretrained(MODEL, dtype="auto")
text = f"{{QUESTION}}\\n{{INSTRUCTION}}" if INSTRUCTION else QUESTION
messages = [{{"role": "user", "content": [{{"type": "image"}}, {{"type": "text", "text": text}}]}}]
prompt = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
image = Image.open(IMAGE).convert("RGB")
inputs = processor(text=[prompt], images=[image], add_special_tokens=False, return_tensors="pt").to(model.device)
written = model.generate(**inputs, max_new_tokens={max_new_tokens}, do_sample=False, repetition_penalty=1.0)
print(processor.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```'''


def vllm_snippet(form: str) -> str:
    """The shell command that serves the policy.

    Args:
        form: of merge.json; with ``base and adapter``, vLLM cannot load the folder.
    """
    if form == "base and adapter":
        return (
            "The folder holds the weights of the base, and the adapter beside them, since the dtype of the weights\n"
            "would round its effect away. vLLM serves such a policy as the base with the adapter as a LoRA module."
        )
    return """\
```sh
vllm serve MODEL --served-model-name policy --generation-config vllm
```

Then ask it as any OpenAI-compatible server (`/v1/chat/completions`), with the image before the text, at
temperature 0."""


def _literal(text: str) -> str:
    """A text in Python that cannot end the block of code."""
    return repr(text).replace("`", "\\x60")
