"""Chains of thought that are made where the data has none: what they are made from, and which are kept; no torch."""
