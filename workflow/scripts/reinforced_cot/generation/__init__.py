"""Asking a model questions: prompts rendered and batched, engines, decoding from shared prompts."""
