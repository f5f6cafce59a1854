"""Make a set of chains of thought: from samples, replies, GQA's programs or a user's own function; filter it.

    python workflow/scripts/filter_chains.py --settings results/chains/own.yaml --data results/data \\
        --samples results/samples/base.jsonl --output results/chains/own.jsonl --summary results/chains/own.json

It stands apart from sampling: a change of a filter draws no sample again.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.chains.filters import filtered
from reinforced_cot.chains.own_chains import own_completions
from reinforced_cot.chains.previews import preview_in_words
from reinforced_cot.chains.samples import read_completions, read_samples
from reinforced_cot.chains.settings import ChainSettings, asked_of
from reinforced_cot.chains.taught import write_chains
from reinforced_cot.data.examples import read_examples
from reinforced_cot.errors import ConfigError, DataError, PipelineError
from reinforced_cot.files import write_json
from reinforced_cot.integrity import check_split
from reinforced_cot.interpreter import run_script
from reinforced_cot.result_files import read_result, write_result
from reinforced_cot.seeds import subset
from reinforced_cot.stage_script import read_settings, start

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    """Filter the completions, and write what is kept and what became of the others.

    Raises:
        DataError: the set has fewer chains than its `min_chains`, or a file is damaged.
        PipelineError: it is only a preview, whose yield and cost the message tells.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="the set's part of the configuration")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl")
    parser.add_argument("--samples", type=Path, help="what sample.py, ask_teacher.py or run_programs.py wrote")
    parser.add_argument("--spent", type=Path, help="what asking has cost, for a set by an endpoint")
    parser.add_argument("--programs", type=Path, help="what run_programs.py counted, for a set by gqa_programs")
    parser.add_argument("--threads", type=int, default=1, help="processes that judge chains")
    parser.add_argument("--output", type=Path, required=True, help="the chains, JSON lines")
    parser.add_argument("--summary", type=Path, required=True, help="counts and examples, JSON")
    args = parser.parse_args(argv)
    start()
    settings = read_settings(args.settings, ChainSettings)
    check_split(args.data, "train", images=False)
    chosen, examples = settings.chains, read_examples(args.data / "train.jsonl")
    if chosen.own_function:
        completions = own_completions(chosen.own_function, examples)
    elif args.samples is None:
        raise ConfigError(f"the set {settings.name} is made of samples: give them as --samples")
    elif chosen.by == "gqa_programs":
        completions = read_completions(args.samples, examples)
    else:
        asked = subset(examples, chosen.preview, settings.seed)
        completions = read_samples(args.samples, asked, chosen.drawn)
    spent = read_result(args.spent) if args.spent else None
    asked = [example for example in examples if example.id in completions]
    result = filtered(asked, completions, chosen, args.threads)
    teacher = asked_of(chosen).as_dict() if chosen.by == "endpoint" else None
    programs = read_result(args.programs) if args.programs else None
    for fault, count in (programs["left_out"] if programs else {}).items():
        result.rejected[f"no chain: {fault}"] = count
    summary = {**chosen.as_dict(), "teacher": teacher, "spent": spent, "programs": programs, **result.summary()}
    refused = args.summary.with_suffix(".refused.json")
    refused.unlink(missing_ok=True)
    if chosen.preview:
        write_json(refused, summary)
        raise PipelineError(preview_in_words(settings.name, summary, refused))
    if len(result.kept) < chosen.min_chains:
        write_json(refused, summary)  # no output of the rule, which would be deleted
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in result.rejected.most_common()) or "there is none"
        raise DataError(
            f"the set {settings.name} has {len(result.kept)} chains, fewer than chains.{settings.name}.min_chains "
            f"({chosen.min_chains}); of {result.candidates:,} completions to {result.questions:,} questions were left "
            f"out: {reasons}. {refused} shows some"
        )
    left_out = ", ".join(f"{reason} {count:,}" for reason, count in result.rejected.most_common()) or "none"
    log.info(
        "%s: %d chains of %d questions, of which %d have one; completions left out: %s",
        *(settings.name, len(result.kept), result.questions, len({chain.id for chain in result.kept}), left_out),
    )
    write_result(args.summary, summary)
    write_chains(args.output, result.kept)


if __name__ == "__main__":
    run_script(main)
