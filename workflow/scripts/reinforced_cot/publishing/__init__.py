"""Uploading a policy to the Hugging Face Hub; no torch."""
