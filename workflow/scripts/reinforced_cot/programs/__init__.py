"""GQA's functional programs: read, executed on scene graphs, and put into words."""
