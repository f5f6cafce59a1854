"""The parts of the page that show text of models, data and files: HTML in which every such text is inert."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment
from markupsafe import Markup, escape

from reinforced_cot.answers.kinds import is_right
from reinforced_cot.answers.truth import truth_of
from reinforced_cot.app.replies import Reply
from reinforced_cot.data.examples import Example, accepted_answers
from reinforced_cot.data.images import EncodedImage
from reinforced_cot.inert_text import visible

# What Gradio's own templates of an HTML component would read: they are filled in the browser.
_TEMPLATE_SYNTAX = str.maketrans({character: f"&#{ord(character)};" for character in "{}$`\\"})


def inert(value: Any) -> Any:
    """A value as it stands in the page: of a text, no character acts, neither as HTML nor as template syntax."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return Markup(str(escape(visible(value))).translate(_TEMPLATE_SYNTAX))


# All texts pass `inert`: no expression of a template below needs to think of it.
_templates = Environment(autoescape=True, finalize=inert, trim_blocks=True, lstrip_blocks=True)

_IMAGES = _templates.from_string("""\
<div class="images">
{% for image in images %}
<figure><img src="{{ image.source }}" alt="Image {{ loop.index }} of {{ images | length }}">
<figcaption dir="auto">{{ image.name }} <span class="faint">{{ image.size }}</span></figcaption></figure>
{% else %}
<p class="faint">No image yet: add one of your own, or take a test question.</p>
{% endfor %}
</div>
""")

_ANSWERS = _templates.from_string("""\
<section class="answers" aria-live="polite" aria-label="Answers">
<p class="asked" dir="auto">{{ question }}</p>
{% if truth %}
<p class="truth">True answer: {% for answer in truth %}
<b dir="auto">{{ answer }}</b>{{ ", " if not loop.last }}{% endfor %}</p>
{% endif %}
<div class="cards">
{% for card in cards %}
<article class="card">
<h2 dir="auto">{{ card.name }}</h2>
{% if card.reply is none %}
<p class="faint">{{ "is asked …" if card.is_next else "waits" }}</p>
{% else %}
{% if card.reply.answer is not none %}
<p class="answer"><span dir="auto">{{ card.reply.answer }}</span>
{% if card.right is not none %}
<span class="{{ "right" if card.right else "wrong" }}">{{ "✓ right" if card.right else "✗ wrong" }}</span>
{% endif %}
</p>
{% else %}
<p class="problem" dir="auto">{{ card.reply.problem }}</p>
{% endif %}
<pre class="chain" dir="auto">{{ card.reply.chain }}</pre>
{% endif %}
</article>
{% endfor %}
</div>
</section>
""")

_PROBLEM = _templates.from_string('<p class="problem" role="alert" dir="auto">{{ line }}</p>')


def images_html(names: Sequence[str], images: Sequence[EncodedImage]) -> str:
    """The images as the policies see them, each with its name and its size in pixels."""
    shown = [
        {"name": name, "size": "{}×{}".format(*image.sizes[1]), "source": _data_uri(image)}
        for name, image in zip(names, images, strict=True)
    ]
    return _IMAGES.render(images=shown)


def answers_html(question: str, names: Sequence[str], replies: Mapping[str, Reply], example: Example | None) -> str:
    """A card for each policy: its answer and its chain, or that it has yet to answer.

    Args:
        names: the policies that are asked, in order.
        replies: those that have come so far.
        example: the test question; None for a question of somebody's own, whose true answer is unknown.
    """
    waiting = [name for name in names if name not in replies]
    cards = [
        {"name": name, "reply": reply, "right": _is_right(reply, example), "is_next": name in waiting[:1]}
        for name in names
        for reply in [replies.get(name)]
    ]
    truth = accepted_answers(example.answers) if example else ()
    return _ANSWERS.render(question=question, truth=truth, cards=cards)


def problem_html(text: str) -> str:
    """What is wrong with the input, in one line."""
    return _PROBLEM.render(line=" ".join(text.split()))


def _is_right(reply: Reply | None, example: Example | None) -> bool | None:
    """As in the evaluation; None where it cannot be said."""
    if reply is None or example is None or reply.answer is None:
        return None
    return is_right(reply.answer, truth_of(example))


def _data_uri(image: EncodedImage) -> Markup:
    kind = "jpeg" if image.name.endswith(".jpg") else "png"
    return Markup(f"data:image/{kind};base64,{b64encode(image.content).decode()}")
