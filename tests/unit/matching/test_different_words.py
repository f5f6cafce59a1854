"""Words that look alike, truths that nothing matches, and what is denied behind an answer."""

import pytest

from reinforced_cot.data.tokens import can_be_matched, tokens
from reinforced_cot.matching.answer_matching import is_correct

# Pairs of different words that are equal without their combining marks, or that look alike, ten per script.
PAIRS = {
    "Devanagari": "काला केला|नीला नाली|दिन दान|फल फूल|बाल बेल|चाल चील|मोर मार|तेल ताल|गाय गये|पानी पीना|लाल लीला",
    "Bengali": "কালা কলা|নীল নাল|ফুল ফল|বাঘ বেগ|মাছ মোছ|দিন দান|জল জাল|পাখি পাখা|হাত হিত|রাত রীতি",
    "Tamil": "மான் மீன்|நாய் நோய்|கல் கால்|பல் பால்|மரம் மாரம்|வில் வேல்|தேன் தான்|பூ பா|கிளி களி|புலி பலி",
    "Telugu": "నీరు నోరు|పాలు పులి|చేప చాప|కాలు కోలు|మేక మూక|తేలు తోలు|వాన వీణ|పాము పోము|గుడి గది|రాయి రేయి",
    "Kannada": "ನೀರು ನೂರು|ಹಾಲು ಹುಲಿ|ಮೀನು ಮಾನ|ಕಾಲು ಕೋಲು|ಹೂ ಹಾ|ತಾಯಿ ತೋಯಿ|ಬೆಲೆ ಬಲೆ|ಮರ ಮಾರ|ಕೈ ಕಾಯಿ|ನಾಯಿ ನಯ",
    "Thai": "เสือ เสื้อ|ไม้ ไม่|ข้าว ขาว|ม้า มา|หมา หม่า|ปา ป่า|น้ำ นำ|สี สี่|ใกล้ ไกล|แม่ แม้",
    "Khmer": "ក្រហម ក្រហាម|ខ្មៅ ខ្មា|ឆ្កែ ឆ្កោ|ត្រី ត្រា|ដី ដៃ|មាន់ មាន|គោ គា|ផ្ទះ ផ្ទុះ|ទឹក ទុក|ស សា",
    "Hebrew": "סֵפֶר סַפָּר|דָּבָר דֶּבֶר|מֶלֶךְ מָלַךְ|שָׁנָה שֵׁנָה|עֵד עַד|אֵם אִם|בֹּקֶר בָּקָר|חֹדֶשׁ חָדָשׁ|לֶחֶם לָחַם|עֵז עֹז",
    "Arabic": "كَتَبَ كُتُب|مَلِك مُلْك|عِلْم عَلَم|حُبّ حَبّ|رَجُل رِجْل|بَرّ بُرّ|جَمَل جُمَل|قَدَم قِدَم|سِنّ سَنّ|حَمَام حَمَّام",
    "Vietnamese": "ma mà|bò bó|cá cà|dê dế|lá là|mèo méo|gà gả|bàn bán|táo tảo|cam càm",
    "Burmese": "ကာ ကီ|မာ မီ|နာ နီ|လာ လူ|စာ စီ|ပါ ပူ|ရာ ရီ|သာ သူ|ဟာ ဟူ|တာ တီ",
}


@pytest.mark.parametrize("script", PAIRS)
def test_words_that_differ_in_marks_are_different_words(script: str) -> None:
    pairs = [pair.split() for pair in PAIRS[script].split("|")]
    assert len(pairs) >= 10
    for one, other in pairs:
        assert is_correct(one, one) and is_correct(other, other)
        assert not is_correct(one, other) and not is_correct(other, one), (one, other)
        assert tokens(one) != tokens(other)


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        ("A", True),
        ("a", True),
        ("the", False),
        ("An", False),
        ("The.", False),
        ("?!", False),
        ("...", False),
        ("**", False),
        ("\u200b", False),
        ("red", True),
        ("C++", True),
        ("-5", True),
        ("\u2665", True),
        ("x" * 500, True),
        ("x" * 501, False),
        ("yes no", True),
    ],
)
def test_truths_that_no_answer_can_match(truth: str, expected: bool) -> None:
    assert can_be_matched(truth) is expected
    assert is_correct(truth, truth, "What is it?") is expected


COLOR, DOG, SIDE, CHOICE = "What color is it?", "Is there a dog?", "On which side is it?", "Is it blue or red?"
DENIED_BEHIND = [
    *[
        (answer, "blue", COLOR)
        for answer in ("blue is not the color", "blue it is not", "Blue, it isn't", "blue is not")
    ],
    *[(answer, "blue", COLOR) for answer in ("blue cannot be the color", "blue does not appear", "Blue was never it.")],
    *[
        ("red is not it", "red", CHOICE),
        ("left is not the side", "left", SIDE),
        ("3 is not the number", "3", "How many?"),
    ],
    ("B is not right", "B", "Which is it?\nA. red\nB. blue"),
    *[(answer, "yes", DOG) for answer in ("I would not say yes", "I cannot say yes", "Yes is wrong", "Yes, false")],
    *[
        (answer, "yes", DOG)
        for answer in ("Yes is not the answer", "hardly yes", "If yes then good", "Yes, it is not.")
    ],
    *[(answer, "no", DOG) for answer in ("No is not the answer", "No is wrong")],
]
OF_ANOTHER_THING = [
    *[
        (answer, "yes", DOG)
        for answer in ("There is a cat", "There is nothing", "There are 0 dogs", "There is nobody.")
    ],
    *[("There is neither a dog nor a cat", "yes", DOG), ("There are clouds", "yes", "Is the sky blue?")],
    *[("There is a cat", "no", DOG), ("yes, there are no dogs", "yes", DOG), ("No, there is a dog.", "no", DOG)],
]
RIGHT_ALL_THE_SAME = [
    *[
        ("It is blue, it is not red", "blue", CHOICE),
        ("blue, not red", "blue", CHOICE),
        ("Not red but blue", "blue", CHOICE),
    ],
    *[(answer, "no", DOG) for answer in ("There is nothing", "There are 0 dogs", "There is neither a dog nor a cat")],
    *[(answer, "no", DOG) for answer in ("No, there is a cat.", "No, there are only cats.", "No, there isn't.")],
    *[(answer, "no", DOG) for answer in ("No, it is not", "No, it isn't there", "There are no dogs.")],
    *[(answer, "yes", DOG) for answer in ("Yes, there is a dog and no cat.", "Yes, no doubt.", "Yes, there is.")],
    *[("There is a dog", "yes", DOG), ("There are two dogs", "yes", "Are there dogs?"), ("There is one.", "yes", DOG)],
]


@pytest.mark.parametrize(("answer", "truth", "question"), [*DENIED_BEHIND, *OF_ANOTHER_THING])
def test_what_is_denied_behind_it_or_said_of_another_thing_is_not_right(answer: str, truth: str, question: str) -> None:
    assert not is_correct(answer, truth, question)


@pytest.mark.parametrize(("answer", "truth", "question"), RIGHT_ALL_THE_SAME)
def test_a_denial_of_something_else_takes_nothing_back(answer: str, truth: str, question: str) -> None:
    assert is_correct(answer, truth, question)
