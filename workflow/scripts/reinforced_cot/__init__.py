"""Library of the stage scripts: pure modules (records, prompts, rewards, metrics, config), then those on torch."""
