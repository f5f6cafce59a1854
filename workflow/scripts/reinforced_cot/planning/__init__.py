"""Batch arithmetic and memory: what a stage will need, before it loads a model."""
