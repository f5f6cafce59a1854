"""The trackers that a run reports to besides TensorBoard: W&B, trackio, MLflow; no torch."""
