"""The page on which policies are asked, for a browser on the same machine."""
