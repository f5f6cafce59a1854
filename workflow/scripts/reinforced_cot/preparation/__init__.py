"""From raw records to prepared splits, and a look at what would be prepared; no torch."""
