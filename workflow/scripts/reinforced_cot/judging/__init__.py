"""Whether an answer follows from its chain of thought; no torch."""
