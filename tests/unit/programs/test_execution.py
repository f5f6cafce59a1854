"""GQA's programs on scene graphs: every operation, the answers, and what cannot be executed."""

import gqa_worlds
import pytest
from gqa_scene import CASES, FAULTS, SCENE, rows, steps

from reinforced_cot.programs.execution import execute
from reinforced_cot.programs.program import COMPARED, PLAIN, TYPED, ProgramFault, program
from reinforced_cot.programs.scene_graph import scene_graph
from reinforced_cot.programs.value_types import Learned, ValueTypes


@pytest.fixture(scope="module")
def types() -> ValueTypes:
    learned = Learned()
    for _, text, answer in CASES:
        learned.add(steps(text), answer)
    return learned.types()


@pytest.mark.parametrize(("text", "answer"), [case[1:] for case in CASES])
def test_the_answer_follows_from_the_scene(text: str, answer: str, types: ValueTypes) -> None:
    assert execute(steps(text), scene_graph(SCENE), types).answer == answer


def test_the_cases_have_every_operation() -> None:
    found = {step.operation for _, text, _ in CASES for step in steps(text)}
    assert found == {*TYPED, *PLAIN, "verify rel", "choose rel", "compare"}
    assert {step.type for _, text, _ in CASES for step in steps(text) if step.operation == "compare"} < {*COMPARED}


def test_the_values_of_a_type_are_learned_from_programs(types: ValueTypes) -> None:
    assert types["color"] >= {"white", "brown", "blue", "gray"} and "sitting" not in types["color"]
    assert types["shape"] == {"round"} and types["activity"] == {"sleeping"}


@pytest.mark.parametrize(("text", "reason"), FAULTS)
def test_what_cannot_be_executed_is_named(text: str, reason: str, types: ValueTypes) -> None:
    with pytest.raises(ProgramFault) as fault:
        execute(steps(text), scene_graph(SCENE), types)
    assert str(fault.value) == reason


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        "select: dog",
        [{"operation": "select"}],
        [{"operation": 3, "argument": "dog", "dependencies": []}],
        [{"operation": "select", "argument": "dog", "dependencies": [0]}],  # on itself
        [{"operation": "select", "argument": "dog", "dependencies": ["0"]}],
    ],
)
def test_programs_of_another_form_are_refused(rows: object) -> None:
    with pytest.raises(ProgramFault, match=r"no program|a malformed step"):
        program(rows)


@pytest.mark.parametrize(
    "row", [None, [], {}, {"width": 0, "height": 1, "objects": {"1": {}}}, {**SCENE, "objects": [1]}]
)
def test_scene_graphs_of_another_form_are_refused(row: object) -> None:
    with pytest.raises(ProgramFault, match="a malformed scene graph"):
        scene_graph(row)


def test_an_absent_thing_must_be_absent_from_the_scene_too(types: ValueTypes) -> None:
    run = execute(steps("select: dog (-)->exist: ? [0]"), scene_graph(SCENE), types)
    assert run.answer == "yes"  # GQA's answer is no: the chain will be left out
    run = execute(steps("select: man (6)->verify rel: pants,wearing,o (-) [0]"), scene_graph(SCENE), types)
    assert run.answer == "yes"


def test_answers_of_made_up_worlds() -> None:
    learned = Learned()
    worlds = [gqa_worlds.World(number) for number in range(150)]
    asked = [(world.graph(), list(gqa_worlds.questions(world, 12))) for world in worlds]
    for _, questions in asked:
        for question in questions:
            learned.add(program(question.steps), question.answer)
    types, wrong = learned.types(), []
    for graph, questions in asked:
        for question in questions:
            answer = execute(program(question.steps), scene_graph(graph), types).answer
            wrong += [(question, answer)] * (answer != question.answer)
    assert not wrong


def test_rows_are_read_as_gqa_writes_them() -> None:
    assert rows("select: dog (3)->same color: [0]")[1] == {
        **{"operation": "same color", "argument": "", "dependencies": [0]}
    }
