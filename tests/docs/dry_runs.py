"""Call Snakemake many times from one process: each call is a fork that has imported and read everything already.

Reads a JSON list of argument lists, and writes one of ``[exit status, output]``.
"""

import json
import os
import sys
import tempfile
from typing import Any

import snakemake.cli
import snakemake.workflow

from reinforced_cot.code_hashes import code_hashes
from reinforced_cot.config.composition import checked, compose
from reinforced_cot.paths import SCRIPTS


def called(arguments: list[str]) -> list[Any]:
    """The exit status and the output of one call."""
    with tempfile.TemporaryFile() as output:
        sys.stdout.flush()
        child = os.fork()
        if not child:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            status = 1
            try:
                snakemake.cli.main(arguments)
            except SystemExit as end:
                status = end.code if isinstance(end.code, int) else 1
            finally:
                sys.stdout.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return [status, output.read().decode(errors="replace")]


if __name__ == "__main__":
    checked(compose([]))
    for script in SCRIPTS.glob("*.py"):
        code_hashes(script)
    json.dump([called(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
