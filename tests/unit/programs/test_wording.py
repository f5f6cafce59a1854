"""The chains of executed programs: short, varied, without ids, and leading to their answers."""

import re
from typing import Any

import gqa_worlds
import pytest
from gqa_scene import CASES, SCENE, steps, thing

from reinforced_cot.chains.filters import filtered
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.judging.consistency import judge
from reinforced_cot.programs.execution import Executed, execute
from reinforced_cot.programs.program import ProgramFault, program
from reinforced_cot.programs.scene_graph import scene_graph
from reinforced_cot.programs.value_types import Learned
from reinforced_cot.programs.wording import MOST, chain_of
from reinforced_cot.reading.verdict import Verdict

SENTENCE = re.compile(r"[.](?:\s|$)")


KNOWN = "select: scene->verify place: living room [0]->select: scene->verify color: black [2]->and: [1, 3]"


def executed(scene: dict[str, Any], text: str) -> Executed:
    learned = Learned()
    for _, other, answer in [*CASES, ("", KNOWN, "")]:
        learned.add(steps(other), answer)
    learned.add(steps("select: x (1)->query: sportActivity [0]"), "walking")
    return execute(steps(text), scene_graph(scene), learned.types())


def told(scene: dict[str, Any], text: str) -> str:
    return chain_of(executed(scene, text), "")


def chains(text: str, count: int = 1) -> list[str]:
    run = executed(SCENE, text)
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


CROWD: dict[str, Any] = {
    **{"width": 500, "height": 400, "location": "living room", "weather": "cloudy"},
    "objects": {
        "1": thing("man", (20, 20, 60, 200), "tall", "wearing 2, to the left of 4"),
        "2": thing("hat", (30, 20, 20, 20), "black"),
        "3": thing("hat", (400, 20, 20, 20), "red"),
        "4": thing("man", (380, 40, 60, 200), "standing", "to the right of 1, on 5"),
        "5": thing("rug", (0, 300, 480, 90), "wood"),
        "6": thing("woman", (200, 40, 60, 200), "walking", "to the left of 4"),
        "7": thing("skis", (200, 240, 60, 10), "black"),
        "8": thing("dog", (100, 240, 60, 10), "white", "on 5"),
        "9": thing("dog", (300, 240, 60, 10), "black"),
        "10": thing("apple", (100, 100, 10, 10), "red", "on 5"),
    },
}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("select: man (1)->verify rel: hat,wearing,o (3) [0]", "The man is not wearing the hat."),
        ("select: rug (5)->verify rel: dog,on,s (9) [0]", "The dog is not on the rug."),
        ("select: man (1)->verify rel: scarf,wearing,o (-) [0]", "The man is not wearing any scarf."),
        (
            "select: man (1)->relate: man,to the right of,s (4) [0]->query: name [1]",
            "Another man is to the right of the man",
        ),
        ("select: man (1)->verify gender: male [0]", "The man is male."),
        ("select: dog (8)->relate: cat,same color,_ (-) [0]->exist: ? [1]", "No cat has the same color as the dog."),
        ("select: man (1,4)->same: gender [0]", "Every man is male."),
        ("select: skis (7)->query: color [0]", "The skis are black."),
        ("select: scene->choose weather: cloudy|rainy [0]", "The weather is cloudy, not rainy."),
        ("select: scene->verify place: beach [0]", "The place is a living room, not a beach."),
        (
            "select: rug (5)->relate: fruit,on,s (10) [0]->filter color: red [1]->query: name [2]",
            "An apple is on the rug, in the upper left of the image. The answer is apple.",
        ),
        ("select: person (6)->filter activity: walking [0]->query: name [1]", "The person that is walking is a woman."),
        ("select: apple (10)->verify rel: rug,on,o (5) [0]", "The apple is on a rug; the rug is in the lower part"),
        ("select: woman (6)->query: sportActivity [0]", "The woman is walking."),
    ],
)
def test_what_is_said_of_a_crowd(text: str, said: str) -> None:
    chain = told(CROWD, text)
    assert said in chain
    chain = chain.replace("Another man is to the right of the man", "")
    assert not re.search(
        r"the (?!image)(\w+)\b[^.;:]* of the \1\b|[Ww]oman[^.]* of it\b|is an apple is|is wood\b", chain
    ), chain


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("select: dog (8,9)->query: color [0]", "several objects where one is meant"),
        ("select: dog (8,9)->verify color: black [0]", "several objects where one is meant"),
        ("select: scene->verify location: indoors [0]", "a value that the scene graph lacks"),
        ("select: man (1)->select: dog (8)->choose older: [0, 1]", "a value that the scene graph lacks"),
    ],
)
def test_what_is_not_certain_gives_no_chain(text: str, fault: str) -> None:
    with pytest.raises(ProgramFault, match=fault):
        told(CROWD, text)


def test_of_several_things_only_a_shared_value_is_told() -> None:
    chain = told(CROWD, "select: dog (8,9)->filter color: red [0]->exist: ? [1]")
    assert "None of them is red." in chain and "is white" not in chain, chain


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
