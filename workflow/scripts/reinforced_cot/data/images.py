"""Images in one form: upright 8-bit RGB within the pixel budget, named by their content."""

import hashlib
import math
import shutil
import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import DataError

MAX_ASPECT_RATIO = 200  # Qwen's image processor raises on more
# Files are opened only as one of these, the common ones first: Pillow's plug-in for EPS starts an interpreter.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_EXIF_ORIENTATION = 0x0112


class ImageRejected(DataError):
    """One image cannot be used; its questions are set aside.

    Attributes:
        reason: the kind of fault, by which rejected records are counted.
        detail: the fault of this file.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def open_normalised(path: Path) -> Image.Image:
    """Read an image file completely as upright RGB, 8 bits per channel.

    The EXIF rotation is applied, alpha is composited on white, 16-bit grey is scaled to 8 bits, palettes, grey, CMYK
    and other modes are converted; the first frame of an animation is used.

    Raises:
        ImageRejected: the file is missing, empty, no image, damaged (it must decode to the last row), has an aspect
            ratio over `MAX_ASPECT_RATIO` or a pixel format without a defined range.
        DataError: the image is over Pillow's limit of 89 million pixels, the size of a decompression bomb.
    """
    if not path.is_file():
        raise ImageRejected("missing image", f"{path} does not exist")
    if path.stat().st_size == 0:
        raise ImageRejected("empty image file", f"{path} has zero bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged metadata is no reason to reject an image whose pixels are intact
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as image:
                _check_aspect_ratio(path, image)
                return _to_rgb(path, ImageOps.exif_transpose(image))
        except (ImageRejected, MemoryError):
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise DataError(f"{path}: {error}; scale the image down or remove it with its questions") from None
        except UnidentifiedImageError:
            with open(path, "rb") as file:
                raise ImageRejected("not an image", f"{path} begins with {file.read(16)!r}") from None
        except Exception as error:  # on damaged files, Pillow's decoders raise errors of many types
            raise ImageRejected("damaged image", f"{path}: {error}") from None


def _check_aspect_ratio(path: Path, image: Image.Image) -> None:
    if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
        width, height = image.size
        raise ImageRejected("extreme aspect ratio", f"{path} has {width}x{height} px, over {MAX_ASPECT_RATIO}:1")


def _to_rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):  # 32-bit samples have no defined value for white
        raise ImageRejected("unsupported pixel format", f"{path} has 32-bit samples (mode {image.mode})")
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")  # convert("RGB") would clip
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    return image.convert("RGB")


def fit_budget(image: Image.Image, budget: PixelBudget) -> Image.Image:
    """Scale the image, keeping its aspect, so that its area lies within the budget; unchanged when it does already.

    The filter is bicubic, as in Qwen's image processor, which then only rounds the sides to multiples of its patches.
    """
    width, height = image.size
    area = width * height
    if area > budget.max_pixels:
        scale = math.sqrt(budget.max_pixels / area)
        sides = [max(1, math.floor(side * scale)) for side in image.size]
    elif area < budget.min_pixels:
        scale = math.sqrt(budget.min_pixels / area)
        sides = [math.ceil(side * scale) for side in image.size]
    else:
        return image
    limit = MAX_ASPECT_RATIO * min(sides)  # rounding the short side must not push the ratio over the limit
    return image.resize((min(sides[0], limit), min(sides[1], limit)), Image.Resampling.BICUBIC)


def content_id(image: Image.Image) -> str:
    """16 hexadecimal digits that identify an RGB image by its size and pixels, whatever its file is called."""
    digest = hashlib.sha256(f"{image.width}x{image.height}".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()[:16]


def save(image: Image.Image, source: Path | None, folder: Path) -> str:
    """Write a normalised image into ``folder`` as ``{content_id}.jpg`` or ``.png`` and return that name.

    The source's bytes are copied where they decode to exactly these pixels, so that no quality is lost and no file
    grows. Every other image becomes PNG, so that the file has the pixels that its name was computed from; JPEG would
    alter them.

    Args:
        image: as `open_normalised` and `fit_budget` return it.
        source: the file it was read from; None for a generated image.
        folder: an existing folder.
    """
    suffix = _plain_suffix(source, image.size) if source else None
    name = content_id(image) + (suffix or ".png")
    if (folder / name).exists():  # same content under another name
        return name
    if source and suffix:
        shutil.copyfile(source, folder / name)
    else:
        image.save(folder / name, format="PNG")
    return name


def _plain_suffix(source: Path, size: tuple[int, int]) -> str | None:
    """The suffix of a source that any reader decodes to the normalised pixels without further steps, else None."""
    with Image.open(source, formats=FORMATS) as image:
        suffix = {"JPEG": ".jpg", "PNG": ".png"}.get(image.format or "")
        plain = (
            image.mode == "RGB"
            and not image.has_transparency_data
            and getattr(image, "n_frames", 1) == 1
            and image.size == size
            and image.getexif().get(_EXIF_ORIENTATION, 1) == 1
        )
    return suffix if plain else None
