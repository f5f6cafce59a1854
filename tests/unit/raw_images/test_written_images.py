"""An image that is written as text is decoded. A URL, or another name of no file here, is refused with its reason."""

from pathlib import Path

import pytest

from reinforced_cot.data.images import ImageRejected
from reinforced_cot.raw_images.image_folder import ImageSearch
from reinforced_cot.raw_images.videos import is_video
from reinforced_cot.raw_images.written_images import decoded, is_data_uri, local_name


@pytest.mark.parametrize(
    "text", ["data:image/png;base64,YWJj", "DATA:image/png;name=a;BASE64,YW\nJj", "YWJj", " YW Jj\n"]
)
def test_content_is_decoded(text: str) -> None:
    assert decoded(text) == b"abc"
    assert is_data_uri(text) == text.casefold().startswith("data:")


@pytest.mark.parametrize(
    "text", ["data:image/png,abc", "data:image/png;base64", "data:;base64,a", "a?", "data:\ud83d,"]
)
def test_what_holds_no_content_is_refused(text: str) -> None:
    with pytest.raises(ImageRejected) as refusal:
        decoded(text * 1000)
    assert refusal.value.reason == "malformed image" and len(refusal.value.detail.encode()) < 1000


def test_a_file_may_be_named_by_a_uri() -> None:
    assert [local_name(name) for name in ("a b.png", "file:///a%20b.png", "FILE://a.png", "c:/a.png")] == [
        *("a b.png", "/a b.png", "a.png", "c:/a.png"),
    ]


@pytest.mark.parametrize("name", ["https://a.org/b.png", "S3://[b/c.png", "hf://a/b", "http://\ud83d"])
def test_an_image_on_the_web_is_refused(name: str) -> None:
    with pytest.raises(ImageRejected, match="download the images first") as refusal:
        local_name(name)
    assert refusal.value.reason == "image is a URL" and refusal.value.detail.encode()


def test_videos_are_known_by_their_names() -> None:
    assert all(map(is_video, ("a.MP4", "data:video/mp4;base64,YWJj", "https://a.org/b.webm", ".mov")))
    assert not any(map(is_video, ("a.png", "video", "mp4", "data:image/png;base64,YWJj")))


def test_a_search_is_made_once_whatever_it_finds() -> None:
    searched = []

    def search(name: str) -> Path:
        searched.append(name)
        if name == "gone":
            raise ImageRejected("missing image", name)
        return Path(name)

    images = ImageSearch(search)
    for _ in range(2):
        assert images.find("a") == Path("a")
        with pytest.raises(ImageRejected, match="missing image: gone"):
            images.find("gone")
    assert searched == ["a", "gone"]
