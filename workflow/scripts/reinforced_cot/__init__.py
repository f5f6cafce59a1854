"""Library of the stage scripts: pure modules (records, prompts, rewards, metrics, config) and modules on torch."""
