"""What the sentences of a chain of thought say; no torch."""
