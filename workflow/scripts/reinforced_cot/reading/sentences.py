"""The sentences of a chain of thought, and what each of them does: conclude, hedge, deny, take back, leave open."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from reinforced_cot.data.tokens import ARTICLES, is_word
from reinforced_cot.matching.clock import times_in_digits
from reinforced_cot.matching.vocabulary import FRAME
from reinforced_cot.matching.words import ENDS, NEGATORS, forms, negated, word_set, words
from reinforced_cot.reading.conclusions import MAX_CHAIN_CHARACTERS, without_object_ids
from reinforced_cot.reading.cues import CONCLUDING, DENYING, HEDGES, Phrase, is_retracting, is_undecided, phrases_in

MAX_SENTENCES = 60  # from the end
MAX_TOKENS = 400  # of a sentence, from its end
_AUXILIARIES = word_set("is are was were do does did can could has have will would")
_SUBJECTS = word_set("the a an there it this that these those any he she they his her both all one you")
# Words that carry no content of their own.
FUNCTION_WORDS = ARTICLES | word_set(
    """is are was were be been being am do does did has have had can could will would should may might must it its he
    she they him her his their them this that these those there here who whom which what where when how why in on at of
    to from with by for as and or nor not no yes into onto than then so if also both either neither all any some each
    based upon very just quite rather too still even already only own"""
)
CLAUSE_BREAKS = word_set(
    """, ; : . but so and -> = \u2192 ( ) because since as while though although whereas which who that where when"""
)
_CLAUSE_ENDS = CLAUSE_BREAKS - {":", "->", "=", "\u2192"}  # "boy: red" is one clause
_BREAK = re.compile(r"(?<=[.!?;\u2026])[\"'\u201d)\]*_]{0,5}\s+|\n+")
_ABBREVIATION = re.compile(r"\b(?:St|Mr|Mrs|Ms|Dr|vs|No|e\.g|i\.e|approx|etc)\.$")
_WORD = re.compile(r"\w")
_BULLET = re.compile(r"^[ \t]*(?:[-*+\u2022]|#{1,6}|=>)[ \t]+", re.MULTILINE)
_MARKUP = re.compile(r"[*_`]+")
_BOLD = re.compile(r"(\*{1,3}|_{2,3})(?=\S)([^*_\n]{1,200})(?<=\S)\1")
_BOXED = re.compile(r"\$?\\boxed\{([^{}]{0,200})\}\$?")
_PRICE = re.compile(r"\$\d")
# Contractions in full, so that "it's" is a subject and a verb; "I'd" is a claim ("I'd say"), not a hedge.
_WITH_APOSTROPHE = re.compile(
    r"\b(?P<is>it|that|this|he|she|there|what|who|here|where|how|nobody|one)'s\b|\b(?P<claims>I|one)'d\b"
    r"|'(?P<ending>re|ll|d|ve|m)\b",
    re.IGNORECASE,
)
_ENDINGS = {"re": " are", "ll": " will", "d": " would", "ve": " have", "m": " am"}
_WITHOUT_APOSTROPHE = re.compile(
    r"\b(?P<is>it|that|there|he|she)s\b(?= (?:an?|the|no|not|nothing|only|just|one|two|three|my)\b)|\b(?P<that>that)s\b"
    r"|\b(?P<they>they)re\b|\b(?P<not>do|does|is|are|was|were|would|could|did|has|have)nt\b|\b(?P<can>can)t\b"
    r"|\b(?P<ain>ai)nt\b|\b(?P<claims>I|one) would\b|\b(?P<be>that|it) would be\b|\b(?P<six>half a dozen)\b"
    r"|\b(?P<two>(?:a|one) (?:pair|couple) of) (?=\w+(?:\W|$))",
    re.IGNORECASE,
)
_IN_FULL = {
    **{"is": "{} is", "that": "that is", "they": "they are", "not": "{} not", "can": "can not", "ain": "is not"},
    **{"claims": "{} do", "be": "{} is", "six": "6", "two": "2 "},
}
# Adjectives of materials and patterns, and everyday names, by the word that answers use.
_BASE_FORMS = {
    **{"wooden": "wood", "metallic": "metal", "woolen": "wool", "woollen": "wool", "golden": "gold"},
    **{"silvery": "silver", "leathery": "leather", "glassy": "glass", "grassy": "grass", "checked": "checkered"},
    **{"striped": "stripe", "dotted": "dot", "dots": "dot", "spotted": "spot", "spots": "spot"},
    **{"raining": "rain", "rainy": "rain", "sunny": "sun", "snowy": "snow", "cloudy": "cloud"},
    **{"dad": "father", "daddy": "father", "mum": "mother", "mom": "mother", "bike": "bicycle", "bikes": "bicycle"},
    **{"tv": "television", "telly": "television", "photo": "picture", "image": "picture", "shut": "closed"},
    **{"indoors": "inside", "outdoors": "outside"},
}


def base_forms(tokens: Sequence[str]) -> list[str]:
    """Tokens with "wooden" as "wood" and the like."""
    return [_BASE_FORMS.get(token, token) for token in tokens]


@dataclass(frozen=True)
class Sentence:
    """One sentence of a chain.

    Attributes:
        text: without markup, with contractions in full.
        tokens: its words and marks, as `words.words` gives them, in base forms.
    """

    text: str
    tokens: tuple[str, ...]

    @cached_property
    def denied(self) -> list[bool]:
        """For each token whether it is denied."""
        return _denied(self.tokens)

    @cached_property
    def phrases(self) -> frozenset[Phrase]:
        """Runs of up to three tokens."""
        return phrases_in(self.tokens)

    @cached_property
    def content(self) -> list[str]:
        """The words that carry content."""
        return content_words(self.tokens)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of all its words."""
        return all_stems(self.tokens)

    @cached_property
    def clauses(self) -> list[tuple[tuple[str, ...], frozenset[str]]]:
        """Its clauses of two tokens or more, each with the stems of its words."""
        clauses, start = [], 0
        for i in range(len(self.tokens) + 1):
            if i == len(self.tokens) or self.tokens[i] in _CLAUSE_ENDS:
                if i - start > 1:
                    clauses.append((self.tokens[start:i], all_stems(self.tokens[start:i])))
                start = i + 1
        return clauses

    @cached_property
    def is_question(self) -> bool:
        """Whether it asks, with a question mark or by its order: "Is the man wearing a hat." states nothing."""
        inverted = bool(_AUXILIARIES.intersection(self.tokens[:1]) and _SUBJECTS.intersection(self.tokens[1:2]))
        return inverted or self.text.rstrip("\"')*_ \u201d").endswith("?")

    @cached_property
    def is_undecided(self) -> bool:
        """Whether it says that the question cannot be decided."""
        return is_undecided(self.text)

    @cached_property
    def concludes(self) -> bool:
        """Whether it holds a word that announces a conclusion."""
        return not CONCLUDING.isdisjoint(self.phrases)

    @cached_property
    def retracts(self) -> bool:
        """Whether it takes back what was said before."""
        return is_retracting(self.tokens, self.phrases)

    @cached_property
    def is_hedged(self) -> bool:
        """Whether it holds a might, a perhaps or the like."""
        return not HEDGES.isdisjoint(self.tokens)


def content_words(tokens: Sequence[str]) -> list[str]:
    """The words that say more than a sentence's frame."""
    return [token for token in tokens if is_word(token) and token not in FUNCTION_WORDS and token not in FRAME]


@lru_cache(maxsize=4096)
def stems(word: str) -> frozenset[str]:
    """The word, and what it may be a form of: "wearing" may be a form of "wear"."""
    result = {word, *forms(word)}
    for form in tuple(result):
        for ending in ("ing", "ed", "er", "y", "d", "en", "ly"):
            if form.endswith(ending) and len(form) - len(ending) >= 3:
                stem = form[: -len(ending)]
                result |= {stem, f"{stem}e"}
                if len(stem) > 3 and stem[-1] == stem[-2]:
                    result.add(stem[:-1])
    return frozenset(result)


def all_stems(tokens: Iterable[str]) -> frozenset[str]:
    """The stems of all words of a text."""
    return frozenset(stem for token in tokens if is_word(token) for stem in stems(token))


def sentences(chain: str) -> list[Sentence]:
    """A chain's last sentences in order, without markup.

    >>> [s.tokens for s in sentences("It's **red**.\\n- So it is a quarter past two!")]
    [('it', 'is', 'red', '.'), ('so', 'it', 'is', '2:15', '!')]
    """
    text = without_object_ids(chain).strip()[-MAX_CHAIN_CHARACTERS:]
    text = in_full(_BOXED.sub(r"\1", _MARKUP.sub("", _BULLET.sub("", text))))
    parts: list[str] = []
    for part in _BREAK.split(text):
        stripped = part.strip(" -\u2022\t")
        if not _WORD.search(stripped):
            continue
        if parts and _ABBREVIATION.search(parts[-1]) and not (parts[-1].endswith("No.") and stripped.endswith("?")):
            parts[-1] += f" {stripped}"
        else:
            parts.append(stripped)
    return [_sentence(part) for part in parts[-MAX_SENTENCES:]]


def as_sentences(parts: Sequence[str]) -> list[Sentence]:
    """Texts that are sentences already, with contractions in full."""
    return [_sentence(in_full(part)) for part in parts]


def _sentence(text: str) -> Sentence:
    return Sentence(text, tuple(base_forms(words(text)))[-MAX_TOKENS:])


def bold_phrases(chain: str) -> list[str]:
    """What a chain sets in bold or italics."""
    return [match[2] for match in _BOLD.finditer(chain[-MAX_CHAIN_CHARACTERS:])]


def in_full(text: str) -> str:
    """A text with contractions and times in full: "it's a quarter past two" is "it is 2:15"."""
    text = times_in_digits(text.replace("\u2019", "'"))
    if "'" in text:
        text = _WITH_APOSTROPHE.sub(_expanded, text)
    text = _WITHOUT_APOSTROPHE.sub(_expanded, text)
    return text if "$" not in text or _PRICE.search(text) else text.replace("$", "")


def _expanded(match: re.Match[str]) -> str:
    kind = match.lastgroup or ""
    if kind == "ending":
        return _ENDINGS[match["ending"].lower()]
    return _IN_FULL[kind].format(match[kind])


_DENIALS = NEGATORS | DENYING | {"rather", "opposed"}


def _denied(tokens: Sequence[str]) -> list[bool]:
    """`words.negated`, with more words that deny, and a denial that ends at a comma.

    It goes on where an "or" carries a list on: "not a dog, a cat or a bird", but "not a bag, a basket".
    """
    denied = negated(tokens)
    is_on = False
    for i, token in enumerate(tokens):
        if token in DENYING:
            is_on = True
        if token in ENDS or token in ("but", "instead", ":"):
            is_on = False
        if token == ",":
            end = next(
                (j for j in range(i + 1, len(tokens)) if tokens[j] in ENDS or tokens[j] in ("but", "so", ":")),
                len(tokens),
            )
            rest = tokens[i + 1 : end]
            if "or" not in rest and "nor" not in rest:
                is_on = False
                again = next((j for j in range(i + 1, end) if tokens[j] in _DENIALS), end)
                denied[i:again] = [False] * (again - i)
        denied[i] = denied[i] or is_on
    for i in range(len(tokens) - 1):  # "there is no doubt that it is red"
        if tokens[i] == "no" and tokens[i + 1] in ("doubt", "question"):
            end = next((j for j in range(i, len(tokens)) if tokens[j] in ENDS or tokens[j] == ","), len(tokens))
            denied[i:end] = [False] * (end - i)
    for i in range(1, len(tokens)):  # "train no, car no"
        if tokens[i] == "no" and is_word(tokens[i - 1]) and (i + 1 == len(tokens) or not is_word(tokens[i + 1])):
            denied[i - 1] = True
    return denied
