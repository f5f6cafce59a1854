"""The configuration: validated at dry-run, all problems at once, and divided among the stages."""
