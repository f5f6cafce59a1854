"""Whether a checkpoint's chat template writes what SFT means to teach.

Templates of models that think by themselves open the chain in the prompt, or leave it out of earlier turns. SFT would
then train on malformed text, and every answer would score 0.
"""

from transformers import ProcessorMixin

from reinforced_cot.data.completions import completion_text
from reinforced_cot.errors import DataError

# Written out, so that a change of this pipeline's own prompts makes no base again.
_SYSTEM = {"role": "system", "content": [{"type": "text", "text": "Think first."}]}
_USER = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What color is the cup?"}]}
_COMPLETION = completion_text("I look at the cup.\nIt is red.", "red")
_ASSISTANT = {"role": "assistant", "content": [{"type": "text", "text": _COMPLETION}]}


def check_chat_template(processor: ProcessorMixin, source: str) -> None:
    """See that a prompt, its completion and the end token are the conversation that the template writes.

    Args:
        source: of the checkpoint, as the user knows it.

    Raises:
        DataError: the template writes another text; the message has both.
    """
    for asked in ([_USER], [_SYSTEM, _USER]):
        begin = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        written = processor.apply_chat_template([*asked, _ASSISTANT], tokenize=False)
        wanted = begin + _COMPLETION + processor.tokenizer.eos_token
        if written.rstrip("\n") != wanted.rstrip("\n"):
            raise DataError(
                f"the chat template of {source} does not write what SFT would teach.\n"
                f"wanted:  {wanted!r}\nwritten: {written!r}\n"
                "Templates that open <think> themselves or leave chains out are not supported: take an instruct "
                "checkpoint without a thinking mode"
            )
