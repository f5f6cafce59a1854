"""One scene graph, and programs written as in GQA's ``semanticStr``."""

import re
from typing import Any

from reinforced_cot.programs.program import Step, program

_STEP = re.compile(r"(?P<operation>[^:]*):?(?P<argument>.*?)\s*(?:\[(?P<inputs>[\d, ]+)\])?\s*")


def rows(text: str) -> list[dict[str, Any]]:
    """The steps of a program: "select: dog (3)->query: color [0]"."""
    found = []
    for part in text.split("->"):
        match = _STEP.fullmatch(part.strip())
        assert match is not None
        inputs = [int(number) for number in (match["inputs"] or "").split(",") if number.strip()]
        operation, argument = match["operation"].strip(), match["argument"].strip()
        found.append({"operation": operation, "argument": argument, "dependencies": inputs})
    return found


def steps(text: str) -> tuple[Step, ...]:
    return program(rows(text))


def thing(name: str, box: tuple[int, int, int, int], attributes: str, relations: str = "") -> dict[str, Any]:
    x, y, w, h = box
    pairs = [pair.rsplit(" ", 1) for pair in relations.split(", ") if pair]
    return {
        **{"name": name, "x": x, "y": y, "w": w, "h": h, "attributes": attributes.split()},
        "relations": [{"name": relation, "object": id} for relation, id in pairs],
    }


SCENE: dict[str, Any] = {
    **{"width": 500, "height": 400, "location": "kitchen", "weather": "sunny"},
    "objects": {
        "1": thing("wall", (0, 0, 500, 200), "white"),
        "2": thing("pipe", (20, 20, 30, 100), "red long", "on 1, to the left of 3"),
        "3": thing("dog", (300, 250, 100, 80), "brown sitting young", "to the right of 2, on 5"),
        "4": thing("cat", (50, 300, 60, 60), "brown sleeping", "to the left of 3, on 5"),
        "5": thing("rug", (0, 260, 480, 140), "gray large"),
        "6": thing("man", (400, 100, 90, 250), "standing tall", "wearing 7, to the right of 3, near 3"),
        "7": thing("pants", (410, 200, 60, 120), "blue"),
        "8": thing("boy", (10, 120, 60, 130), "short", "to the left of 6, holding 9"),
        "9": thing("apple", (12, 180, 10, 10), "red round"),
        "10": thing("table", (200, 150, 150, 80), "brown", "behind 3"),
        "11": thing("donut", (220, 150, 20, 20), "brown round", "on 10"),
    },
}
# Question, program and the answer that the scene decides: every operation of GQA's, each with what it may come to.
CASES: list[tuple[str, str, str]] = [
    ("Is the wall white?", "select: wall (1)->verify color: white [0]", "yes"),
    ("Is the wall brown?", "select: wall (1)->verify color: brown [0]", "no"),
    (
        *(
            "What is on the white wall?",
            "select: wall (1)->filter color: white [0]->relate: _,on,s (2) [1]->query: name [2]",
        ),
        "pipe",
    ),
    ("What is the dog on?", "select: dog (3)->relate: _,on,o (5) [0]->query: name [1]", "rug"),
    ("What color is the rug?", "select: rug (5)->query: color [0]", "gray"),
    ("What color is the dog?", "select: dog (3)->query: color [0]", "brown"),
    ("Which color are the trousers?", "select: pants (7)->query: color [0]", "blue"),
    (
        *(
            "What animal is on the rug, a cat or a horse?",
            "select: rug (5)->relate: animal,on,s (4) [0]->choose name: cat|horse [1]",
        ),
        "cat",
    ),
    ("Is the dog sitting?", "select: dog (3)->verify pose: sitting [0]", "yes"),
    ("Is there a fence?", "select: fence (-)->exist: ? [0]", "no"),
    ("Are there any dogs?", "select: dog (3)->exist: ? [0]", "yes"),
    ("Are there any white dogs?", "select: dog (3)->filter color: white [0]->exist: ? [1]", "no"),
    (
        "Are there brown dogs or white cats?",
        "select: dog (3)->filter color: brown [0]->exist: ? [1]->select: cat (4)->filter color: white [3]"
        "->exist: ? [4]->or: [2, 5]",
        "yes",
    ),
    (
        *(
            "Are there fences or giraffes?",
            "select: fence (-)->exist: ? [0]->select: giraffe (-)->exist: ? [2]->or: [1, 3]",
        ),
        "no",
    ),
    (
        *(
            "Are there both fences and dogs?",
            "select: fence (-)->exist: ? [0]->select: dog (3)->exist: ? [2]->and: [1, 3]",
        ),
        "no",
    ),
    (
        *(
            "Is the dog brown and sitting?",
            "select: dog (3)->verify color: brown [0]->verify pose: sitting [0]->and: [1, 2]",
        ),
        "yes",
    ),
    ("Is the dog to the left of the pipe?", "select: dog (3)->verify rel: pipe,to the left of,o (2) [0]", "no"),
    ("Is the dog on a rug?", "select: dog (3)->verify rel: rug,on,o (5) [0]", "yes"),
    ("Is there a pipe on the wall?", "select: wall (1)->verify rel: pipe,on,s (2) [0]", "yes"),
    ("Is the man wearing a hat?", "select: man (6)->verify rel: hat,wearing,o (-) [0]", "no"),
    ("On which side is the cat?", "select: cat (4)->query: hposition [0]", "left"),
    ("Is the cat at the top of the picture?", "select: cat (4)->verify vposition: top [0]", "no"),
    ("Is the table in the middle of the picture?", "select: table (10)->verify vposition: middle [0]", "yes"),
    ("On which side is the cat, the left or the right?", "select: cat (4)->choose hposition: left|right [0]", "left"),
    ("Is the dog in the top or in the bottom part?", "select: dog (3)->choose vposition: top|bottom [0]", "bottom"),
    (
        "Is the cat to the left or to the right of the dog?",
        "select: dog (3)->choose rel: cat,to the left of|to the right of,s (4) [0]",
        "left",
    ),
    (
        "Is the dog to the left or to the right of the pipe?",
        "select: dog (3)->choose rel: pipe,to the left of|to the right of,o (2) [0]",
        "right",
    ),
    ("Do the dog and the cat have the same color?", "select: dog (3)->select: cat (4)->same color: [0, 1]", "yes"),
    ("Is the dog different in color than the rug?", "select: dog (3)->select: rug (5)->different color: [0, 1]", "yes"),
    (
        "What do the apple and the donut have in common?",
        "select: apple (9)->select: donut (11)->common: [0, 1]",
        "shape",
    ),
    ("Who is older, the man or the boy?", "select: man (6)->select: boy (8)->choose older: [0, 1]", "man"),
    ("Who is younger, the man or the boy?", "select: man (6)->select: boy (8)->choose younger: [0, 1]", "boy"),
    ("Who is taller, the boy or the man?", "select: boy (8)->select: man (6)->choose taller: [0, 1]", "man"),
    ("Who is shorter, the boy or the man?", "select: boy (8)->select: man (6)->choose shorter: [0, 1]", "boy"),
    (
        *(
            "Which is healthier, the apple or the donut?",
            "select: apple (9)->select: donut (11)->choose healthier: [0, 1]",
        ),
        "apple",
    ),
    (
        "Which is less healthy, the apple or the donut?",
        "select: apple (9)->select: donut (11)->choose less healthy: [0, 1]",
        "donut",
    ),
    ("Are all the animals the same type?", "select: animal (3,4)->same: type [0]", "no"),
    ("Are these animals of different types?", "select: animal (3,4)->different: type [0]", "yes"),
    ("Are all the animals of the same color?", "select: animal (3,4)->same: color [0]", "yes"),
    ("Are all these people of the same gender?", "select: person (6,8)->same: gender [0]", "yes"),
    ("Which place is it?", "select: scene->query: place [0]", "kitchen"),
    ("Is it a kitchen or a beach?", "select: scene->choose place: kitchen|beach [0]", "kitchen"),
    ("Is it sunny?", "select: scene->verify weather: sunny [0]", "yes"),
    ("Is it rainy?", "select: scene->verify weather: rainy [0]", "no"),
    ("How is the weather?", "select: scene->query: weather [0]", "sunny"),
    (
        "What is the boy that is to the left of the man holding?",
        "select: man (6)->relate: boy,to the left of,s (8) [0]->relate: _,holding,o (9) [1]->query: name [2]",
        "apple",
    ),
    ("Who is wearing the pants?", "select: pants (7)->relate: person,wearing,s (6) [0]->query: name [1]", "man"),
    (
        *(
            "Is there a cat to the right of the man?",
            "select: man (6)->relate: cat,to the right of,s (-) [0]->exist: ? [1]",
        ),
        "no",
    ),
    (
        "What is the animal to the left of the dog doing?",
        "select: dog (3)->relate: animal,to the left of,s (4) [0]->query: activity [1]",
        "sleeping",
    ),
    ("Is the dog large or young?", "select: dog (3)->choose: young|large [0]", "young"),
    (
        *("What animal is not sleeping?", "select: animal (3)->filter activity: not(sleeping) [0]->query: name [1]"),
        "dog",
    ),
    (
        "What is the animal of the same color as the dog?",
        "select: dog (3)->relate: animal,same color,_ (4) [0]->query: name [1]",
        "cat",
    ),
    (
        "What is the round brown food?",
        "select: food (11)->filter color: brown [0]->filter shape: round [1]->query: name [2]",
        "donut",
    ),
]
# Programs that cannot be executed, and why.
FAULTS: list[tuple[str, str]] = [
    ("select: dog (3)->count: ? [0]", "unknown operation: count"),
    ("select: unicorn (99)->query: color [0]", "an object that the scene graph lacks"),
    ("select: fence (-)->query: color [0]", "an object that the scene graph lacks"),
    ("select: dog (3)->relate: cat,wearing,s (4) [0]->query: name [1]", "a relation that the scene graph lacks"),
    ("select: boy (8)->query: color [0]", "a value that the scene graph lacks"),
    ("select: animal (3,4)->query: name [0]", "several objects where one is meant"),
    ("select: dog (3)->choose: brown|sitting [0]", "several values where one is meant"),
    ("select: man (6)->select: dog (3)->choose longer: [0, 1]", "a value that the scene graph lacks"),
    ("select: dog (3)->query: color [1]", "a malformed step"),
    ("select: dog (3)->query: color [7]", "a malformed step"),
    ("select: dog (3)->relate: cat [0]", "a malformed step"),
    ("select: dog (3)->and: [0, 0]", "a malformed step"),
    ("select: dog (3)", "the program ends without an answer"),
]
