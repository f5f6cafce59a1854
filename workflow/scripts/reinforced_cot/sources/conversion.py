"""A user's own function from a row of a table to the values of a record."""

import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any

from reinforced_cot.data.records import Place
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.own_code import imported, raised
from reinforced_cot.sources.settings import CONVERSION
from reinforced_cot.tables.columns import ALIASES, COMMON_NAMES, nearest

log = logging.getLogger(__name__)

_NAMES = (*COMMON_NAMES, *ALIASES, "extra")


def own_conversion(name: str) -> Callable[[dict[str, Any], Place], dict[str, Any] | None]:
    """The function ``module:function``, which returns a record's values by their names, or None to leave a row out.

    It gets the row, and the path of the row's file if it has a second parameter without a default, or one named
    ``file``.

    Raises:
        PipelineError: it cannot be imported, or takes other arguments.
        DataError: when it is called, if it raises an exception or returns anything else.
    """
    function = imported(name, CONVERSION)
    takes_file = _takes_file(name, function)

    def convert(row: dict[str, Any], place: Place) -> dict[str, Any] | None:
        try:
            found = function(row, place.file) if takes_file else function(row)
        except (Exception, SystemExit) as error:
            raise DataError(f"{CONVERSION} {name}, {place}: {raised(error)}") from error
        if found is None:
            return None
        if not isinstance(found, Mapping):
            raise DataError(f"{CONVERSION} {name}, {place}: must return a mapping or None, not {found!r:.100}")
        values: dict[str, Any] = {}
        for key, value in found.items():
            if key not in _NAMES:
                raise DataError(
                    f"{CONVERSION} {name}, {place}: a record has no {key!r}; "
                    + nearest(str(key), _NAMES).replace("columns are", "names are")
                )
            values[ALIASES.get(str(key), str(key))] = value
        if not isinstance(values.setdefault("extra", {}), Mapping):
            raise DataError(f"{CONVERSION} {name}, {place}: extra must be a mapping, not {values['extra']!r:.100}")
        return values

    return convert


def _takes_file(name: str, function: Callable[..., Any]) -> bool:
    """Whether a function gets the row's file as well.

    Raises:
        PipelineError: it takes neither a row alone nor a row and its file.
    """
    parameters = inspect.signature(function).parameters.values()
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    required = [one for one in positional if one.default is one.empty]
    further = [one for one in parameters if one.kind is one.KEYWORD_ONLY and one.default is one.empty]
    takes_row = bool(positional) or any(one.kind is one.VAR_POSITIONAL for one in parameters)
    if not takes_row or len(required) > 2 or further:
        raise PipelineError(f"{CONVERSION} {name} must be def {name.partition(':')[2]}(row) or (row, file)")
    return len(required) == 2 or (len(positional) > 1 and positional[1].name == "file")
