"""Questions, images, prompts and completions in the form that all stages read; no torch."""
