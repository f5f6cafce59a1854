"""Rewards, hack probes and scored predictions; no torch."""
