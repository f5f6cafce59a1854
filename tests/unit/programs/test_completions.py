"""GQA's files of questions and scene graphs: what becomes of every question."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gqa_worlds
import pytest
from gqa_scene import SCENE, rows

from reinforced_cot.errors import DataError
from reinforced_cot.programs.completions import Counts, Questions, completions


def question(text: str, answer: str, image: str = "7") -> dict[str, Any]:
    return {"imageId": image, "question": "?", "answer": answer, "semantic": rows(text)}


ASKED = {
    "a": question("select: dog (3)->query: color [0]", "brown"),
    "b": question("select: dog (3)->count: ? [0]", "2"),
    "c": question("select: unicorn (99)->exist: ? [0]", "yes"),
    "d": question("select: dog (3)->exist: ? [0]", "yes", image="8"),
    "e": question("select: dog (3)->exist: ? [0]", "yes", image="9"),
    "f": {"imageId": "7", "question": "?", "answer": "yes"},
    "g": question("select: wall (1)->verify color: white [0]", "yes"),
    "unwanted": question("select: dog (3)->verify color: brown [0]", "yes"),
}
WANTED = ["a", "b", "c", "d", "e", "f", "g", "h"]


def made(
    folder: Path, asked: Mapping[str, Any], wanted: list[str], processes: int = 1, prefix: str = ""
) -> tuple[dict[str, str], Counts]:
    (folder / "graphs.json").write_text(json.dumps({"8": {"width": 1}, "7": SCENE, "6": SCENE}))
    (folder / "questions.json").write_text(json.dumps(asked))
    counts, files = Counts(), [Questions([folder / "questions.json"], prefix)]
    found = completions(files, [folder / "graphs.json"], wanted, folder, processes, counts)
    return dict(found), counts


def test_every_question_is_answered_or_counted(tmp_path: Path) -> None:
    found, counts = made(tmp_path, ASKED, WANTED)
    assert [*found] == ["a", "g"]
    assert found["a"].startswith("<think>") and "The dog is brown." in found["a"] and "\nbrown\n</answer>" in found["a"]
    assert counts.left_out == {
        **{"unknown operation: count": 1, "an object that the scene graph lacks": 1, "a malformed scene graph": 1},
        **{"no scene graph of the image": 1, "no program": 2},
    }
    assert counts.operations == {"select": 6, "query": 1, "count": 1, "exist": 3, "verify color": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graphs.json", "questions.json"]


def test_ids_of_several_sources_begin_with_their_name(tmp_path: Path) -> None:
    found, counts = made(tmp_path, ASKED, ["train:a", "other:1"], prefix="train:")
    assert [*found] == ["train:a"] and counts.left_out == {"no program": 1}


def test_a_question_of_two_files_counts_once(tmp_path: Path) -> None:
    made(tmp_path, ASKED, WANTED)
    counts, files = Counts(), [Questions([tmp_path / "questions.json"] * 2)]
    found = list(completions(files, [tmp_path / "graphs.json"], WANTED, tmp_path, 1, counts))
    assert [id for id, _ in found] == ["a", "g"] and counts.left_out["no program"] == 2


def test_scene_graphs_may_stand_in_several_files(tmp_path: Path) -> None:
    made(tmp_path, ASKED, WANTED)
    (tmp_path / "val.json").write_text(json.dumps({"9": SCENE}))
    counts, files = Counts(), [Questions([tmp_path / "questions.json"])]
    graphs = [tmp_path / "graphs.json", tmp_path / "val.json"]
    found = list(completions(files, graphs, WANTED, tmp_path, 1, counts))
    assert [id for id, _ in found] == ["a", "g", "e"] and "no scene graph of the image" not in counts.left_out


def test_names_that_cannot_be_written_are_counted(tmp_path: Path) -> None:
    half = {**SCENE, "objects": {**SCENE["objects"], "3": {**SCENE["objects"]["3"], "name": "d\ud800g"}}}
    (tmp_path / "graphs.json").write_text(json.dumps({"7": half}))
    (tmp_path / "questions.json").write_text(json.dumps({"a": question("select: dog (3)->query: name [0]", "dog")}))
    counts, files = Counts(), [Questions([tmp_path / "questions.json"])]
    assert not list(completions(files, [tmp_path / "graphs.json"], ["a"], tmp_path, 1, counts))
    assert counts.left_out == {"a name that is no text": 1}


def test_several_processes_write_the_same(tmp_path: Path) -> None:
    asked, graphs = {}, {}
    for number in range(200):
        world = gqa_worlds.World(number)
        graphs[str(number)] = world.graph()
        for place, one in enumerate(gqa_worlds.questions(world, 3)):
            asked[f"{number}-{place}"] = gqa_worlds.entry(one, f"{number}-{place}", str(number))
    (tmp_path / "many.json").write_text(json.dumps(asked))
    (tmp_path / "many_graphs.json").write_text(json.dumps(graphs))

    def run(processes: int) -> list[tuple[str, str]]:
        files = [Questions([tmp_path / "many.json"])]
        return list(completions(files, [tmp_path / "many_graphs.json"], asked, tmp_path, processes, Counts()))

    alone = run(1)
    assert run(2) == alone and len(alone) == 600


@pytest.mark.parametrize("name", ["graphs.json", "questions.json"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str) -> None:
    made(tmp_path, ASKED, WANTED)
    file = tmp_path / name
    file.write_text(file.read_text()[:-30])
    files = [Questions([tmp_path / "questions.json"])]
    with pytest.raises(DataError, match=name):
        list(completions(files, [tmp_path / "graphs.json"], WANTED, tmp_path, 1, Counts()))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graphs.json", "questions.json"]
