# Runs before the configuration is read: puts the package on the path, and gives a message with file and line where
# config/config.yaml is no YAML. (Snakemake itself parses the files of --configfile before this; `make config FILE=...`
# gives the same message about them.)
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

SCRIPTS = Path(workflow.basedir) / "workflow" / "scripts"
sys.path.insert(0, str(SCRIPTS))

from reinforced_cot.config.yaml_files import read_yaml
from reinforced_cot.errors import ConfigError

try:
    read_yaml(Path(workflow.basedir) / "config" / "config.yaml")
except ConfigError as error:
    raise WorkflowError(f"the configuration is refused:\n{error}") from None
