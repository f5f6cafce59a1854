"""A lock on a policy's folder: two jobs that write there at once would destroy each other's files.

Snakemake's own lock is gone as soon as any run in the clone ends.
"""

import fcntl
import json
import logging
import os
import socket
import time
from pathlib import Path
from typing import IO

from reinforced_cot.errors import PipelineError

log = logging.getLogger(__name__)

LOCK = ".lock"
PATIENCE = 10.0  # seconds: the processes of a run that was killed may take a moment to end
_held: list[IO[str]] = []  # open until the process ends, however it ends


def lock_folder(folder: Path, patience: float | None = None) -> None:
    """Keep other processes out of ``folder`` until this one ends.

    Args:
        patience: seconds to wait for a process that holds it, `PATIENCE` by default.

    Raises:
        PipelineError: another process holds it; the message names its host and its process id.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip()
        file.close()
        raise PipelineError(
            f"{folder} is in use by another run ({holder or 'unknown'}): wait until it has ended, or stop it; two runs "
            "in one folder would destroy each other's files"
        ) from None
    except OSError as error:  # a file system without locks
        log.warning("%s cannot be locked (%s): see that no other run writes to it", folder, error.strerror)
        file.close()
        return
    file.truncate(0)
    file.write(json.dumps({"process": os.getpid(), "host": socket.gethostname()}))
    file.flush()
    _held.append(file)
