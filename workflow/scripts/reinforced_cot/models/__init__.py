"""Checkpoints: families, loading, processors, the tiny model, and caches of images."""
