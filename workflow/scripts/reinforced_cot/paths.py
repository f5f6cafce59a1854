"""Folders and files of the repository that code reads. No other module counts parent folders."""

from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1]
WORKFLOW = SCRIPTS.parent
REPOSITORY = WORKFLOW.parent
SCHEMAS = WORKFLOW / "schemas"
SCANS = WORKFLOW / "digits" / "digits.csv.gz"
TOPOLOGIES = REPOSITORY / "config" / "accelerate"
DEMO = REPOSITORY / "config" / "config.yaml"
PRESETS = REPOSITORY / "config" / "presets"
