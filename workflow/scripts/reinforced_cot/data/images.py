"""Images in one form: upright 8-bit RGB within the pixel budget, named by their content."""

import hashlib
import math
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from reinforced_cot.data.records import ImageSource
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import DataError

MAX_ASPECT_RATIO = 200  # Qwen's image processor raises on more
# Files are opened only as one of these, the common ones first: Pillow's plug-in for EPS starts an interpreter.
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_EXIF_ORIENTATION = 0x0112
_HASH_SIDE = 8  # pixels


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


def open_normalised(content: bytes, name: str) -> Image.Image:
    """Read an image file completely as upright RGB, 8 bits per channel.

    The EXIF rotation is applied, alpha is composited on white, 16-bit grey is scaled to 8 bits, palettes, grey, CMYK
    and other modes are converted; the first frame of an animation is used.

    Args:
        content: the file's bytes.
        name: of the file, for messages.

    Raises:
        ImageRejected: the file is empty, no image, damaged (it must decode to the last row), has an aspect ratio over
            `MAX_ASPECT_RATIO` or a pixel format without a defined range.
        DataError: the image is over Pillow's limit of 89 million pixels, the size of a decompression bomb.
    """
    if not content:
        raise ImageRejected("empty image file", f"{name} has zero bytes")
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            _check_size(name, image)
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # without it, every image is copied
            return _to_rgb(name, image)
    except (DataError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, error) from None
    except UnidentifiedImageError:
        raise ImageRejected("not an image", f"{name} begins with {content[:16]!r}") from None
    except Exception as error:  # on damaged files, Pillow's decoders raise errors of many types
        raise ImageRejected("damaged image", f"{name}: {error}") from None


def _check_size(name: str, image: Image.Image) -> None:
    if image.width * image.height > (
        Image.MAX_IMAGE_PIXELS or math.inf
    ):  # Pillow only warns, and in threads not safely
        raise _too_large(name, f"it has {image.width}x{image.height} px, and {Image.MAX_IMAGE_PIXELS} are allowed")
    if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
        width, height = image.size
        raise ImageRejected("extreme aspect ratio", f"{name} has {width}x{height} px, over {MAX_ASPECT_RATIO}:1")


def _too_large(name: str, detail: object) -> DataError:
    return DataError(f"{name}: {detail}; scale the image down or remove it with its questions")


def _to_rgb(name: str, image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):  # 32-bit samples have no defined value for white
        raise ImageRejected("unsupported pixel format", f"{name} has 32-bit samples (mode {image.mode})")
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")  # convert("RGB") would clip
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    return image if image.mode == "RGB" else image.convert("RGB")


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


def difference_hash(image: Image.Image) -> str:
    """128 bits, as 32 hexadecimal digits, of which nearly equal images share most.

    Each bit says whether a pixel of a tiny grey copy is brighter than the one before it, along rows or along
    columns (N. Krawetz, "Kind of Like That", 2013).
    """
    grey, n = image.convert("L"), _HASH_SIDE
    rows = grey.resize((n + 1, n), Image.Resampling.BOX).tobytes()
    columns = grey.resize((n, n + 1), Image.Resampling.BOX).tobytes()
    bits = [rows[y * (n + 1) + x + 1] > rows[y * (n + 1) + x] for y in range(n) for x in range(n)]
    bits += [columns[place + n] > columns[place] for place in range(n * n)]
    return f"{int(''.join(map(str, map(int, bits))), 2):0{n * n // 2}x}"


class EncodedImage(NamedTuple):
    """An image as it is stored.

    Attributes:
        name: of its file.
        content: of its file.
        sha256: of the content, hexadecimal.
        difference_hash: as the function of this name gives it.
        sizes: width and height in pixels, of the source and of the stored image.
    """

    name: str
    content: bytes
    sha256: str
    difference_hash: str
    sizes: tuple[tuple[int, int], tuple[int, int]]


def encoded(source: ImageSource, name: str, budget: PixelBudget) -> EncodedImage:
    """An image within the budget, as a file ``{content_id}.jpg`` or ``.png``.

    The source's bytes are kept where they decode to exactly these pixels, so that no quality is lost and no file
    grows. Every other image becomes PNG, so that the file has the pixels that its name was computed from; JPEG would
    alter them.

    Args:
        source: the file, its content, or an RGB image in memory.
        name: for messages.

    Raises:
        ImageRejected: the image cannot be used.
        DataError: it is too large to be opened safely.
    """
    if isinstance(source, Image.Image):
        content, image = None, source.convert("RGB")
    else:
        content = _read(source) if isinstance(source, Path) else source
        image = open_normalised(content, name)
    size = image.size
    image = fit_budget(image, budget)
    suffix = _plain_suffix(content, image.size) if content else None
    if content is None or suffix is None:
        file = BytesIO()
        image.save(file, format="PNG")
        content, suffix = file.getvalue(), ".png"
    return EncodedImage(
        name=content_id(image) + suffix,
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
        difference_hash=difference_hash(image),
        sizes=(size, image.size),
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise ImageRejected("missing image", f"{path} does not exist") from None
    except OSError as error:
        raise ImageRejected("unreadable image", f"{path} cannot be read: {error.strerror}") from None


def _plain_suffix(content: bytes, size: tuple[int, int]) -> str | None:
    """The suffix of a file that any reader decodes to the normalised pixels without further steps, else None."""
    with Image.open(BytesIO(content), formats=FORMATS) as image:
        suffix = {"JPEG": ".jpg", "PNG": ".png"}.get(image.format or "")
        plain = (
            image.mode == "RGB"
            and not image.has_transparency_data
            and getattr(image, "n_frames", 1) == 1
            and image.size == size
            and image.getexif().get(_EXIF_ORIENTATION, 1) == 1
        )
    return suffix if plain else None
