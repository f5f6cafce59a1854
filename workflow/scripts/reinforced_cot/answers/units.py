"""Units of measurement: which tokens name one, and a number in another unit. Conversions are Pint's."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, NamedTuple

import regex

from reinforced_cot.matching.numbers import UNITS
from reinforced_cot.matching.words import is_same_word

# Tokens of `matching.words` that Pint knows by another name, or would take for another unit.
_NAMES = {
    **{"degree c": "degC", "degree f": "degF", "celsius": "degC", "fahrenheit": "degF", "degree celsius": "degC"},
    **{"degree fahrenheit": "degF", "mph": "mile/hour", "kmh": "km/hour", "kph": "km/hour", "l": "liter"},
    **{"in": "inch", "h": "hour", "min": "minute", "sec": "second", "kw": "kW", "kwh": "kW*hour", "mb": "megabyte"},
    **{"gb": "gigabyte", "kb": "kilobyte", "hz": "Hz", "khz": "kHz", "mhz": "MHz", "ghz": "GHz", "pa": "Pa"},
    **{"kpa": "kPa", "v": "volt", "mv": "mV", "w": "watt", "j": "joule", "kj": "kJ", "kcal": "kcal", "n": "newton"},
    **{"lbs": "lb", "yr": "year", "yrs": "year", "hr": "hour", "hrs": "hour", "secs": "second", "mins": "minute"},
    **{"sqm": "m**2", "sqft": "ft**2", "cc": "cm**3", "k": "kelvin", "tonne": "tonne", "t": "tonne"},
}
_POWERS = {"square": "2", "squared": "2", "sq": "2", "cubic": "3", "cubed": "3"}
_WORD = regex.compile(r"[a-z\u00b5\u03bc\u03a9]{1,20}")
_JOINTS = frozenset(("/", "per", "^", "*"))
_NOT_UNITS = frozenset(("a", "to", "at", "as", "are", "of", "and", "pt", "me", "e", "d", "pi", "or", "off", "from"))


class Measured(NamedTuple):
    """A number and the tokens of its unit."""

    value: Fraction
    unit: tuple[str, ...]


@lru_cache(maxsize=2048)
def is_unit(tokens: tuple[str, ...]) -> bool:
    """Whether tokens name a unit, of measurement or of money.

    >>> is_unit(("cm",)), is_unit(("m", "per", "second")), is_unit(("dollar",)), is_unit(("dog",))
    (True, True, True, False)
    """
    return _is_counted(tokens) or _unit(tokens) is not None


def _is_counted(tokens: Sequence[str]) -> bool:
    """Whether tokens name a unit that is not converted: money, percent, "years old"."""
    return all(any(is_same_word(token, unit) for unit in UNITS) for token in tokens) and len(tokens) == 1


def converted(measured: Measured, unit: tuple[str, ...]) -> Fraction | None:
    """A number in another unit; None where the two units measure different things.

    >>> converted(Measured(Fraction(50), ("mm",)), ("cm",))
    Fraction(5, 1)
    >>> converted(Measured(Fraction(212), ("degree", "f")), ("degree", "c"))
    Fraction(100, 1)
    """
    if len(measured.unit) == len(unit) and all(map(is_same_word, measured.unit, unit)):
        return measured.value
    here, there = _unit(measured.unit), _unit(unit)
    if here is None or there is None or here.dimensionality != there.dimensionality:
        return None
    return Fraction(_registry().Quantity(measured.value, here).to(there).magnitude)


@lru_cache(maxsize=2048)
def _unit(tokens: tuple[str, ...]) -> Any:
    """Pint's unit of some tokens; None where they name none."""
    text = _expression(tokens)
    if text is None:
        return None
    import pint

    try:
        unit = _registry().parse_units(text)
    except (pint.errors.PintError, AttributeError, ValueError, TypeError, ArithmeticError):
        return None
    return None if unit.dimensionless and "percent" not in tokens else unit


def _expression(tokens: Sequence[str]) -> str | None:
    """Tokens in the form that Pint reads; None where they are no unit's. The form has no powers but small ones."""
    joined = " ".join(tokens)
    if joined in _NAMES:
        return _NAMES[joined]
    if joined in _NOT_UNITS or not tokens or tokens[0] in _JOINTS:
        return None
    parts: list[str] = []
    pending = ""
    for place, token in enumerate(tokens):
        if token in ("/", "per"):
            parts.append("/")
        elif token == "^":
            if place + 1 >= len(tokens) or tokens[place + 1] not in ("2", "3", "-1", "-2"):
                return None
            parts.append(f"**({tokens[place + 1]})")
        elif place and tokens[place - 1] == "^":
            continue
        elif token in _POWERS:
            if token in ("squared", "cubed"):
                parts.append(f"**{_POWERS[token]}")
            else:
                pending = _POWERS[token]
        elif _WORD.fullmatch(token) and token not in _NOT_UNITS:
            name = _NAMES.get(token, token)
            is_first = not parts or parts[-1] == "/"
            parts.append(("" if is_first else "*") + (f"({name})**{pending}" if pending else f"({name})"))
            pending = ""
        else:
            return None
    return "".join(parts) if parts and parts[-1] != "/" and not pending else None


@cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry(non_int_type=Fraction)
