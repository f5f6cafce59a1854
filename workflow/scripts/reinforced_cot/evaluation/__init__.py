"""Answers, scores, comparisons between policies, and the report."""
