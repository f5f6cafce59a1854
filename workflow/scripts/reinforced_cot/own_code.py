"""A user's own functions, written as ``module:function`` and found from the working directory."""

import ast
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from reinforced_cot.errors import PipelineError

_PREFIX = "own_code."  # of the modules' names


def own_modules(names: Iterable[str]) -> list[str]:
    """The modules of the names that are ``module:function``; a change of their code makes what they produce stale."""
    return sorted({name.partition(":")[0] for name in names if ":" in name})


def loading_problem(name: str, kind: str) -> str | None:
    """Why a ``module:function`` cannot be loaded, by its source, which is not run; None if it is defined.

    The module's file is looked for from the working directory: ``my_rewards:polite`` is ``polite`` in my_rewards.py
    beside the Snakefile.

    Args:
        kind: what the function is to the user, such as ``reward``.
    """
    module, _, function = name.partition(":")
    path = _module_file(module)
    if not path.is_file():
        return f"{path} does not exist; a {kind} of your own is module:function, found from the working directory"
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        return f"{path} is not Python: {error}"
    forms = (
        (ast.FunctionDef, ast.AsyncFunctionDef) if kind == "reward" else (ast.FunctionDef,)
    )  # only these may be async
    names = [node.name for node in tree.body if isinstance(node, forms)]
    if function not in names:
        if function in _other_names(tree):
            return f"{path} defines {function}, but not as a function with `def`"
        return f"{path} defines no function {function}; it has {', '.join(names) or 'none'}"
    return None


def _other_names(tree: ast.Module) -> set[str]:
    """The names at the top of a module that are no functions: classes, lambdas and other values."""
    classes = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    targets = (target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return classes | {target.id for target in targets if isinstance(target, ast.Name)}


def imported(name: str, kind: str) -> Callable[..., Any]:
    """The function that a ``module:function`` names.

    Args:
        kind: as in `loading_problem`.

    Raises:
        PipelineError: it is not defined, or its module cannot be imported.
    """
    if problem := loading_problem(name, kind):
        raise PipelineError(f"{kind} {name}: {problem}")
    module_name, _, function = name.partition(":")
    path = _module_file(module_name)
    if (folder := str(Path.cwd())) not in sys.path:
        # For modules that it imports; last, so that no folder of the repository hides a library.
        sys.path.append(folder)
    # It is imported from its file: the name `score` or `statistics` would import another module.
    spec = importlib.util.spec_from_file_location(f"{_PREFIX}{module_name}", path.resolve())
    if spec is None or spec.loader is None:
        raise PipelineError(f"{kind} {name}: {path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise PipelineError(f"{kind} {name}: {path} cannot be imported: {type(error).__name__}: {error}") from error
    found: Callable[..., Any] = getattr(module, function)
    return found


def raised(error: BaseException) -> str:
    """An exception of a user's function in words, with the line of the user's module that raised it."""
    frames = traceback.walk_tb(error.__traceback__)
    lines = [
        f" ({Path(frame.f_code.co_filename).name}, line {line})"
        for frame, line in frames
        if frame.f_globals.get("__name__", "").startswith(_PREFIX)
    ]
    return f"raised {type(error).__name__}: {error}{lines[-1] if lines else ''}"


def _module_file(module: str) -> Path:
    return Path(*module.split(".")).with_suffix(".py")
