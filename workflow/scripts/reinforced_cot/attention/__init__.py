"""Attention over rows that hold several sequences: shared prefixes, and chains of several lengths without padding."""
