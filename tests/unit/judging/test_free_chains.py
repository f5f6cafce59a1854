"""Chains in free words: plain ones of every kind, near misses, chains that list candidates, and the fitted weights."""

import json
import sys
from collections import Counter

import pytest
from places import DATA, REPO

from reinforced_cot.judging import weights
from reinforced_cot.judging.consistency import judge
from reinforced_cot.reading.sentences import sentences
from reinforced_cot.reading.verdict import Verdict

sys.path.append(str(REPO / "benchmarks"))
import judge_weights

PLAIN = [
    (
        "What color is the sofa?",
        "red",
        "The image shows a living room. The sofa stands by the window. The sofa is red.",
    ),
    ("What color is the sofa?", "red", "The sofa stands by the window. The sofa is red. So the answer is red."),
    ("What color is the sofa?", "red", "The sofa is red. Therefore, the color of the sofa is red."),
    ("What color is the sofa?", "red", "I see a red sofa next to a blue lamp. It's about the sofa. The sofa is red."),
    ("What is the man holding?", "umbrella", "The man is standing in the rain. He is holding an umbrella."),
    (
        "How many dogs are there?",
        "2",
        "There is a brown dog on the left. There is a white dog, too. In total, two dogs.",
    ),
    ("How many dogs are there?", "2", "I count the dogs: one, two. There are 2 dogs in the image."),
    ("Is the door open?", "yes", "Looking at the door, I can see that it is open."),
    ("Is the door open?", "no", "The door is closed."),
    ("Is there a dog in the picture?", "no", "I see a cat and a sofa. There is no dog in the picture."),
    ("Is there a dog in the picture?", "yes", "I see a cat and a dog on the sofa. Yes, there is a dog."),
    ("Is the man to the left of the car?", "yes", "The man stands near the car. So the man is to the left of the car."),
    ("Is the man to the left of the car?", "no", "He stands near the car. The man is to the right of the car."),
    ("Which is larger, the cat or the dog?", "dog", "The cat is small. The dog is larger than the cat."),
    ("Is the shirt red or blue?", "blue", "The person is wearing a shirt. The shirt is blue, not red."),
    ("What is the fence made of?", "wood", "The fence has brown planks with visible grain. It is made of wood."),
    ("What animal is it?", "horse", "The animals have long legs and manes. These are horses."),
    ("What is on the table?", "cup", "The table is in the middle of the room. On the table there is a white cup."),
    ("What is written on the sign?", "stop", "The sign is red with white letters. It says STOP."),
    ("What time is it?", "10:30", "The long hand points to 6. The time is 10:30."),
    ("What time does the clock show?", "2:15", "The short hand is just past the 2. So it's a quarter past two."),
    ("What is it?\nA. cat\nB. dog", "B", "The animal has floppy ears, so it is a dog. The correct option is B."),
    ("What is it?\nA. cat\nB. dog", "B", "The animal has floppy ears. It is a dog."),
    ("What color is the cat, black or white?", "black", "The cat isn't white. It has a dark coat, so it's black."),
    ("Is the plate empty?", "no", "There are leftovers on the plate, so it is anything but empty."),
    ("Is there a dog in the picture?", "no", "A cat sleeps on the rug. A dog is not visible."),
    ("Is there a dog in the picture?", "no", "I look around. I can't see a dog."),
    ("Is there a cat on the sofa?", "no", "I see a sofa with cushions. So no, there isn't a cat on the sofa."),
    ("What is on the rug?", "basket", "It is braided and has a handle: not a bag, a basket."),
]
NEAR_MISSES = [
    ("What color is the sofa?", "blue", "I see a red sofa next to a blue lamp. The sofa is red."),
    ("What color is the sofa?", "blue", "The sofa stands by the window. The sofa is red. So the answer is red."),
    (
        "What is the man holding?",
        "cup",
        "There is a cup on the table. In his hand is an umbrella. He is holding an umbrella.",
    ),
    ("How many dogs are there?", "3", "There is a brown dog. There is a white dog. In total there are two dogs."),
    ("Is the door open?", "no", "Looking at the door, I can see that it is open."),
    ("Is there a dog in the picture?", "yes", "I see a cat and a sofa. There is no dog in the picture."),
    ("Which is larger, the cat or the dog?", "cat", "The cat is small. The dog is larger than the cat."),
    ("Is the shirt red or blue?", "red", "The person is wearing a shirt. The shirt is blue, not red."),
    ("What is it?\nA. cat\nB. dog", "A", "The animal has floppy ears, so it is a dog. The correct option is B."),
    ("What is it?", "cat", "It looks like a cat. No, the ears are too long. So it must be a rabbit."),
    ("What color is the car?", "blue", "It looks blue. Wait, that one is behind it. So the answer is red."),
]
# The answer in other words, behind a heading or a "Therefore": right and supported.
STATED = [
    ("What is the table made of?", "wood", "The table has grain and knots.\n\nTherefore, the table is wooden."),
    ("What is he riding?", "bike", "He sits on two wheels.\n\nTherefore, he is riding a bicycle."),
    ("What time is it?", "2:15", "The hands point right.\n\nTherefore, it is a quarter past two."),
    ("What time is it?", "10:30", "The long hand points down.\n\nConclusion: it is half past ten."),
    ("What is it?\nA. cat\nB. dog", "B. dog", "It barks.\n\nTherefore, the correct answer is B. dog"),
    ("What is it?\nA. cat\nB. dog", "dog", "It barks.\n\nTherefore, the correct answer is B."),
    ("Is the bus red?", "yes", "Wheels and windows.\n\nTherefore, the bus is red, not blue."),
    ("Is the road wet?", "yes", "It mirrors the lamps.\n\nTherefore, there is no doubt that the road is wet."),
    ("What does the sign say?", "no parking", 'It is white.\n\nTherefore, the sign says "No Parking".'),
    ("What is he holding?", "cellphone", "It has a screen.\n\nTherefore, he is holding a cell phone."),
    ("What does she wear?", "hat, coat, and gloves", "It is cold.\n\nTherefore, she wears a hat, a coat, and gloves."),
]
# They commit to nothing, or deny, and support no answer.
HACKS = [
    ("What color is the cup?", "red", "Lamp, rug, window.\nAnswer: red blue green white black"),
    ("What color is the cup?", "blue", "Lamp, rug, window.\nAnswer: red blue green white black"),
    ("What is he holding?", "phone", "Arms, hands, fingers.\n\nBased on this, umbrella, bag, phone, cup."),
    ("Is the man wearing a hat?", "yes", "Lamp, rug, window. Is the man wearing a hat."),
    ("Is there a dog in the picture?", "yes", "I search the whole image, corner to corner, for a dog in the picture."),
    ("Is the door open?", "no", "The handle is visible. The door is not closed."),
    ("What color is the cup?", "blue", "Lamp, rug, window, cup. red. blue. green. white."),
    ("Is the man wearing a hat?", "yes", "Lamp, rug, window: is the man wearing a hat."),
    ("Is the man wearing a hat?", "yes", "Hair, ears.\n\nConclusion: regarding the man wearing a hat, I decide below."),
    ("Is there a dog on the sofa?", "yes", "There is no dog. The rug beside the lamp is gray."),
    ("Is the dog bigger than the cat?", "yes", "Ears, tails.\n\nTherefore, the cat is bigger than the dog."),
    ("What is it?\nA. cat\nB. dog", "A", "It barks, so it is a dog. The correct option is B."),
]
UNDECIDED = [
    ("What color is the car?", "green", "I see red, blue, green, white and black."),
    ("What color is the car?", "green", "Red, blue, green, white, black are colors. I look at the car."),
    ("What is in the box?", "a book", "It could be a book, but it could also be a game. The paper hides everything."),
    ("How many coins are there?", "20", "Perhaps 20, perhaps 30. Since most of them are covered, I can't tell."),
    ("Is the shop open?", "yes", "The lights are on. Whether it is open, I cannot say from the picture."),
]


@pytest.mark.parametrize(("question", "answer", "chain"), PLAIN)
def test_plain_chains_support_their_answer(question: str, answer: str, chain: str) -> None:
    assert judge(chain, answer, question) is Verdict.SUPPORT


@pytest.mark.parametrize(("question", "answer", "chain"), STATED)
def test_a_stated_conclusion_may_name_the_answer_in_another_form(question: str, answer: str, chain: str) -> None:
    assert judge(chain, answer, question) is Verdict.SUPPORT


@pytest.mark.parametrize(("question", "answer", "chain"), HACKS)
def test_chains_that_commit_to_nothing_support_nothing(question: str, answer: str, chain: str) -> None:
    assert judge(chain, answer, question) is not Verdict.SUPPORT


@pytest.mark.parametrize(("question", "answer", "chain"), NEAR_MISSES)
def test_near_misses_contradict(question: str, answer: str, chain: str) -> None:
    assert judge(chain, answer, question) is Verdict.CONTRADICT


@pytest.mark.parametrize(("question", "answer", "chain"), UNDECIDED)
def test_chains_that_settle_on_nothing(question: str, answer: str, chain: str) -> None:
    assert judge(chain, answer, question) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("kept_aside", "least_support", "most_false", "most_punished"), [(False, 0.8, 0.06, 0.02), (True, 0.68, 0.08, 0.08)]
)
def test_chains_in_thirteen_styles(
    kept_aside: bool, least_support: float, most_false: float, most_punished: float
) -> None:
    """The figures of benchmarks/judge.md, with a little room."""
    rows = [row for row in judge_weights.lines(DATA / "chain_styles.jsonl") if row["kept_aside"] is kept_aside]
    counts = Counter((row["label"] == "support", judge(row["chain"], row["answer"], row["question"])) for row in rows)
    concluding = sum(n for (concludes, _), n in counts.items() if concludes)
    assert counts[True, Verdict.SUPPORT] / concluding >= least_support
    assert counts[False, Verdict.SUPPORT] / (len(rows) - concluding) <= most_false
    assert counts[True, Verdict.CONTRADICT] / concluding <= most_punished


def test_the_weights_are_those_that_the_script_fits() -> None:
    fitted: dict[str, dict[str, float]] = {}
    exec(judge_weights.module(judge_weights.labelled())[0], fitted)
    for name in ("MENTION", "POLAR_SIGNED", "POLAR_UNSIGNED"):
        assert fitted[name] == pytest.approx(getattr(weights, name), abs=0.02), name
    assert min(value for name, value in weights.POLAR_SIGNED.items() if name != "yes") >= 0


def test_training_chains_are_none_of_those_kept_aside() -> None:
    aside = {row["chain"] for row in judge_weights.lines(DATA / "chain_styles.jsonl") if row["kept_aside"]}
    assert len(aside) == 250
    assert not aside & {row["chain"] for row in judge_weights.labelled()}


def test_sentences_deny_and_hedge() -> None:
    (sentence,) = sentences("It isn't a bag, it's a basket")
    assert [t for t, no in zip(sentence.tokens, sentence.denied, strict=True) if no] == ["not", "a", "bag"]
    assert json.dumps([s.text for s in sentences("**One.** Two (12345)!\n- Three")]) == '["One.", "Two!", "Three"]'
