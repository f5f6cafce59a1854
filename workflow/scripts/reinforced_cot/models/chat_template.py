"""Whether a checkpoint's chat template writes what SFT means to teach.

Templates of models that think by themselves open the chain in the prompt, or leave it out of earlier turns. SFT would
then train on malformed text, and every answer would score 0.
"""

from transformers import ProcessorMixin

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.prompts import completion_messages, prompt_messages, with_image
from reinforced_cot.data.settings import Prompt
from reinforced_cot.errors import DataError

_QUESTION, _CHAIN, _ANSWER = "What color is the cup?", "I look at the cup.\nIt is red.", "red"


def check_chat_template(processor: ProcessorMixin, source: str) -> None:
    """See that a prompt, its completion and the end token are the conversation that the template writes.

    Args:
        source: of the checkpoint, as the user knows it.

    Raises:
        DataError: the template writes another text; the message has both.
    """
    for prompt in (Prompt(), Prompt(system="Think first.")):
        asked = with_image(prompt_messages(_QUESTION, prompt))
        begin = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        whole = processor.apply_chat_template(
            [*asked, *with_image(completion_messages(_CHAIN, _ANSWER))], tokenize=False
        )
        wanted = begin + completion_text(_CHAIN, _ANSWER) + processor.tokenizer.eos_token
        if whole.rstrip("\n") != wanted.rstrip("\n"):
            raise DataError(
                f"the chat template of {source} does not write what SFT would teach.\n"
                f"wanted:  {wanted!r}\nwritten: {whole!r}\n"
                "Templates that open <think> themselves or leave chains out are not supported: take an instruct "
                "checkpoint without a thinking mode"
            )
