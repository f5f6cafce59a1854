"""Sentences that say only how to answer are no part of a question, and nothing else is taken out."""

import pytest

from reinforced_cot.data.question_format import without_format
from reinforced_cot.data.question_types import infer_question_type


@pytest.mark.parametrize(
    "end",
    [
        "Answer the question using a single word or phrase.",
        "Answer with yes or no.",
        "Please answer yes or no.",
        "Answer with the option's letter from the given choices directly.",
        "Answer with a single letter.",
        "Please select the correct answer from the options above.",
        "Choose the correct option.",
        "Answer briefly.",
        "Give a short answer.",
        "Provide your final answer inside the box.",
        "Put your answer in \\boxed{}.",
        "Think step by step.",
        "Please think step by step before you answer.",
        "Let's think step by step",
        "Respond with one word only.",
        "Output only the letter of the answer.",
        "Write your answer as a number.",
        "Short answer:",
    ],
)
def test_the_usual_sentences(end: str) -> None:
    for question in ("Is it overcast?", "What color is the cup?", "Is the man on the left or on the right?"):
        for joint in ("\n", " ", "\n\n"):
            assert without_format(f"{question}{joint}{end}") == question
            assert infer_question_type(f"{question}{joint}{end}", "red") == infer_question_type(question, "red")


@pytest.mark.parametrize("head", ["Question: ", "Please answer based on the image content: ", "Look at the image. "])
def test_what_stands_before_the_question(head: str) -> None:
    assert without_format(f"{head}Is it red?") == "Is it red?"


@pytest.mark.parametrize(
    "question",
    [
        "What is the answer to the sum on the board?",
        "Which word is on the sign?",
        "What number should he choose?",
        "Which option is cheaper, the red or the blue one?",
        "What color is it?\nA. red\nB. blue",
        "Is the letter on the table an A or a B?",
        "There is a cup. Is it red?",
        "What does the sign say? It hangs above the door.",
        "Answer the phone or read: what is the woman about to do?",
        "",
    ],
)
def test_a_question_of_its_own_stays_whole(question: str) -> None:
    assert without_format(question) == question
