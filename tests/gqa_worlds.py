"""Made-up scene graphs and questions in the form of GQA's files, with answers that the tested code does not give.

A question is made from what its scene was built with: the maker knows the answer before it writes the program.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

COLORS = ("red", "green", "blue", "black", "white", "brown", "gray", "yellow")
MATERIALS = ("wood", "metal", "plastic", "glass")
SIZES = ("small", "large")
POSES = ("standing", "sitting", "walking", "sleeping")
ANIMALS = ("dog", "cat", "horse", "cow", "sheep")
PEOPLE = {"man": "male", "woman": "female", "boy": "male", "girl": "female"}
OLD, YOUNG = ("man", "woman"), ("boy", "girl")
FOODS = {"apple": True, "carrot": True, "donut": False, "cake": False}
FURNITURE = ("table", "chair", "bed", "couch", "shelf")
OTHERS = ("lamp", "bag", "box", "car", "umbrella", "fence", "pillow", "shoes", "books", "tree")
PLACES = {"kitchen": "indoors", "bedroom": "indoors", "beach": "outdoors", "street": "outdoors"}
NEVER = ("giraffe", "rocket", "violin")  # in no scene
WIDTH, HEIGHT = 500, 375


class Question(NamedTuple):
    """A question of GQA's form, without what nothing here reads."""

    text: str
    steps: list[dict[str, Any]]
    answer: str
    structural: str


class _Thing(NamedTuple):
    id: str
    name: str
    category: str
    color: str
    size: str
    material: str
    pose: str
    x: int
    y: int
    wide: int
    high: int

    @property
    def across(self) -> float:
        """Where its centre is, as a share of the image's width."""
        return (self.x + self.wide / 2) / WIDTH

    @property
    def down(self) -> float:
        """The same of its height."""
        return (self.y + self.high / 2) / HEIGHT


def _op(operation: str, argument: str = "", *inputs: int) -> dict[str, Any]:
    return {"operation": operation, "argument": argument, "dependencies": list(inputs)}


class World:
    """One image: at least two things of each category. A person or another thing may have a second one of its name."""

    def __init__(self, number: int) -> None:
        self.draw = random.Random(number)
        self.location = self.draw.choice(sorted(PLACES))
        self.weather = self.draw.choice(("sunny", "cloudy")) if PLACES[self.location] == "outdoors" else ""
        self.things = list(self._things(number))
        self.on: dict[str, str] = {}  # the id of what each thing is on
        supports = [thing for thing in self.things if thing.category == "furniture"]
        for thing in self.things:
            if thing.category in ("food", "animal", "other"):
                self.on[thing.id] = self.draw.choice(supports).id

    def _things(self, number: int) -> Iterator[_Thing]:
        names = [
            *((name, "animal") for name in self.draw.sample(ANIMALS, 2)),
            *((name, "person") for name in self.draw.sample(sorted(PEOPLE), 2)),
            *((name, "food") for name in self.draw.sample(sorted(FOODS), 2)),
            *((name, "furniture") for name in self.draw.sample(FURNITURE, 3)),
            *((name, "other") for name in self.draw.sample(OTHERS, self.draw.randint(3, 7))),
        ]
        if self.draw.random() < 0.5:
            names.append(self.draw.choice([pair for pair in names if pair[1] in ("person", "other")]))
        self.draw.shuffle(names)
        for place, (name, category) in enumerate(names):
            wide, high = self.draw.randint(20, 140), self.draw.randint(20, 140)
            x, y = self.draw.randint(0, WIDTH - wide), self.draw.randint(0, HEIGHT - high)
            yield _Thing(
                *(str(1_000_000 + number * 100 + place), name, category),
                *(self.draw.choice(COLORS), self.draw.choice(SIZES), self.draw.choice(MATERIALS)),
                self.draw.choice(POSES),
                *(x, y, wide, high),
            )

    def graph(self) -> dict[str, Any]:
        """The scene graph as it stands in GQA's file."""
        row: dict[str, Any] = {"width": WIDTH, "height": HEIGHT, "location": self.location}
        if self.weather:
            row["weather"] = self.weather
        row["objects"] = {thing.id: self._row(thing) for thing in self.things}
        return row

    def _row(self, thing: _Thing) -> dict[str, Any]:
        attributes = [thing.color, thing.size]
        attributes += [thing.pose] if thing.category in ("animal", "person") else [thing.material]
        relations = [
            {"name": f"to the {self.side(thing, other)} of", "object": other.id}
            for other in self.things
            if other.id != thing.id
        ]
        if thing.id in self.on:
            relations.append({"name": "on", "object": self.on[thing.id]})
        return {
            **{"name": thing.name, "attributes": attributes, "relations": relations},
            **{"x": thing.x, "y": thing.y, "w": thing.wide, "h": thing.high},
        }

    def side(self, thing: _Thing, other: _Thing) -> str:
        """On which side of another thing a thing is."""
        return "left" if thing.across < other.across else "right"

    # What questions are made of

    def one(self, *categories: str) -> _Thing:
        return self.draw.choice([thing for thing in self.things if not categories or thing.category in categories])

    def two(self, *categories: str) -> list[_Thing]:
        """Two things of different names."""
        first = self.one(*categories)
        others = [
            one for one in self.things if one.name != first.name and (not categories or one.category in categories)
        ]
        return [first, self.draw.choice(others)]

    def other(self, values: tuple[str, ...], value: str) -> str:
        return self.draw.choice([one for one in values if one != value])

    def placed(self) -> tuple[_Thing, _Thing]:
        """A thing, and what it is on."""
        thing = self.draw.choice([one for one in self.things if one.id in self.on])
        return thing, next(one for one in self.things if one.id == self.on[thing.id])


def _ref(thing: _Thing) -> str:
    return f"{thing.name} ({thing.id})"


def _be(name: str) -> str:
    return "are" if name.endswith("s") else "is"


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def query_color(w: World) -> Question:
    thing = w.one()
    text = f"What color {_be(thing.name)} the {thing.name}?"
    return Question(text, [_op("select", _ref(thing)), _op("query", "color", 0)], thing.color, "query")


def query_material(w: World) -> Question:
    thing = w.one("furniture", "other")
    text = f"What {_be(thing.name)} the {thing.name} made of?"
    return Question(text, [_op("select", _ref(thing)), _op("query", "material", 0)], thing.material, "query")


def query_pose(w: World) -> Question:
    thing = w.one("animal", "person")
    steps = [_op("select", _ref(thing)), _op("query", "activity", 0)]
    return Question(f"What is the {thing.name} doing?", steps, thing.pose, "query")


def query_name(w: World) -> Question:
    thing, support = w.placed()
    steps = [
        _op("select", _ref(support)),
        _op("relate", f"{thing.category},on,s ({thing.id})", 0),
        _op("query", "name", 1),
    ]
    return Question(f"What is on the {support.name}?", steps, thing.name, "query")


def query_object(w: World) -> Question:
    thing, support = w.placed()
    steps = [_op("select", _ref(thing)), _op("relate", f"_,on,o ({support.id})", 0), _op("query", "name", 1)]
    return Question(f"What is the {thing.name} on?", steps, support.name, "query")


def query_side(w: World) -> Question:
    thing = w.one()
    steps = [_op("select", _ref(thing)), _op("query", "hposition", 0)]
    side = "left" if thing.across < 0.5 else "right"
    return Question(f"On which side of the picture {_be(thing.name)} the {thing.name}?", steps, side, "query")


def query_filtered(w: World) -> Question:
    thing = w.one("animal")
    steps = [_op("select", f"animal ({thing.id})"), _op("filter color", thing.color, 0), _op("query", "name", 1)]
    return Question(f"What kind of animal is {thing.color}?", steps, thing.name, "query")


def query_not(w: World) -> Question:
    thing = w.one("furniture")
    other = w.other(COLORS, thing.color)
    steps = [_op("select", f"furniture ({thing.id})"), _op("filter color", f"not({other})", 0), _op("query", "name", 1)]
    return Question(f"What piece of furniture is not {other}?", steps, thing.name, "query")


def query_place(w: World) -> Question:
    return Question("Which place is it?", [_op("select", "scene"), _op("query", "place", 0)], w.location, "query")


def query_weather(w: World) -> Question | None:
    steps = [_op("select", "scene"), _op("query", "weather", 0)]
    return Question("How is the weather in this photo?", steps, w.weather, "query") if w.weather else None


def query_same(w: World) -> Question | None:
    first, second = w.two()
    if first.color != second.color:
        return None
    relate = f"{second.category},same color,_ ({second.id})"
    steps = [_op("select", _ref(first)), _op("relate", relate, 0), _op("query", "name", 1)]
    text = f"What {_be(second.category)} the {second.category} of the same color as the {first.name}?"
    return Question(text, steps, second.name, "query")


def verify_color(w: World) -> Question:
    thing = w.one()
    color = w.draw.choice((thing.color, w.other(COLORS, thing.color)))
    text = f"{'Are' if thing.name.endswith('s') else 'Is'} the {thing.name} {color}?"
    return Question(
        text, [_op("select", _ref(thing)), _op("verify color", color, 0)], _yes(color == thing.color), "verify"
    )


def verify_side(w: World) -> Question:
    thing, side = w.one(), w.draw.choice(("left", "right"))
    text = f"{'Are' if thing.name.endswith('s') else 'Is'} the {thing.name} on the {side} side of the photo?"
    truth = (thing.across < 0.5) == (side == "left")
    return Question(text, [_op("select", _ref(thing)), _op("verify hposition", side, 0)], _yes(truth), "verify")


def verify_relation(w: World) -> Question:
    (first, second), side = w.two(), w.draw.choice(("left", "right"))
    steps = [_op("select", _ref(first)), _op("verify rel", f"{second.name},to the {side} of,o ({second.id})", 0)]
    text = f"{'Are' if first.name.endswith('s') else 'Is'} the {first.name} to the {side} of the {second.name}?"
    return Question(text, steps, _yes(w.side(first, second) == side), "verify")


def verify_absent(w: World) -> Question:
    thing, other = w.one("animal"), w.draw.choice(NEVER)
    steps = [_op("select", _ref(thing)), _op("verify rel", f"{other},on,o (-)", 0)]
    return Question(f"Is the {thing.name} on a {other}?", steps, "no", "verify")


def verify_both(w: World) -> Question:
    thing = w.one("furniture")
    color, size = w.draw.choice((thing.color, w.other(COLORS, thing.color))), w.draw.choice(SIZES)
    steps = [
        _op("select", _ref(thing)),
        _op("verify color", color, 0),
        _op("verify size", size, 0),
        _op("and", "", 1, 2),
    ]
    truth = color == thing.color and size == thing.size
    return Question(f"Is the {thing.name} {size} and {color}?", steps, _yes(truth), "logical")


def verify_location(w: World) -> Question:
    place = w.draw.choice(sorted(PLACES))
    steps = [_op("select", "scene"), _op("verify place", place, 0)]
    return Question(f"Is it a picture of a {place}?", steps, _yes(place == w.location), "verify")


def exist(w: World) -> Question:
    thing = w.one()
    text = f"Are there any {thing.name}{'' if thing.name.endswith('s') else 's'} in the picture?"
    return Question(text, [_op("select", _ref(thing)), _op("exist", "?", 0)], "yes", "verify")


def exist_absent(w: World) -> Question:
    name = w.draw.choice(NEVER)
    steps = [_op("select", f"{name} (-)"), _op("exist", "?", 0)]
    return Question(f"Do you see any {name}s?", steps, "no", "verify")


def exist_filtered(w: World) -> Question:
    thing = w.one()
    color = w.draw.choice((thing.color, w.other(COLORS, thing.color)))
    thing = next((one for one in w.things if (one.name, one.color) == (thing.name, color)), thing)
    steps = [_op("select", _ref(thing)), _op("filter color", color, 0), _op("exist", "?", 1)]
    text = f"Are there any {color} {thing.name}{'' if thing.name.endswith('s') else 's'}?"
    return Question(text, steps, _yes(color == thing.color), "verify")


def exist_related(w: World) -> Question:
    (first, second), name = w.two(), w.draw.choice(NEVER)
    if w.draw.random() < 0.5:
        relate, answer, asked = f"{name},to the right of,s (-)", "no", f"{name}s"
        side = "right"
    else:
        side = w.side(second, first)
        relate, answer, asked = f"{second.name},to the {side} of,s ({second.id})", "yes", f"a {second.name}"
    steps = [_op("select", _ref(first)), _op("relate", relate, 0), _op("exist", "?", 1)]
    return Question(f"Do you see {asked} to the {side} of the {first.name}?", steps, answer, "verify")


def exist_or(w: World) -> Question:
    thing, name = w.one(), w.draw.choice(NEVER)
    steps = [
        *(_op("select", f"{name} (-)"), _op("exist", "?", 0)),
        *(_op("select", _ref(thing)), _op("exist", "?", 2), _op("or", "", 1, 3)),
    ]
    text = f"Are there {name}s or {thing.name}{'' if thing.name.endswith('s') else 's'}?"
    return Question(text, steps, "yes", "logical")


def exist_and(w: World) -> Question:
    first, second = w.two()
    steps = [
        *(_op("select", _ref(first)), _op("exist", "?", 0)),
        *(_op("select", _ref(second)), _op("exist", "?", 2), _op("and", "", 1, 3)),
    ]
    return Question(f"Are there both a {first.name} and a {second.name} in the image?", steps, "yes", "logical")


def choose_color(w: World) -> Question:
    thing = w.one()
    options = [thing.color, w.other(COLORS, thing.color)]
    w.draw.shuffle(options)
    text = f"{'Are' if thing.name.endswith('s') else 'Is'} the {thing.name} {options[0]} or {options[1]}?"
    steps = [_op("select", _ref(thing)), _op("choose color", "|".join(options), 0)]
    return Question(text, steps, thing.color, "choose")


def choose_name(w: World) -> Question:
    thing, support = w.placed()
    options = [thing.name, w.draw.choice(NEVER)]
    w.draw.shuffle(options)
    steps = [
        *(_op("select", _ref(support)), _op("relate", f"{thing.category},on,s ({thing.id})", 0)),
        _op("choose name", "|".join(options), 1),
    ]
    text = f"What is on the {support.name}, the {options[0]} or the {options[1]}?"
    return Question(text, steps, thing.name, "choose")


def choose_side(w: World) -> Question:
    thing = w.one()
    steps = [_op("select", _ref(thing)), _op("choose hposition", "left|right", 0)]
    text = f"On which side of the image {_be(thing.name)} the {thing.name}, the left or the right?"
    return Question(text, steps, "left" if thing.across < 0.5 else "right", "choose")


def choose_height(w: World) -> Question:
    thing = w.one()
    steps = [_op("select", _ref(thing)), _op("choose vposition", "top|bottom", 0)]
    text = f"{'Are' if thing.name.endswith('s') else 'Is'} the {thing.name} in the top or in the bottom of the image?"
    return Question(text, steps, "top" if thing.down < 0.5 else "bottom", "choose")


def choose_relation(w: World) -> Question:
    first, second = w.two()
    relate = f"{second.name},to the left of|to the right of,s ({second.id})"
    text = (
        f"{'Are' if second.name.endswith('s') else 'Is'} the {second.name} to the left or to the right of the "
        f"{first.name}?"
    )
    steps = [_op("select", _ref(first)), _op("choose rel", relate, 0)]
    return Question(text, steps, w.side(second, first), "choose")


def choose_place(w: World) -> Question:
    options = [w.location, w.other(tuple(sorted(PLACES)), w.location)]
    w.draw.shuffle(options)
    steps = [_op("select", "scene"), _op("choose place", "|".join(options), 0)]
    return Question(f"Is this a {options[0]} or a {options[1]}?", steps, w.location, "choose")


def choose_older(w: World) -> Question | None:
    first, second = w.two("person")
    if (first.name in OLD) == (second.name in OLD):
        return None
    older = first if first.name in OLD else second
    steps = [_op("select", _ref(first)), _op("select", _ref(second)), _op("choose older", "", 0, 1)]
    return Question(f"Who is older, the {first.name} or the {second.name}?", steps, older.name, "compare")


def choose_healthier(w: World) -> Question | None:
    first, second = w.two("food")
    if FOODS[first.name] == FOODS[second.name]:
        return None
    better = first if FOODS[first.name] else second
    steps = [_op("select", _ref(first)), _op("select", _ref(second)), _op("choose healthier", "", 0, 1)]
    return Question(f"Which is healthier, the {first.name} or the {second.name}?", steps, better.name, "compare")


def two_same(w: World) -> Question:
    first, second = w.two()
    operation = w.draw.choice(("same", "different"))
    equal = first.color == second.color
    steps = [_op("select", _ref(first)), _op("select", _ref(second)), _op(f"{operation} color", "", 0, 1)]
    text = (
        f"Do the {first.name} and the {second.name} have the same color?"
        if operation == "same"
        else f"Do the {first.name} and the {second.name} have different colors?"
    )
    return Question(text, steps, _yes(equal is (operation == "same")), "compare")


def two_common(w: World) -> Question | None:
    first, second = w.two("furniture", "other")
    shared = [first.color == second.color, first.material == second.material]
    if sum(shared) != 1:
        return None
    steps = [_op("select", _ref(first)), _op("select", _ref(second)), _op("common", "", 0, 1)]
    text = f"What do both the {first.name} and the {second.name} have in common?"
    return Question(text, steps, "color" if shared[0] else "material", "compare")


def all_same(w: World) -> Question:
    animals = [thing for thing in w.things if thing.category == "animal"]
    ids = ",".join(thing.id for thing in animals)
    equal = len({thing.name for thing in animals}) == 1
    steps = [_op("select", f"animal ({ids})"), _op("same", "type", 0)]
    return Question("Are all the animals the same?", steps, _yes(equal), "compare")


def all_gender(w: World) -> Question:
    people = [thing for thing in w.things if thing.category == "person"]
    ids = ",".join(thing.id for thing in people)
    equal = len({PEOPLE[thing.name] for thing in people}) == 1
    steps = [_op("select", f"person ({ids})"), _op("different", "gender", 0)]
    return Question("Are these people of different genders?", steps, _yes(not equal), "compare")


MAKERS: tuple[Callable[[World], Question | None], ...] = (
    *(query_color, query_material, query_pose, query_name, query_object, query_side, query_filtered, query_not),
    *(query_place, query_weather, query_same, verify_color, verify_side, verify_relation, verify_absent, verify_both),
    *(verify_location, exist, exist_absent, exist_filtered, exist_related, exist_or, exist_and, choose_color),
    *(choose_name, choose_side, choose_height, choose_relation, choose_place, choose_older, choose_healthier),
    *(two_same, two_common, all_same, all_gender),
)


def questions(world: World, count: int) -> Iterator[Question]:
    """So many questions about one image."""
    made = 0
    while made < count:
        question = world.draw.choice(MAKERS)(world)
        if question is not None:
            made += 1
            yield question


def entry(question: Question, id: str, image: str) -> dict[str, Any]:
    """The question as it stands in GQA's file."""
    return {
        **{"semantic": question.steps, "entailed": [], "equivalent": [id], "question": question.text},
        **{"imageId": image, "isBalanced": True, "groups": {"global": None, "local": "10-x"}},
        **{"answer": question.answer, "annotations": {"answer": {}, "question": {"4": "123"}, "fullAnswer": {}}},
        "semanticStr": "->".join(
            f"{step['operation']}: {step['argument']} {step['dependencies'] or ''}" for step in question.steps
        ),
        **{"types": {"detailed": "x", "semantic": "attr", "structural": question.structural}},
        "fullAnswer": f"It is {question.answer}.",
    }
