"""Questions, images, prompts and completions in the one form that all stages read; no torch."""
