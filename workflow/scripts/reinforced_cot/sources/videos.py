"""How data sets name videos, which no policy can be shown."""

VIDEO_COLUMNS = ("video", "videos")
NO_VIDEO = "videos are not supported: use data with images, such as single frames"
_SUFFIXES = (".mp4", ".avi", ".mov", ".webm", ".mkv")


def is_video(name: str) -> bool:
    """Whether the name of a file, or a data URI, is that of a video."""
    return name[-5:].lower().endswith(_SUFFIXES) or name[:10].lower() == "data:video"
