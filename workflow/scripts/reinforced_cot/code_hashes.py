"""Which modules a stage depends on, and a hash of the meaning of each, without comments and words to the user."""

import ast
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from reinforced_cot.paths import SCRIPTS


def code_hashes(script: Path) -> dict[str, str]:
    """Hash the syntax tree of ``script`` and of every module of this repository that it imports, lazily or not.

    Args:
        script: a stage script, such as ``workflow/scripts/sft.py``.

    Returns:
        ``{"reinforced_cot.data.prompts": "77aa...", "sft": "1f0c...", ...}``, sorted by name.
    """
    return _closure([(script.stem, script)], SCRIPTS)


def module_hashes(modules: Sequence[str], folder: Path) -> dict[str, str]:
    """Hash a user's own modules, which stand in ``folder`` or below it, and the modules that they import from there."""
    return _closure([(name, path) for name in modules if (path := _module_path(name, folder))], folder)


def _closure(queue: list[tuple[str, Path]], folder: Path) -> dict[str, str]:
    hashes: dict[str, str] = {}
    while queue:
        name, path = queue.pop()
        if name in hashes:
            continue
        hashes[name], imported = _read(path)
        queue += [(module, file) for module in imported if (file := _module_path(module, folder))]
    return dict(sorted(hashes.items()))


@cache
def _read(path: Path) -> tuple[str, frozenset[str]]:
    """The hash of one file's syntax tree without docstrings, and the names of all modules that it may import."""
    meaning = _Meaning()
    tree = meaning.visit(ast.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], frozenset(meaning.imported)


_NOT_SECTIONS = ("NamedTuple", "Protocol", "TypedDict")  # no sections: their fields count as code


class _Meaning(ast.NodeTransformer):
    """Removes code that has no effect on a stage, and collects the names of imported modules.

    It removes statements that are only a string: docstrings, and the texts below the fields of a section. It removes
    what is written to the log and the arguments of exceptions: words to the user. It also removes the fields of
    sections: their types, defaults and bounds act at dry-run, and a stage's settings file holds the value of each.
    """

    def __init__(self) -> None:
        self.imported: set[str] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        # Only lists of statements are searched, for speed: no expression holds an import. A dry-run reads all modules.
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            statements = getattr(node, field, None)
            if isinstance(statements, list):
                setattr(node, field, [kept for child in statements if (kept := self.visit(child)) is not None])
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        self.imported.update(alias.name for alias in node.names)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module:
            self.imported.add(node.module)
            self.imported.update(f"{node.module}.{alias.name}" for alias in node.names)  # from package import module
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        is_other = node.decorator_list or any(isinstance(b, ast.Name) and b.id in _NOT_SECTIONS for b in node.bases)
        if "reinforced_cot.section" in self.imported and not is_other:
            node.body = [statement for statement in node.body if not isinstance(statement, ast.AnnAssign)]
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text or _is_log(node.value) else node

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node


def _is_log(expression: ast.expr) -> bool:
    """Whether an expression is a call such as ``log.warning(...)``."""
    called = expression.func if isinstance(expression, ast.Call) else None
    return isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "log"


@cache
def _module_path(name: str, folder: Path) -> Path | None:
    path = folder.joinpath(*name.split("."))
    return path.with_suffix(".py") if path.with_suffix(".py").is_file() else None
