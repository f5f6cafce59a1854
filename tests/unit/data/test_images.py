"""Images of every kind become the same upright RGB, and bad files are told apart by reason."""

import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, features
from pydantic import ValidationError

from reinforced_cot.data.images import ImageRejected, content_id, encoded, fit_budget, open_normalised
from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.errors import DataError

ORIENTATION = 0x0112
BUDGET = PixelBudget(min_pixels=784, max_pixels=50176)


def photo(size: tuple[int, int] = (64, 48)) -> Image.Image:
    """A smooth picture whose four corners differ, so that a rotation shows and JPEG hardly changes it."""
    red = Image.linear_gradient("L").resize(size)
    green = Image.linear_gradient("L").rotate(90).resize(size)
    return Image.merge("RGB", (red, green, Image.new("L", size, 60)))


def jpeg_bytes(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def bomb_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares any size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def read(path: Path) -> Image.Image:
    return open_normalised(path.read_bytes(), str(path))


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    return max(ImageChops.difference(one, other).tobytes())


@pytest.mark.parametrize(
    ("name", "convert", "tolerance"),
    [
        ("rgb.png", lambda image: image, 0),
        ("rgb.jpg", lambda image: image, 16),
        ("alpha.png", lambda image: image.convert("RGBA"), 0),
        ("palette.png", lambda image: image.quantize(256), 16),
        ("palette.gif", lambda image: image.quantize(256), 16),
        ("cmyk.jpg", lambda image: image.convert("CMYK"), 16),
        ("cmyk.tiff", lambda image: image.convert("CMYK"), 2),
        ("rgb.bmp", lambda image: image, 0),
        ("rgb.ppm", lambda image: image, 0),
    ],
)
def test_every_encoding_of_a_picture_becomes_the_same_rgb(
    tmp_path: Path, name: str, convert: Callable[[Image.Image], Image.Image], tolerance: int
) -> None:
    convert(photo()).save(tmp_path / name)
    image = read(tmp_path / name)
    assert image.mode == "RGB"
    assert largest_difference(image, photo()) <= tolerance


def test_a_tiff_that_pillow_12_cannot_read_is_set_aside(tmp_path: Path) -> None:
    """Uncompressed YCbCr (Pillow issue 9770, mended in 13)."""
    photo().convert("YCbCr").save(tmp_path / "ycbcr.tiff")
    with pytest.raises(ImageRejected, match=r"damaged image: .*ycbcr\.tiff"):
        read(tmp_path / "ycbcr.tiff")


@pytest.mark.skipif(not features.check("webp"), reason="this Pillow has no WebP")
def test_webp_is_read(tmp_path: Path) -> None:
    photo().save(tmp_path / "rgb.webp", lossless=True)
    assert largest_difference(read(tmp_path / "rgb.webp"), photo()) == 0


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = [0, 256, 0x7FFF, 0xFFFF]
    Image.frombytes("I;16", (4, 1), struct.pack("<4H", *values)).save(tmp_path / "grey.png")
    assert read(tmp_path / "grey.png").tobytes() == bytes([0, 0, 0, 1, 1, 1, 127, 127, 127, 255, 255, 255])


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
        ("LA", (0, 0), (255, 255, 255)),
    ],
)
def test_alpha_is_composited_on_white(tmp_path: Path, mode: str, color: tuple[int, ...], expected: tuple[int]) -> None:
    Image.new(mode, (8, 8), color).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").getpixel((3, 3)) == expected


def test_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    image.save(tmp_path / "p.png", transparency=1)
    assert read(tmp_path / "p.png").getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = photo().transpose(undo[orientation]) if orientation in undo else photo()
    (tmp_path / "r.jpg").write_bytes(jpeg_bytes(stored, exif=exif))
    image = read(tmp_path / "r.jpg")
    assert image.size == (64, 48)
    assert largest_difference(image, photo()) <= 6


def test_damaged_exif_does_not_cost_the_image(tmp_path: Path) -> None:
    (tmp_path / "e.jpg").write_bytes(jpeg_bytes(photo(), exif=b"Exif\0\0garbage, not a TIFF header"))
    assert read(tmp_path / "e.jpg").size == (64, 48)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "missing image"),
        (b"", "empty image file"),
        (b"<!DOCTYPE html><html>404</html>", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n", "not an image"),
        (jpeg_bytes(photo())[:20], "not an image"),
        (jpeg_bytes(photo())[:-40], "damaged image"),
        (jpeg_bytes(photo((640, 480)))[:2000], "damaged image"),
        (jpeg_bytes(photo((640, 480)), progressive=True)[:-2], "damaged image"),
        (jpeg_bytes(photo((10000, 1))), "extreme aspect ratio"),
        (jpeg_bytes(photo((1, 201))), "extreme aspect ratio"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unusable_files_are_rejected_with_their_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "x.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImageRejected) as caught:
        encoded(path, str(path), BUDGET)
    assert caught.value.reason == reason
    assert str(path) in caught.value.detail


def test_32_bit_samples_have_no_defined_range(tmp_path: Path) -> None:
    Image.new("F", (8, 8), 0.5).save(tmp_path / "f.tiff")
    with pytest.raises(ImageRejected, match="unsupported pixel format"):
        read(tmp_path / "f.tiff")


# above twice the limit Pillow raises another exception
@pytest.mark.parametrize("size", [(10000, 9000), (20000, 20000)])
def test_images_over_89_megapixels_are_refused_not_set_aside(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb_png(*size))
    with pytest.raises(DataError, match=r"bomb\.png: .* scale the image down") as caught:
        read(tmp_path / "bomb.png")
    assert not isinstance(caught.value, ImageRejected)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((56, 56), (56, 56)),  # within: untouched
        ((224, 224), (224, 224)),  # exactly the maximum
        ((28, 28), (28, 28)),  # exactly the minimum
        ((448, 448), (224, 224)),
        ((800, 600), (258, 193)),
        ((14, 14), (28, 28)),
        ((10, 20), (20, 40)),
        ((1, 200), (2, 396)),
        ((200, 1), (396, 2)),
        ((4000, 20), (3000, 15)),  # the short side must not round the ratio over 200
    ],
)
def test_area_is_brought_into_the_budget(size: tuple[int, int], expected: tuple[int, int]) -> None:
    image = fit_budget(Image.new("RGB", size), BUDGET)
    assert image.size == expected
    assert BUDGET.min_pixels <= image.width * image.height <= BUDGET.max_pixels
    assert max(image.size) <= 200 * min(image.size)


def test_budget_must_be_a_range() -> None:
    with pytest.raises(ValidationError, match="min_pixels must not be above max_pixels"):
        PixelBudget(min_pixels=2000, max_pixels=1000)
    assert PixelBudget(min_pixels=1000, max_pixels=1000).min_pixels == 1000


def test_content_id_knows_pixels_and_shape_only(tmp_path: Path) -> None:
    photo().save(tmp_path / "a.png")
    photo().save(tmp_path / "b.bmp")
    assert content_id(read(tmp_path / "a.png")) == content_id(read(tmp_path / "b.bmp"))
    assert content_id(Image.new("RGB", (4, 2))) != content_id(Image.new("RGB", (2, 4)))
    assert content_id(Image.new("RGB", (1, 1))) == "0ec9b60f9066b286"  # ids in published files must stay valid


def plain_jpeg(path: Path) -> None:
    path.write_bytes(jpeg_bytes(photo()))


def rotated_jpeg(path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    path.write_bytes(jpeg_bytes(photo(), exif=exif))


@pytest.mark.parametrize(
    ("name", "write", "suffix", "copied"),
    [
        ("plain.jpg", plain_jpeg, ".jpg", True),
        ("jpeg_named.png", plain_jpeg, ".jpg", True),
        ("plain.png", lambda path: photo().save(path), ".png", True),
        ("rotated.jpg", rotated_jpeg, ".png", False),
        ("large.jpg", lambda path: photo((800, 600)).save(path), ".png", False),
        ("grey.jpg", lambda path: photo().convert("L").save(path), ".png", False),
        ("alpha.png", lambda path: photo().convert("RGBA").save(path), ".png", False),
        ("key.png", lambda path: photo().save(path, transparency=photo().getpixel((5, 5))), ".png", False),
        ("bitmap.bmp", lambda path: photo().save(path), ".png", False),
        ("two.png", lambda path: photo().save(path, save_all=True, append_images=[photo((8, 8))]), ".png", False),
    ],
)
def test_saved_file_has_the_pixels_of_its_name(
    tmp_path: Path, name: str, write: Callable[[Path], None], suffix: str, copied: bool
) -> None:
    source = tmp_path / name
    write(source)
    image = fit_budget(read(source), BUDGET)
    saved = encoded(source, name, BUDGET)
    assert saved.name == content_id(image) + suffix
    assert (saved.content == source.read_bytes()) is copied
    assert saved.sha256 == hashlib.sha256(saved.content).hexdigest()
    assert encoded(source.read_bytes(), name, BUDGET) == saved  # the content without a file is the same
    with Image.open(io.BytesIO(saved.content)) as again:
        assert again.mode == "RGB"
        assert again.tobytes() == image.tobytes()


def test_generated_image_is_saved_as_png() -> None:
    saved = encoded(photo(), "scene", BUDGET)
    assert saved.name == content_id(photo()) + ".png" and saved.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty image file"), (b"<html>", "not an image")])
def test_a_content_without_a_file_is_named_in_messages(content: bytes, reason: str) -> None:
    with pytest.raises(ImageRejected, match="an image of row 7") as caught:
        encoded(content, "an image of row 7", BUDGET)
    assert caught.value.reason == reason


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageRejected, match="missing image"):
        encoded(tmp_path, "x", BUDGET)
