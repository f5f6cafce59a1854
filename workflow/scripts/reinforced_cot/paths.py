"""Where the repository keeps what code reads: the one place that counts folders upwards."""

from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]
WORKFLOW = SCRIPTS.parent
REPOSITORY = WORKFLOW.parent
SCHEMAS = WORKFLOW / "schemas"
SCANS = WORKFLOW / "digits" / "digits.csv.gz"
TOPOLOGIES = REPOSITORY / "config" / "accelerate"
