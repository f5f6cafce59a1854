"""Reinforce a policy with GRPO, GSPO or another loss of TRL's GRPOTrainer, from a model or from an adapter.

    python workflow/scripts/grpo.py --settings results/grpo/train.yaml --data results/data \\
        --from results/sft --output results/grpo

With ``--topology zero3 --processes 8`` it starts itself through accelerate. A killed run goes on from its last
checkpoint when the same command is given again.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.chains.samples import kept_by_rate
from reinforced_cot.data.examples import most_images, read_examples
from reinforced_cot.integrity import check_split, check_start
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.launcher import add_launch_arguments, launch, topology_of
from reinforced_cot.launch.vllm_server import rollout_server
from reinforced_cot.policies.grpo import GrpoSettings
from reinforced_cot.result_files import read_result
from reinforced_cot.scoring.judge_settings import model_files, with_control
from reinforced_cot.scoring.reward_loading import reward_hashes
from reinforced_cot.stage_script import read_settings, start

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Path, required=True, help="the policy's train.yaml")
    parser.add_argument("--data", type=Path, required=True, help="folder of train.jsonl, val.jsonl and images")
    parser.add_argument("--from", dest="origin", type=Path, required=True, help="folder of the policy to start from")
    parser.add_argument("--output", type=Path, required=True, help="folder of the policy")
    parser.add_argument("--rates", type=Path, help="pass rates of the questions, by which they are chosen")
    parser.add_argument("--trackers", default="", help="what is told of the run, as JSON")
    parser.add_argument("--judges", type=json.loads, default={}, help="where and how fast each judge is asked, JSON")
    parser.add_argument("--replies", type=Path, help="folder of judges' replies, also of other runs")
    add_launch_arguments(parser)
    args = parser.parse_args(argv)
    start()
    settings, topology = read_settings(args.settings, GrpoSettings), topology_of(args)
    check_start(args.origin, settings.policy.start)
    check_split(args.data, "train")
    val, val_inputs = [], []
    if settings.policy.selection.every:
        check_split(args.data, "val")
        val_inputs = [args.data / "val.jsonl"]
        val = read_examples(*val_inputs)
    examples = read_examples(args.data / "train.jsonl")
    rate, rates = settings.policy.pass_rate, [args.rates] if args.rates else []
    if rate and args.rates:
        everything, examples = examples, kept_by_rate(examples, read_result(args.rates), rate.keep, args.rates)
        log.info("%d of %d questions have a pass rate from %g to %g", len(examples), len(everything), *rate.keep)
    launch(topology, rollout_server(settings, args.origin, args.output, most_images(examples)))
    from reinforced_cot.training.grpo import train
    from reinforced_cot.training.trainer import resume

    # A run does not resume with changed rewards: they are part of its fingerprint.
    hashes = reward_hashes(settings.policy.rewards or {}, settings.judges)
    inputs = [args.data / "train.jsonl", *val_inputs, *rates, args.origin / f"{settings.policy.start}.json"]
    run = {**settings.as_dict(), "own_rewards": hashes}
    judged_by = model_files(settings.judges)
    resume_from, claim = resume(Path(__file__), run, inputs, topology, args.output, judged_by)
    asked = settings.model_copy(update={"judges": with_control(settings.judges, args.judges)})
    beside = {"trackers": args.trackers, "replies": args.replies}
    train(asked, examples, args.data, args.origin, args.output, resume_from, topology, claim, val, **beside)


if __name__ == "__main__":
    run_script(main)
