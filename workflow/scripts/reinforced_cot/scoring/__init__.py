"""Matching of answers, judging of chains, rewards and hack probes; no torch."""
