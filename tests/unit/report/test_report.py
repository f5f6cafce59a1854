"""The report holds the numbers, and escapes what models and data say."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pytest
import report
from report_runs import HOSTILE, facts, probe, write_run

from reinforced_cot.errors import DataError
from reinforced_cot.files import read_json, write_json, write_jsonl
from reinforced_cot.report.page import read_template
from reinforced_cot.report.policy_facts import as_text


def page(results: Path, policies: list[str], repo: Path, *options: str, in_full: Sequence[str] = ()) -> str:
    output = results / "report.html"
    command = ["--results", str(results), "--templates", str(repo / "workflow/report"), "--output", str(output)]
    report.main([*command, *options, "--policies", as_text(facts(policies, tuple(in_full)))])
    text = output.read_text(encoding="utf-8")
    return re.sub(r"<script>.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)  # the libraries


def charts(text: str) -> dict[str, Any]:
    """The specifications of the page's charts."""
    found = re.search(r'id="chart-specs">(.*?)</script>', text, flags=re.DOTALL)
    assert found
    specs: dict[str, Any] = json.loads(found[1])
    return specs


def test_a_policy_of_full_fine_tuning_has_no_merge(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo"]
    write_run(tmp_path / "run", policies)
    (tmp_path / "run/grpo/merge.json").unlink()
    merges = page(tmp_path / "run", policies, repo, in_full=["grpo"]).split("<h3>Merges</h3>")[1].split("</table>")[0]
    assert "<th>sft</th>" in merges and "grpo" not in merges
    assert "<h3>Merges</h3>" not in page(tmp_path / "run", policies, repo, in_full=["sft", "grpo"])


def test_tables_hold_the_numbers(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo", "gspo"]
    write_run(tmp_path / "run", policies)
    text = page(tmp_path / "run", policies, repo)
    assert "<h1>run</h1>" in text and "40 test questions" in text
    for policy in policies:
        assert f"<th>{policy}</th>" in text
    # accuracy, at T=1, format, merge proof, the merge of a quantized base, data
    for number in ("0.246", "0.222", "0.875", "0.321", "1.2e-07", "0.432", "777", "66", "555", "44"):
        assert f"<td>{number}</td>" in text, number
    # interval, pass@4, no chain, difference, its interval, by type, probes, GQA
    for cell in ("[0.013, 0.988]", "0.777", "0.333", "+0.135", "[+0.100, +0.170]", "2e-09", "+0.135 *"):
        assert f"<td>{cell}</td>" in text, cell
    for cell in ("0.457", "0.568", "-0.012", "+0.015", "0.450 ⚑", "0.100", "61.250"):
        assert f"<td>{cell}</td>" in text, cell
    assert "<td>0.200</td>" not in text.split("What cheating would score")[1]  # the best constant stands for all
    assert "constant answer “&lt;script&gt;" in text and "What speaks against it" in text
    cards = {policy: text.split(f"<h3><bdi>{policy}</bdi></h3>")[1].split("</article>")[0] for policy in policies[1:]}
    assert "the policy earned 1.000, and cheating as much, or nearly: copied chain 0.960" in cards["gspo"]
    assert "as much, or nearly" not in cards["grpo"] and "98% of its answers" in cards["grpo"]
    assert "<td>-</td>" in text and "None" not in text  # base has no well-formed completion and no samples
    written = text.split("What policies wrote while they were trained")[1]  # the first, middle, best and last ones
    assert all(f"<td>At {step}\n&lt;b&gt;\\x00</td>" in written for step in (10, 30, 40, 50)) and "At 20" not in written


def test_charts_hold_the_numbers(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo", "gspo"]
    write_run(tmp_path / "run", policies)
    specs = charts(page(tmp_path / "run", policies, repo))
    assert {"accuracy", "reward", "reward-correctness", "val-accuracy", "loss", "probes-grpo", "by-question-type"} <= {
        *specs
    }
    rewards = specs["reward"]["spec"]["datasets"]["curve"]
    assert {(row["line"], row["step"], row["value"]) for row in rewards} >= {("grpo", 1, 0.5), ("gspo", 2, 0.5)}
    dots = {row["name"]: row for row in specs["accuracy"]["spec"]["datasets"]["dots"]}
    assert dots["grpo"]["value"] == 0.246 and dots["grpo"]["low"] == 0.0125
    for key in specs:  # each also is a file, and so are its numbers
        svg = (tmp_path / f"run/report_files/figures/{key}.svg").read_text(encoding="utf-8")
        assert svg.startswith("<svg") and "var(--" not in svg
        assert (tmp_path / f"run/report_files/tables/{key}.csv").read_text(encoding="utf-8").count("\n") > 1
    csv = (tmp_path / "run/report_files/tables/policies.csv").read_text(encoding="utf-8").splitlines()
    assert csv[0].startswith(",accuracy,95 % interval") and csv[3].startswith('grpo,0.246,"[0.013, 0.988]"')


def test_the_gallery_has_every_question_and_answer(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo"]
    write_run(tmp_path / "run", policies)
    text = page(tmp_path / "run", policies, repo)
    assert '<script defer src="report_files/rows-000.js">' in text
    script = (tmp_path / "run/report_files/rows-000.js").read_text(encoding="ascii")
    rows = json.loads(script.removeprefix("galleryRows(").removesuffix(");\n"))
    assert [row["id"] for row in rows] == [f"q{number}" for number in range(6)]
    assert rows[1]["truth"] == "cat" and [answer["r"] for answer in rows[1]["answers"]] == [0.0, 1.0, 1.0]
    assert rows[5]["answers"][2] == {
        "r": 0.0,
        "a": f"\\u202e{HOSTILE}",
        "v": "contradict",
        "c": f"I see a cat {HOSTILE}",
    }
    assert rows[0]["answers"][0] == {"r": 0.0, "p": "no <think>", "w": f"dog \\x1b[31m {HOSTILE}"}
    for row in rows:
        for image in row["images"]:
            source = tmp_path / "run/data/images/test" / Path(image).name
            assert (tmp_path / "run/report_files" / image).read_bytes() == source.read_bytes()
    facts = json.loads(re.search(r'id="gallery-facts">(.*?)<', text)[1])  # type: ignore[index]
    assert [*facts.pop("chains")] == policies
    assert facts == {"run": "run", "policies": policies, "before": {"sft": "base", "grpo": "sft"}}


def test_several_seeds_are_summed_up(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo"]
    write_run(tmp_path / "run", policies)
    spread = {"mean": 0.812, "deviation": 0.02, "values": [0.832, 0.792]}
    found = {policy: {"accuracy": spread, "consistency": spread} for policy in policies}
    gain = {"over": "sft", **spread, "mean": 0.111, "deviation": None}
    summary = {"seeds": [1, 7], "policies": found, "gains": {"grpo": gain}}
    write_json(tmp_path / "run/seeds.json", summary)
    text = page(tmp_path / "run", policies, repo, "--seeds")
    assert "<td>0.812 ± 0.020</td>" in text and "accuracy, seed 7" in text and "<td>0.111 over sft</td>" in text
    assert "Over several seeds" not in page(tmp_path / "run", policies, repo)


def test_no_flag_where_no_probe_comes_near(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    for policy in ("base", "sft"):
        path = tmp_path / "run" / policy / "eval.json"
        write_json(path, read_json(path) | {"probes": [probe("blank_image", 0.1, False)]})
    text = page(tmp_path / "run", ["base", "sft"], repo)
    assert "What speaks against it" not in text and "speaks against it" in text
    assert "⚑" not in text.split("What cheating would score")[1].split("⚑: the probe")[0]


def test_html_in_names_is_escaped(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", HOSTILE.replace("/", "")]
    write_run(tmp_path / "<b>run", policies)
    text = page(tmp_path / "<b>run", policies, repo)
    assert "<script>" not in text and "<b>run" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "&lt;b&gt;run" in text
    assert "\u202e" not in text and "\x1b" not in text


def test_a_run_without_rl_has_no_reward_curve(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    text = page(tmp_path / "run", ["base", "sft"], repo)
    assert "Supervised loss" in text and not any(key.startswith("reward") for key in charts(text))


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft", "grpo"])
    first = page(tmp_path / "run", ["base", "sft", "grpo"], repo)
    assert page(tmp_path / "run", ["base", "sft", "grpo"], repo) == first


def test_policies_asked_different_questions_are_refused(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    path = tmp_path / "run/sft/eval.json"
    write_json(path, read_json(path) | {"questions": "0000"})
    with pytest.raises(DataError, match="base and sft were asked different questions"):
        page(tmp_path / "run", ["base", "sft"], repo)


def test_a_missing_evaluation_is_named(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    (tmp_path / "run/sft/eval.json").unlink()
    with pytest.raises(DataError, match=r"sft/eval\.json does not exist"):
        page(tmp_path / "run", ["base", "sft"], repo)


# What the report reads, and a key of each.
READ = {
    "base/eval.json": "n_images",
    "sft/eval.json": "truncation_rate",
    "sft/metrics.json": "history",
    "sft/merge.json": "form",
    "comparisons.json": "p_value",
    "data/summary.json": "chains",
}


@pytest.mark.parametrize(("file", "key"), READ.items())
@pytest.mark.parametrize("damage", ["NaN", "a missing key", "cut"])
def test_a_damaged_file_is_named(tmp_path: Path, repo: Path, file: str, key: str, damage: str) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    path = tmp_path / "run" / file
    text = path.read_text()
    if damage == "NaN":
        text, message = re.sub(r": [\d.e-]+(?=,?\n)", ": NaN", text), r"holds nan as \S+: "
    elif damage == "a missing key":
        text, message = text.replace(f'"{key}"', '"lost"'), rf"has no key (\S+\.)?{key}: "
    else:
        text, message = text[: len(text) // 2], "is not valid JSON, perhaps cut off: .*: "
    assert text != path.read_text()
    path.write_text(text)
    with pytest.raises(DataError, match=rf"{file} {message}delete \S*{file} and give the same command with"):
        page(tmp_path / "run", ["base", "sft"], repo)


@pytest.mark.parametrize("content", [None, b"<p>{% if warnings %}", b"\xff"])
def test_a_damaged_template_is_named(tmp_path: Path, content: bytes | None) -> None:
    template = tmp_path / "report.html.j2"
    if content is not None:
        template.write_bytes(content)
    with pytest.raises(DataError, match=r"report\.html\.j2 cannot be read \(.*\): restore it, `git checkout"):
        read_template(jinja2.Environment(), template)


LABELS = [
    *({"id": f"q{number}", "policy": "grpo", "label": "right"} for number in range(6)),  # the judge supports four
    {"id": "q0", "policy": "sft", "label": "unclear"},
    {"id": "gone", "policy": "sft", "label": "right"},
]


def test_the_judge_stands_beside_a_readers_labels(tmp_path: Path, repo: Path) -> None:
    policies = ["base", "sft", "grpo"]
    write_run(tmp_path / "run", policies)
    assert "against your labels" not in page(tmp_path / "run", policies, repo)
    write_jsonl(tmp_path / "labels.jsonl", LABELS)
    text = page(tmp_path / "run", policies, repo, "--labels", str(tmp_path / "labels.jsonl"))
    section = text.split("Do answers follow from their chains?")[1].split("</section>")[0]
    assert "The judge against your labels" in section and "grpo has 6 labels that are right or wrong" in section
    assert "Of sft&#39;s 2 labels, 1 are of questions of another run." in section
    dots = charts(text)["labels"]["spec"]["datasets"]["dots"]
    assert [(dot["class"], dot["name"], round(dot["value"], 3), dot["n"]) for dot in dots] == [
        ("agreement", "grpo", 0.667, 6),
        ("precision of support", "grpo", 1.0, 4),
        ("recall of support", "grpo", 0.667, 6),
    ]
    counts = (tmp_path / "run/report_files/tables/label-counts.csv").read_text(encoding="utf-8")
    assert "grpo,right,4,2,0" in counts and "sft,unclear,1,0,0" in counts


def test_labels_of_another_run_are_refused(tmp_path: Path, repo: Path) -> None:
    write_run(tmp_path / "run", ["base", "sft"])
    write_jsonl(tmp_path / "labels.jsonl", LABELS[:1])
    with pytest.raises(DataError, match=r"labels\.jsonl has labels for 'grpo', and the report has .* base, sft: name"):
        page(tmp_path / "run", ["base", "sft"], repo, "--labels", str(tmp_path / "labels.jsonl"))
