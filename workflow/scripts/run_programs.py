"""Execute the programs of GQA's training questions on the scene graphs of their images, and put them into words.

    python workflow/scripts/run_programs.py --settings results/chains/programs.run.yaml --data results/data \\
        --output results/chains/programs.executed.jsonl --counts results/chains/programs.executed.json

A completion has the answer that the program came to. Whether that is GQA's, `filter_chains.py` sees.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.files import read_jsonl
from reinforced_cot.integrity import check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.programs.completions import Counts, Questions, completions
from reinforced_cot.programs.settings import ProgramSettings, QuestionFile
from reinforced_cot.result_files import write_result, write_result_rows
from reinforced_cot.stage_script import read_settings, start
from reinforced_cot.tables.archives import UNPACKED, unpacked_member
from reinforced_cot.tables.table_files import chunk_files
from reinforced_cot.tables.table_formats import is_archive


def main(argv: Sequence[str] | None = None) -> None:
    """Execute every program, and write the completions and what became of the other questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="which files programs are read from")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl")
    parser.add_argument("--output", type=Path, required=True, help="the completions, JSON lines")
    parser.add_argument("--counts", type=Path, required=True, help="operations, and questions without chain, JSON")
    parser.add_argument("--threads", type=int, default=1, help="processes that execute programs")
    args = parser.parse_args(argv)
    start()
    settings = read_settings(args.settings, ProgramSettings)
    check_split(args.data, "train", images=False)
    wanted = {str(row["id"]) for _, row in read_jsonl(args.data / "train.jsonl")}
    questions = [Questions(_files(source, args.data / UNPACKED), source.prefix) for source in settings.questions]
    counts = Counts()
    graphs = [Path(file) for file in settings.scene_graphs]
    made = completions(questions, graphs, wanted, args.output.parent, args.threads, counts)
    write_result_rows(args.output, ({"id": id, "samples": [text]} for id, text in made))
    write_result(args.counts, {"questions": len(wanted), **counts.as_dict()})


def _files(source: QuestionFile, unpacked: Path) -> list[Path]:
    file = Path(source.file)
    return chunk_files(unpacked_member(file, unpacked, source.member) if is_archive(source.file) else file)


if __name__ == "__main__":
    run_script(main)
