"""The policy `base`: a published checkpoint laid out as a folder, or a tiny model built and trained on digits."""
