"""Adapters, and merging them into their base with a proof."""
