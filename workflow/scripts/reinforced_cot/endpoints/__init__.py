"""Models behind OpenAI-compatible endpoints: how they are asked, what it costs, and every reply kept; no torch."""
