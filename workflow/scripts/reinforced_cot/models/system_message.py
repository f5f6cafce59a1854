"""The system message of the pipeline's prompts in the chat template of a published policy.

Somebody who loads the policy and sends an image and a question alone then asks with the prompt that it was trained on.
A conversation that begins with a system message of its own is rendered as before: the pipeline's are.
"""

import json
import re

from transformers import ProcessorMixin

_BEGIN, _END = "{#- the pipeline's system message -#}", "{#- end of the system message -#}{{ '' }}"
_WRITTEN = re.compile(re.escape(_BEGIN) + ".*?" + re.escape(_END), re.DOTALL)


def set_system_message(processor: ProcessorMixin, system: str | None) -> None:
    """Let the processor's chat template add a system message where a conversation has none.

    A message that this function has added before, such as that of the policy that training started from, is replaced.

    Args:
        system: the message; None or an empty text for none.
    """
    template = with_system_message(processor.chat_template, system)
    processor.chat_template = processor.tokenizer.chat_template = template


def with_system_message(template: str, system: str | None) -> str:
    """A chat template that adds a system message where a conversation has none.

    Args:
        template: written in Jinja, over ``messages``.
        system: as for `set_system_message`.
    """
    template = _WRITTEN.sub("", template, count=1) if template.startswith(_BEGIN) else template
    if not system:
        return template
    # Jinja reads JSON's escapes in a text, but not its pairs of surrogates. A brace is escaped, since other readers of
    # templates look for `{%` before they know what a text is.
    text = json.dumps(system, ensure_ascii=False).replace("{", "\\x7b").replace("}", "\\x7d")
    parts = '[{"type": "text", "text": ' + text + "}]"
    return (
        f"{_BEGIN}{{%- if not messages or messages[0]['role'] != 'system' -%}}"
        f"{{%- set messages = [{{'role': 'system', 'content': {parts}}}] + messages -%}}"
        f"{{%- endif -%}}{_END}{template}"
    )
