"""The size of a digit scene. It stands apart from `digit_scenes`, so that a dry-run knows it without NumPy."""

CELL_PX = 28  # one visual token: patch 14 px, 2x2 patches merged
GRID = 2  # rows and columns
SCENE_PIXELS = (GRID * CELL_PX) ** 2
