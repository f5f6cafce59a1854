"""The suffixes of image files. They stand apart from the search for images, so that a dry-run needs no Pillow."""

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
IMAGE_SUFFIXES = (*PHOTO_SUFFIXES, ".bmp", ".gif", ".tif", ".tiff", ".ppm")
