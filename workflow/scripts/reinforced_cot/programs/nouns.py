"""Articles and verbs for the names of objects in scene graphs."""

from reinforced_cot.matching.plurals import IRREGULAR
from reinforced_cot.matching.words import word_set
from reinforced_cot.programs.comparisons import gender

_SINGULAR = word_set("gas lens canvas news series species atlas tennis iris christmas")
_ENDS_OF_SINGULARS = ("ss", "us", "sis")
_PLURAL = word_set("cattle police menus gnus emus")
_UNCOUNTED = word_set(
    """grass water snow sand dirt mud hair furniture clothing food meat bread rice cheese sauce butter cream milk juice
    coffee tea wine beer lettuce broccoli spinach corn fruit fur wood metal plastic glass paper ice smoke dust gravel
    concrete pavement jewelry luggage silverware equipment money traffic graffiti foam soap cloth fabric leather foliage
    vegetation greenery garbage trash bacon chicken salad soup cake pizza chocolate sugar salt pepper
    ketchup mustard mayonnaise everything nothing"""
)
_ADJECTIVES = word_set("indoors outdoors")
_PERSONS = word_set(
    "person child baby kid player skier surfer skateboarder snowboarder batter catcher driver rider adult"
)
_VOWELS = tuple("aeiou")
_NOT_AN, _ALSO_AN = ("uni", "use", "one", "euro", "uti", "ute"), ("hour", "honest", "heir")


def is_plural(name: str) -> bool:
    """Whether a name stands for several things, by its last word.

    >>> [is_plural(name) for name in ("dog", "tennis shoes", "people", "bus", "grass", "skis", "cattle")]
    [False, True, True, False, False, True, True]
    """
    last = name.split()[-1] if name.split() else ""
    if last in IRREGULAR or last in _PLURAL:
        return True
    return last.endswith("s") and last not in _SINGULAR and not last.endswith(_ENDS_OF_SINGULARS)


def be(name: str) -> str:
    """The verb for a name: is or are."""
    return "are" if is_plural(name) else "is"


def have(name: str) -> str:
    """The verb for a name: has or have."""
    return "have" if is_plural(name) else "has"


def with_article(phrase: str, noun: str = "") -> str:
    """A phrase with its indefinite article, if its noun takes one.

    Args:
        noun: of the phrase; the phrase itself by default.

    >>> with_article("red apple", "apple"), with_article("old dog", "dog"), with_article("shoes"), with_article("grass")
    ('a red apple', 'an old dog', 'shoes', 'grass')
    """
    noun = noun or phrase
    if is_plural(noun) or (noun.split()[-1:] and noun.split()[-1] in _UNCOUNTED | _ADJECTIVES):
        return phrase
    begins_with_vowel = phrase.startswith((*_VOWELS, *_ALSO_AN)) and not phrase.startswith(_NOT_AN)
    return f"{'an' if begins_with_vowel else 'a'} {phrase}"


def pronoun(name: str) -> str:
    """What stands for a name as an object.

    >>> pronoun("table"), pronoun("woman"), pronoun("shoes"), pronoun("child")
    ('it', 'her', 'them', 'them')
    """
    if is_plural(name) or (name.split()[-1:] and name.split()[-1] in _PERSONS):
        return "them"
    return {"male": "him", "female": "her"}.get("".join(gender(name)), "it")
