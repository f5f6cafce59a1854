"""Upload a policy's published folder with its card to the Hugging Face Hub.

HF_TOKEN=... python workflow/scripts/push.py --policy results/grpo --repo someone/thinker

The same command goes on after an interruption. HF_ENDPOINT names another hub.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from reinforced_cot.errors import PipelineError
from reinforced_cot.interpreter import run_script
from reinforced_cot.stage_script import start


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--policy", type=Path, required=True, help="folder of the policy, which holds model/")
    parser.add_argument("--repo", required=True, help="owner/name on the hub")
    parser.add_argument("--public", action="store_true", help="a repository that is made is not private")
    args = parser.parse_args(argv)
    start()
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise PipelineError(
            f"push to {args.repo}: HF_TOKEN is not set: set it to a token with write access, from "
            "https://huggingface.co/settings/tokens"
        )
    # Plain uploads over HTTP, which the tests cover; HF_HUB_DISABLE_XET=0 takes the hub's other protocol.
    os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    from reinforced_cot.publishing.push import push

    card, pushed = args.policy / "model_card.md", args.policy / "pushed.json"
    push(args.policy / "model", card, args.repo, not args.public, token, pushed)


if __name__ == "__main__":
    run_script(main)
