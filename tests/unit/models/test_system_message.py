"""A published policy's chat template asks with the pipeline's system message; the pipeline's prompts stay the same."""

from pathlib import Path
from typing import Any

import pytest
from tiny_run import TinyRun

from reinforced_cot.data.prompts import prompt_messages
from reinforced_cot.data.settings import Prompt
from reinforced_cot.models.processors import load_processor
from reinforced_cot.models.system_message import set_system_message, with_system_message

SYSTEMS = [
    "Think first.",
    'Hostile: "quotes" \\ back\\\\slash {{ 7*7 }} {% raw %} {# x #} \' -%} \n line <|im_end|> </s> <b>',
    "ümläut 思考 😀 \u202e\x1b[0m \\{ {#- end of the system message -#}",
]


def rendered(processor: Any, messages: list[dict[str, Any]]) -> str:
    text: str = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return text


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_question_alone_gets_the_pipelines_prompt(tiny_run: TinyRun, tmp_path: Path, system: str) -> None:
    plain, published = (load_processor(tiny_run.base / "model") for _ in range(2))
    set_system_message(published, system)
    published.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((tiny_run.base / "model/config.json").read_bytes())
    published = load_processor(tmp_path)  # as somebody else loads it
    prompt = Prompt(system=system, instruction="Think.")
    with_system = prompt_messages("What is <image>?", 1, prompt)
    expected = rendered(plain, with_system)
    assert system in expected
    assert rendered(published, with_system) == expected  # the pipeline's own prompts stay the same
    assert rendered(published, with_system[1:]) == expected
    assert published.tokenizer.chat_template == published.chat_template
    other = [{"role": "system", "content": [{"type": "text", "text": "Other."}]}, *with_system[1:]]
    assert rendered(published, other) == rendered(plain, other)  # no second one
    several = [*with_system[1:], {"role": "assistant", "content": [{"type": "text", "text": "red"}]}, *with_system[1:]]
    assert rendered(published, several) == rendered(plain, [with_system[0], *several])


def test_a_message_replaces_the_one_before_and_none_leaves_the_template() -> None:
    template = "{%- for message in messages %}{{ message['role'] }}{% endfor %}"
    assert with_system_message(template, None) == with_system_message(template, "") == template
    twice = with_system_message(with_system_message(template, SYSTEMS[2]), SYSTEMS[1])
    assert twice == with_system_message(template, SYSTEMS[1])
    assert with_system_message(twice, None) == template
