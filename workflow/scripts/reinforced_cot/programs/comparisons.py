"""What the names of things tell beside their attributes: age, gender, and whether a food is healthy."""

from collections.abc import Collection

from reinforced_cot.matching.words import word_set

# GQA's names of people and foods; a wrong guess gives another answer than GQA's, and its chain is left out.
_GENDERS = {
    "male": word_set("man men boy boys guy gentleman father son he"),
    "female": word_set("woman women girl girls lady ladies mother daughter bride she"),
}
_BY_NAME = {
    "old": word_set("man woman men women adult lady gentleman guy father mother"),
    "young": word_set("boy girl child children baby kid toddler boys girls"),
    "healthy": word_set(
        """apple banana orange pear peach grape grapes strawberry strawberries blueberry raspberry cherry lemon lime
        mango kiwi melon watermelon pineapple fruit fruits vegetable vegetables carrot carrots broccoli lettuce salad
        tomato tomatoes cucumber spinach celery cabbage cauliflower beans peas pepper onion avocado olives zucchini"""
    ),
    "unhealthy": word_set(
        """cake cupcake pie donut donuts cookie cookies candy chocolate dessert pastry brownie muffin frosting pizza
        burger hamburger fries chips sandwich bacon sausage soda waffle pancake pancakes"""
    )
    | {"hot dog", "hot dogs", "ice cream", "french fries", "cheeseburger"},
}


SAID = {"old": "grown up"}  # where the value is not what one would say


def gender(name: str) -> tuple[str, ...]:
    """The gender that a name tells, if it does.

    >>> gender("woman"), gender("person")
    (('female',), ())
    """
    return tuple(gender for gender, names in _GENDERS.items() if name in names)


def is_known(name: str, attributes: Collection[str], value: str) -> bool:
    """Whether a thing is of a value, such as "old", by its attributes or else by its name.

    >>> is_known("man", ["tall"], "old"), is_known("tree", ["tall"], "tall"), is_known("tree", [], "old")
    (True, True, False)
    """
    return value in attributes or name in _BY_NAME.get(value, ())
