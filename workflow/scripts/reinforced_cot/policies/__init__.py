"""Policies as a graph: which method makes each, which policy it starts from, and what follows from that; no torch."""
