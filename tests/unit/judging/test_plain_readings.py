"""Sentences whose meaning is certain: comparisons in other words, shares of a whole, exclusions, sums, labels."""

from itertools import product

import pytest

from reinforced_cot.judging.consistency import judge
from reinforced_cot.reading.verdict import Verdict

SUPPORT, CONTRADICT, UNKNOWN = Verdict.SUPPORT, Verdict.CONTRADICT, Verdict.UNKNOWN
DEGREES = [
    *(("larger", "smaller"), ("bigger", "tinier"), ("taller", "shorter"), ("older", "younger"), ("longer", "shorter")),
    *(("higher", "lower"), ("heavier", "lighter"), ("darker", "lighter"), ("closer", "farther"), ("wider", "narrower")),
]
PLACES = [
    *(("to the left of", "to the right of"), ("on the left side of", "on the right side of"), ("above", "below")),
    *(("in front of", "behind"), ("on top of", "underneath")),
]


@pytest.mark.parametrize(("end", "other"), [pair for both in DEGREES for pair in (both, both[::-1])])
def test_the_converse_of_a_comparison_means_the_same(end: str, other: str) -> None:
    question, choice = f"Is the cup {end} than the plate?", f"Which is {end}, the cup or the plate?"
    for chain, is_cup in (
        (f"The cup is {end} than the plate.", True),
        (f"The plate is {other} than the cup.", True),
        (f"The plate is {end} than the cup.", False),
        (f"The cup is {other} than the plate.", False),
        (f"I look at both. So the plate looks {end} than the cup.", False),
    ):
        assert judge(chain, "yes" if is_cup else "no", question) is SUPPORT, chain
        assert judge(chain, "no" if is_cup else "yes", question) is CONTRADICT, chain
        assert judge(chain, "cup" if is_cup else "plate", choice) is SUPPORT, chain
        assert judge(chain, "plate" if is_cup else "cup", choice) is CONTRADICT, chain


@pytest.mark.parametrize(("end", "other"), [pair for both in PLACES for pair in (both, both[::-1])])
def test_the_converse_of_a_place_means_the_same(end: str, other: str) -> None:
    question = f"Is the dog {end} the cat?"
    for relation, is_swapped in product((end, other), (False, True)):
        first, second = ("cat", "dog") if is_swapped else ("dog", "cat")
        holds = (relation == end) != is_swapped
        chain = f"The {first} is {relation} the {second}."
        assert judge(chain, "yes" if holds else "no", question) is SUPPORT, chain
        assert judge(chain, "no" if holds else "yes", question) is CONTRADICT, chain


SIZE = "Which is larger, the cup or the plate?"
SIDE = "Is the van to the left or to the right of the car?"


@pytest.mark.parametrize(
    ("question", "chain", "right", "wrong"),
    [
        (SIZE, "The cup is not as large as the plate.", "plate", "cup"),
        (SIZE, "The cup is less big than the plate.", "plate", "cup"),
        (SIZE, "The cup is the smaller of the two.", "plate", "cup"),
        (SIZE, "Compared to the plate, the cup is smaller.", "plate", "cup"),
        (SIZE, "The cup is smaller than the plate. Wait, no, the plate is smaller than the cup.", "cup", "plate"),
        (SIZE, "I look.\n\nTherefore, the cup is smaller than the plate.", "plate", "cup"),
        ("What is larger?\nA. cup\nB. plate", "The cup is smaller than the plate.", "B", "A"),
        ("Is the cup or the plate larger?", "The cup is smaller than the plate.", "plate", "cup"),
        ("Is the cup larger or smaller than the plate?", "The plate is smaller than the cup.", "larger", "smaller"),
        ("Are there more cats or dogs?", "There are fewer cats than dogs.", "dogs", "cats"),
        ("Are there more cats than dogs?", "There are fewer dogs than cats.", "yes", "no"),
        ("Are there more cats than dogs?", "There are more dogs than cats.", "no", "yes"),
        ("Is the cup as large as the plate?", "The cup is smaller than the plate.", "no", "yes"),
        ("Which is closer to us, the car or the bus?", "The bus is farther away than the car.", "car", "bus"),
        (SIDE, "The car is to the right of the van.", "left", "right"),
        (SIDE, "The car is to the left of the van.", "right", "left"),
        ("Is he to the left or to the right of the car?", "The man is to the left of the car.", "left", "right"),
        ("Is the dog to the left of the cat?", "The dog is on the left, the cat is on the right.", "yes", "no"),
        ("Is the left shelf fuller than the one on the right?", "The fuller shelf is on the right.", "no", "yes"),
        ("What is to the left of the cat?", "The cat is to the right of the dog.", "dog", ""),
    ],
)
def test_comparisons_in_other_words(question: str, chain: str, right: str, wrong: str) -> None:
    assert judge(chain, right, question) is SUPPORT
    assert not wrong or judge(chain, wrong, question) is CONTRADICT


@pytest.mark.parametrize(
    ("question", "chain"),
    [
        (SIZE, "Maybe the cup is smaller than the plate. I cannot tell."),
        (SIZE, "Is the cup smaller than the plate?"),
        ("Is the dog to the left of the cat?", "It is unclear if the cat is to the right of the dog."),
        ("Is the dog to the left of the cat?", "The horse is to the right of the dog."),
    ],
)
def test_what_compares_nothing_or_other_things_supports_nothing(question: str, chain: str) -> None:
    answers = ("cup", "plate") if question == SIZE else ("yes",)
    assert SUPPORT not in {judge(chain, answer, question) for answer in answers}


@pytest.mark.parametrize(
    "chain",
    [
        "It could be anything but blue.",
        "It is everything but blue.",
        "The car could be any color except blue.",
        "The car is a color other than blue.",
        "The car is far from blue.",
        "It may have any color apart from blue.",
        "The car is nowhere near blue.",
        "All but blue would fit.",
    ],
)
def test_what_is_excluded_is_denied(chain: str) -> None:
    assert judge(chain, "blue", "What color is the car?") is not SUPPORT


def test_what_alone_is_not_excluded_is_asserted() -> None:
    for chain in ("The car is nothing but blue.", "The car is none other than blue."):
        assert judge(chain, "blue", "What color is the car?") is SUPPORT


@pytest.mark.parametrize(
    ("question", "chain", "right", "wrong"),
    [
        ("How many dogs are there?", "There are 3 cats and 2 dogs.", "2", "3"),
        ("How many dogs are there?", "I see 2 dogs. I see 3 cats.", "2", "3"),
        ("How many red cups are there?", "There are 3 blue cups and 2 red ones.", "2", "3"),
        ("How many people are standing?", "Four people are sitting and two are standing.", "2", "4"),
        ("How many wheels does the car have?", "There are 2 cars with 4 wheels.", "4", "2"),
        ("How many chairs are in the room?", "The room has 6 chairs around 1 table.", "6", "1"),
        ("How many cups are there?", "There are four and two, six in total.", "6", "4"),
        ("How many cups are there?", "I see 4 cups, but one is a reflection, which leaves 3.", "3", "4"),
        ("How many cups are there?", "There are 4 on the left and 2 on the right, so there are 6 cups.", "6", "4"),
        ("How many cups are there?", "Five minus one is four.", "4", "5"),
        ("How many cups are there?", "4 + 2 = 6", "6", "4"),
        ("How many cups are there?", "3 on the table and 2 on the floor give 5 cups.", "5", "2"),
        ("What color is the dog?", "I see a black cat and a white dog.", "white", "black"),
        ("What color is the dog?", "I see a white dog next to a black cat.", "white", "black"),
        ("What color is the dog?", "The dog is white and the cat is black.", "white", "black"),
        ("What color is the dog?", "The dog next to the black cat is white.", "white", "black"),
        ("What color is the dog?", "The dog on the black mat is white.", "white", "black"),
        ("What color is the dog?", "I first thought black, but it is white.", "white", "black"),
        ("What color is the dog on the black mat?", "On the black mat lies a white dog.", "white", "black"),
        ("What color is the dog behind the cat?", "The cat is black, the dog behind it is white.", "white", "black"),
        ("What color is the dog's collar?", "The black dog wears a red collar.", "red", "black"),
        ("What color is the roof of the house?", "The house is white with a red roof.", "red", "white"),
        ("How many dogs are there?", "How many dogs? Three. How many cats? Two.", "3", "2"),
        ("How many dogs are there?", "How many cats? Two. How many dogs? Three.", "3", "2"),
        ("How many chairs are there?", "There are no chairs in the room.", "0", "3"),
        ("How many chairs are there?", "I see a table. There aren't any chairs.", "0", "2"),
        ("How many chairs are there?", "There are no other chairs. I see 2 chairs.", "2", "0"),
    ],
)
def test_numbers_and_colors_belong_to_things(question: str, chain: str, right: str, wrong: str) -> None:
    assert judge(chain, right, question) is SUPPORT
    assert judge(chain, wrong, question) is not SUPPORT


@pytest.mark.parametrize(
    ("question", "chain", "holds"),
    [
        ("Are both cats black?", "One cat is black, the other is white.", False),
        ("Are both cats black?", "Only one of them is black.", False),
        ("Are both cats black?", "One cat is black, the other is black, too.", True),
        ("Are all the cups red?", "Two cups are red and one is blue.", False),
        ("Are all the cups red?", "Some cups are red, others are blue.", False),
        ("Are all the cups red?", "All of the cups are red except one.", False),
        ("Do both men wear hats?", "One man wears a hat and the other wears a cap.", False),
        ("Is every chair red?", "One chair is red, the other is blue.", False),
        ("Are the cats the same color?", "One cat is black, the other is white.", False),
    ],
)
def test_shares_of_a_whole(question: str, chain: str, holds: bool) -> None:
    assert judge(chain, "yes" if holds else "no", question) is SUPPORT
    assert judge(chain, "no" if holds else "yes", question) is CONTRADICT


@pytest.mark.parametrize(
    ("question", "chain", "holds"),
    [
        ("Is the bag green?", "The bag is brown.", False),
        ("Is the bag green?", "It is brown.", False),
        ("Is the bag green?", "The bag next to the green chair is brown.", False),
        ("Is the bag green?", "The bag is green.", True),
        ("Is the chair made of wood?", "The chair is made of metal.", False),
        ("Is the chair made of wood?", "The chair looks like wood, but it is made of plastic.", False),
        ("Is the chair made of wood?", "The table is made of metal. The chair is made of wood.", True),
        ("Is the chair made of wood?", "The chair isn't made of metal. It is wooden.", True),
        ("Is the car red?", "The car appears blue.", False),
        ("Is the car red?", "The car is blue. No, wait, it is red.", True),
        ("Is the car red?", "The car that is parked behind the blue van is red.", True),
        ("Are both the cat and the dog black?", "The cat is black but the dog is white.", False),
        ("Are both the cat and the dog black?", "The cat is black and the dog is black.", True),
        ("Are there two cups?", "There are three cups.", False),
        ("Are there two cups?", "I see two cups.", True),
        ("Is the boy taller than the girl?", "The girl is smaller than the boy.", True),
        ("Is the car behind the truck?", "The car stands ahead of the truck.", False),
    ],
)
def test_another_value_says_no(question: str, chain: str, holds: bool) -> None:
    assert judge(chain, "yes" if holds else "no", question) is SUPPORT
    assert judge(chain, "no" if holds else "yes", question) is CONTRADICT


@pytest.mark.parametrize(
    ("question", "chain"),
    [
        ("Is the bag green?", "The bag is green and white."),
        ("Is the bag green?", "The chair is brown."),
        ("Is the bag large and white?", "The bag is white."),
        ("Is the chair made of wood?", "The chair has a metal frame."),
        ("Are there two cups?", "There are at least three cups."),
    ],
)
def test_a_value_beside_it_or_of_another_thing_says_no_no(question: str, chain: str) -> None:
    assert judge(chain, "yes", question) is not CONTRADICT


def test_a_side_belongs_to_its_thing() -> None:
    chain = "The lamp is on the right side of the picture, the sofa is on the left."
    assert judge(chain, "right", "On which side is the lamp?") is SUPPORT
    assert judge(chain, "left", "On which side is the lamp?") is not SUPPORT
    assert judge(chain, "left", "On which side is the sofa?") is SUPPORT


def test_no_doubt_denies_nothing() -> None:
    chain = "There is no doubt that a clock hangs on the wall."
    assert judge(chain, "yes", "Is there a clock on the wall?") is SUPPORT


BALL = "What color is the ball?"


@pytest.mark.parametrize(
    ("question", "chain", "right", "wrong"),
    [
        (BALL, "The ball looks blue. Answer: red", "red", "blue"),
        (BALL, "The ball looks blue. **Answer:** red", "red", "blue"),
        (BALL, "The ball looks blue. Conclusion: the ball is red.", "red", "blue"),
        (BALL, "The ball looks blue. So my final answer: red.", "red", "blue"),
        ("What animal is it?", "It looks like a cat. Answer: dog", "dog", "cat"),
        ("Is the ball red?", "The ball looks red. Answer: no", "no", "yes"),
        (BALL, "- Color: red", "red", "blue"),
        (BALL, "- Object: ball\n- Color: red", "red", "blue"),
        (BALL, "1. Object: ball\n2. Color: red", "red", "blue"),
        (BALL, "- Box color: blue\n- Ball color: red", "red", "blue"),
        (BALL, "I look at it.\n- **Ball**: red\n- **Box**: blue", "red", "blue"),
        ("How many cups are there?", "- Plates: 4\n- Number of cups: 3", "3", "4"),
        (BALL, "Is it red? Yes. Is it blue? No.", "red", "blue"),
        (BALL, "Is it blue? No. Is it red? Yes.", "red", "blue"),
        (BALL, "Could it be blue? No. Could it be red? Yes.", "red", "blue"),
        (BALL, "Red? Yes. Blue? No.", "red", "blue"),
        (BALL, "Is it blue? No, it is red.", "red", "blue"),
        ("What animal is it?", "Is it a dog? Yes. Is it a cat? No.", "dog", "cat"),
        ("Is the ball red?", "Is it red? Yes. Is it blue? No.", "yes", "no"),
        ("Is the ball blue?", "Is it blue? No. Is it red? Yes.", "no", "yes"),
        (BALL, "- ball -> red\n- box -> blue", "red", "blue"),
        (BALL, "- box = blue\n- ball = red", "red", "blue"),
        (BALL, "The ball seems blue. Final Answer - red", "red", "blue"),
        (BALL, r"The ball seems blue. \boxed{red}", "red", "blue"),
        (BALL, r"The ball looks blue at first. $\boxed{\text{red}}$.", "red", "blue"),
        ("Is the ball red?", r"The ball looks red. \boxed{no}", "no", "yes"),
    ],
)
def test_labels_and_questions_that_the_chain_answers_itself(question: str, chain: str, right: str, wrong: str) -> None:
    assert judge(chain, right, question) is SUPPORT
    assert judge(chain, wrong, question) is CONTRADICT


def test_questions_alone_say_nothing() -> None:
    assert judge("Is it blue?", "blue", BALL) is UNKNOWN
