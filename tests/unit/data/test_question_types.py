"""GQA's structural type follows from the wording; the questions are from real data."""

import json
from collections import Counter
from pathlib import Path

import pytest

from reinforced_cot.data.question_types import infer_question_type


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("Are there chairs in this picture?", "Yes", "verify"),
        ("Do you see doors that are cream colored?", "Yes", "verify"),
        ("Is there a plate that is not red?", "Yes", "verify"),
        ("Is the microwave in the bottom of the photo?", "no.", "verify"),
        ("Are there people near the other man?", "Yes", "verify"),
        ("Is there any fruit other than bananas on the table?", "No", "verify"),
        ("Is there a black and white dog on the sofa?", "No", "verify"),
        ("What is the item of furniture that is in this image?", "Chair", "query"),
        ("On which side is the man?", "Left", "query"),
        ("That man is in what?", "Bed", "query"),
        ("Who is watching the ball?", "Umpire", "query"),
        ("What color is the floor?", "Orange", "query"),  # "or" within a word
        ("Is the microwave to the right or to the left of the black thing in the kitchen?", "Right", "choose"),
        ("Do you think the room is full or empty?", "Full", "choose"),
        ("Which device is on, the screen or the laptop?", "Laptop", "choose"),
        ("On which side is the customer, the right or the left?", "Right", "choose"),
        ("Are the leaves red or are they yellow?", "Yellow", "choose"),
        ("Do you see either any locks or pillows?", "Yes", "logical"),
        ("Is the table small and metallic?", "No", "logical"),
        ("Are there both forks and plates?", "No", "logical"),
        ("Are there any faucets or microwaves that are silver?", "Yes", "logical"),
        ("Are these people of the same gender?", "Yes", "compare"),
        ("Are the animals of different species?", "No", "compare"),
        ("Is the sky different in color than the bicycle?", "No", "compare"),
        ("What do both the logo and the tank top have in common?", "Color", "compare"),
        ("Are both these people male?", "No", "compare"),
        ("Is the man older than the woman?", "Yes", "compare"),
        ("Who is taller, the man or the boy?", "man", "compare"),
        ("Which is healthier, the salad or the cake?", "salad", "compare"),
        ("Which one is more modern, the lamp or the table?", "lamp", "compare"),
    ],
)
def test_type_follows_from_the_wording(question: str, answer: str, expected: str) -> None:
    assert infer_question_type(question, answer) == expected


def test_types_of_the_real_sample(repo: Path) -> None:
    file = repo.parent / "shared/data/gqa-cot-sample/train_data.jsonl"
    if not file.is_file():
        pytest.skip(f"needs the sample {file}")
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    counts = Counter(
        infer_question_type(row["instruction"].partition(": ")[2], row["answer"]) for row in rows if row["instruction"]
    )
    assert counts == {"query": 163, "verify": 155, "choose": 94, "logical": 76, "compare": 10}
