"""Checkpoints: families, loading, processors, embedded adapters, and caches of images."""
