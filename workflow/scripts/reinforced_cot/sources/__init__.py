"""Where questions come from: one reader per kind of data."""
