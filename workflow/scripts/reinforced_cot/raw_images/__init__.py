"""Images as raw records give them: as names of files, and as content within a text."""
