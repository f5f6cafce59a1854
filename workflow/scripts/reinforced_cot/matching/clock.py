"""Times of day in words: "a quarter past two" is 2:15."""

import regex

_HOURS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_HOUR = {**{word: number for number, word in enumerate(_HOURS, start=1)}, **{str(n): n for n in range(1, 13)}}
_MINUTE = {
    **_HOUR,
    **{str(n): n for n in range(13, 60)},
    **{"quarter": 15, "a quarter": 15, "twenty": 20, "twenty-five": 25, "twenty five": 25, "half": 30},
}
_CLOCK = regex.compile(
    rf"\b((?:a )?quarter|half|twenty[- ]five|twenty|{'|'.join(_HOURS)}|\d{{1,2}})(?: minutes?)? (past|to|after|before) "
    rf"({'|'.join(_HOURS)}|1[0-2]|[1-9])\b(?! (?:people|of))(?: (at night|in the evening|pm|p\.m\.))?",
    regex.IGNORECASE,
)
_CLOCK_WORDS = regex.compile(rf" (?:past|to|after|before) (?:{'|'.join(_HOURS)}|\d)", regex.IGNORECASE)


def times_in_digits(text: str) -> str:
    """A text with its times of day in digits.

    >>> times_in_digits("It is a quarter past two."), times_in_digits("twenty to ten at night")
    ('It is 2:15.', '21:40')
    """
    return _CLOCK.sub(_time, text) if _CLOCK_WORDS.search(text) else text


def _time(match: regex.Match[str]) -> str:
    minute, hour = _MINUTE.get(match[1].lower()), _HOUR.get(match[3].lower())
    if minute is None or hour is None:
        return match[0]
    if match[2].lower() in ("to", "before"):
        hour, minute = (hour - 1) or 12, 60 - minute
    if match[4] and hour < 12:
        hour += 12
    return f"{hour}:{minute:02d}"
