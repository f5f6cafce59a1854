"""Checkpoints: families, loading, processors, the tiny model, and attention over packed rows."""
