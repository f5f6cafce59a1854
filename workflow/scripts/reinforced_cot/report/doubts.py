"""What speaks against a result: sentences beside each policy's verdict, and about the run as a whole."""

from collections.abc import Sequence

from reinforced_cot.report import flags
from reinforced_cot.report.diagnosis import Finding
from reinforced_cot.report.logged_steps import history
from reinforced_cot.report.run import Run


def of_policies(run: Run, findings: Sequence[Finding]) -> dict[str, list[str]]:
    """Per policy: probes that come near, answers that vary too little, grades that failed, faults of its training."""
    histories = {policy: history(metrics) for policy, metrics in run.metrics.items()}
    by_policy: dict[str, list[str]] = {}
    for policy, line in flags.all_flags(run.evaluations, histories):
        by_policy.setdefault(policy, []).append(line)
    for finding in findings:
        by_policy.setdefault(finding.policy, []).append(f"{finding.text} {finding.advice}")
    return by_policy


def of_the_run(run: Run) -> list[str]:
    """Few images, images that splits share, and files that a complete run has."""
    lines = []
    if run.evaluations:
        lines += flags.few_images(next(iter(run.evaluations.values()))["n_images"])
    lines += flags.leaks(run.summary)
    if run.missing:
        shown = ", ".join(run.missing[:6]) + (f" and {len(run.missing) - 6} more" if len(run.missing) > 6 else "")
        lines.append(f"The run is not complete. Not there yet: {shown}.")
    return lines
