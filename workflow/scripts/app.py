"""Open a page on which policies are asked about images, side by side, in a browser on this machine.

    make app RESULTS=results POLICY="sft grpo"

    python workflow/scripts/app.py --results results --policies sft grpo

Ctrl-C ends it. Uploaded images are deleted then.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from reinforced_cot.app.run import open_run
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.inert_text import visible_line
from reinforced_cot.interpreter import run_script
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.stage_script import start

EXTRA = "pip install -r requirements-app.in -c requirements.lock"


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of the run")
    parser.add_argument("--policies", nargs="*", default=[], metavar="POLICY", help="which may be asked; default: all")
    parser.add_argument("--port", type=int, default=7860, help="0 for any that is free")
    args = parser.parse_args(argv)
    start()
    if find_spec("gradio") is None:
        raise PipelineError(f"the page needs Gradio, which is not installed: `make app` installs it, or {EXTRA}")
    try:
        run = open_run(args.results, args.policies)
    except DataError as error:
        raise DataError(visible_line(str(error))) from None
    claim_devices(None)
    with TemporaryDirectory(prefix="reinforced-cot-app-") as uploads:
        os.environ |= {
            "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_TEMP_DIR": uploads,
            "HF_HUB_OFFLINE": "1",
            "TQDM_DISABLE": "1",
        }
        from reinforced_cot.app.page import Page
        from reinforced_cot.app.server import listening, serve

        with listening(args.port) as taken:
            host, port = taken.getsockname()
            names = visible_line(", ".join(run.policies))
            print(f"{names}: http://{host}:{port} in a browser on this machine; Ctrl-C ends it", flush=True)
            try:
                serve(Page(run).blocks(), taken)
            except KeyboardInterrupt:
                print("ended", file=sys.stderr)


if __name__ == "__main__":
    run_script(main)
