"""The chains of executed programs: short, varied, without ids, and leading to their answers."""

import re

import gqa_worlds
import pytest
from gqa_scene import CASES, SCENE, steps

from reinforced_cot.chains.filters import filtered
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.judging.consistency import judge
from reinforced_cot.programs.execution import execute
from reinforced_cot.programs.program import program
from reinforced_cot.programs.scene_graph import scene_graph
from reinforced_cot.programs.value_types import Learned
from reinforced_cot.programs.wording import MOST, chain_of
from reinforced_cot.reading.verdict import Verdict

SENTENCE = re.compile(r"[.](?:\s|$)")


def chains(text: str, count: int = 1) -> list[str]:
    learned = Learned()
    for _, other, answer in CASES:
        learned.add(steps(other), answer)
    run = execute(steps(text), scene_graph(SCENE), learned.types())
    return [chain_of(run, str(number)) for number in range(count)]


@pytest.mark.parametrize(("question", "text", "answer"), CASES)
def test_every_wording_leads_to_the_answer(question: str, text: str, answer: str) -> None:
    for chain in chains(text, 40):
        assert judge(chain, answer, question) is Verdict.SUPPORT, chain
        assert 2 <= len(SENTENCE.findall(chain)) <= MOST, chain
        assert not re.search(r"\d|_|\bNone\b|  |\ba [aeiou]", chain), chain


def test_a_chain_in_full() -> None:
    [chain] = chains("select: wall (1)->filter color: white [0]->relate: _,on,s (2) [1]->query: name [2]")
    assert re.fullmatch(
        r"(First I find|I look at|The question is about) the white wall across much of the image; the image also shows "
        r"a rug, a man and a table\. (A pipe is|There is a pipe) on the white wall, in the upper left of the image\. "
        r"(So the|Therefore, the|The) answer is pipe\.",
        chain,
    ), chain


def test_the_same_question_gets_the_same_words_and_others_vary() -> None:
    text = "select: dog (3)->query: color [0]"
    many = chains(text, 60)
    assert many == chains(text, 60) and len({*many}) >= 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select: dog (3)->filter color: white [0]->exist: ? [1]", "The dog is brown, not white."),
        ("select: dog (3)->verify rel: pipe,to the left of,o (2) [0]", "The dog is to the right of the pipe, not to"),
        ("select: man (6)->verify rel: hat,wearing,o (-) [0]", "The man is not wearing any hat."),
        ("select: pants (7)->query: color [0]", "The pants are blue."),
        ("select: animal (3,4)->same: type [0]", "One of them is a dog, another one is a cat."),
        ("select: animal (3,4)->same: color [0]", "a dog in the lower right of the image and a cat in the lower left"),
        ("select: scene->verify weather: rainy [0]", "The weather is sunny, not rainy."),
        ("select: fence (-)->exist: ? [0]", "a wall, a rug and a man"),
        (
            "select: dog (3)->relate: animal,same color,_ (4) [0]->query: name [1]",
            "A cat has the same color as the dog",
        ),
    ],
)
def test_what_is_said(text: str, said: str) -> None:
    assert said in chains(text)[0]


def test_long_programs_are_joined_to_five_sentences() -> None:
    text = (
        "select: rug (5)->relate: animal,on,s (3) [0]->relate: pipe,to the left of,s (2) [1]->verify color: red [2]"
        "->verify length: short [2]->and: [3, 4]"
    )
    [chain] = chains(text)
    assert len(SENTENCE.findall(chain)) == MOST and ", and " in chain and chain.endswith("no.")


def test_nearly_all_chains_of_made_up_worlds_are_kept() -> None:
    learned, asked = Learned(), []
    for number in range(60):
        world = gqa_worlds.World(number)
        asked += [(world.graph(), question) for question in gqa_worlds.questions(world, 10)]
    for _, question in asked:
        learned.add(program(question.steps), question.answer)
    types, examples, completions = learned.types(), [], {}
    for number, (graph, question) in enumerate(asked):
        run = execute(program(question.steps), scene_graph(graph), types)
        id = f"q{number}"
        examples.append(Example(id, ("x.jpg",), question.text, (question.answer,), question.structural))
        completions[id] = [completion_text(chain_of(run, id), run.answer)]
    result = filtered(examples, completions, ChainSet(by="gqa_programs"))
    assert len(result.kept) >= 0.98 * len(examples), result.rejected
