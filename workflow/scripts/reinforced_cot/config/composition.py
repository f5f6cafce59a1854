"""Which files a run's configuration is composed of, and which of them each value comes from.

A preset names the file that it builds on in `extends`. A file that only adds to another one, such as a preset of a
loss, names none: it is laid over the call's preset, or over the demo. Any other file without `extends` inherits
nothing, so that no learning rate of the demo reaches a run whose author never saw it.
"""

import copy
import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reinforced_cot.config.configuration import Config
from reinforced_cot.config.validation import validated
from reinforced_cot.config.yaml_files import read_yaml, refuse_files
from reinforced_cot.errors import ConfigError
from reinforced_cot.paths import DEMO, PRESETS, REPOSITORY

COMMAND_LINE = "--config"
NAMED = {"demo": DEMO, "full-size": PRESETS / "qwen2.5-vl-3b-gqa.yaml"}
EXTENDS = {  # JSON schema of the key, which is gone once files are composed
    "type": "string",
    "description": "What this file builds on: `demo`, `full-size`, another preset's name, or a path that ends with "
    ".yaml; without it, the file inherits nothing, or it is an add-on.",
}

Origins = dict[tuple[Any, ...], str]


@dataclass(frozen=True)
class Composition:
    """What the files of a call come to, before it is validated."""

    config: dict[str, Any] = field(default_factory=dict)
    origins: Origins = field(default_factory=dict)
    """The file that gives a value, by the value's path of keys."""
    files: tuple[Path, ...] = ()
    """Every file that was read, in the order of merging."""
    preset: str = ""
    """The file of the call that is more than an add-on; empty in a run of the demo, with or without add-ons."""
    inherits_nothing: bool = False
    """Whether the preset extends no other file."""


@dataclass(frozen=True)
class _Layer:
    name: str
    content: Mapping[str, Any]
    path: Path | None = None

    @property
    def extends(self) -> Any:
        return self.content.get("extends")

    @property
    def is_add_on(self) -> bool:
        """Whether the file is meaningful over any other: it neither names data or a base model, nor makes a policy
        that is not ``like`` another.
        """
        policies = self.content.get("policies")
        made = policies.values() if isinstance(policies, Mapping) else ()
        is_complete = any(not (isinstance(policy, Mapping) and policy.get("like")) for policy in made)
        return not (is_complete or self.content.keys() & {"data", "base_model"})


def compose(files: Sequence[Path], command_line: Mapping[str, Any] | None = None) -> Composition:
    """Merge the files of a call over what they extend.

    Args:
        files: as given to ``--configfile``. The first may say what it extends; the others are laid over it.
        command_line: the values of ``--config``, laid over everything. They may say `extends` as well.

    Raises:
        ConfigError: a file is unsound, extends what does not exist or itself, or is not the only one that extends.
    """
    refuse_files(files)
    given = [_layer(file) for file in files]
    if command_line:
        given.append(_Layer(COMMAND_LINE, command_line))
    parented = [layer for layer in given if layer.extends is not None]
    _refuse_second_preset(given, parented)
    complete = [] if parented else [layer for layer in given if layer.path and not layer.is_add_on]
    below = _below(parented[0]) if parented else [] if complete else [_layer(DEMO)]
    presets = [layer.name for layer in [*parented, *complete] if layer.path != DEMO]
    composition = Composition(
        files=tuple(layer.path for layer in [*below, *given] if layer.path),
        preset=" and ".join(presets),
        inherits_nothing=bool(complete),
    )
    for layer in below:
        _lay(composition, layer, without=("extends", "pathvars"))
    for layer in given:
        _lay(composition, layer, without=("extends",))
    return composition


def whole(config: Mapping[str, Any]) -> Composition:
    """The configuration that another workflow gives to this one as a module: nothing is added to it.

    Raises:
        ConfigError: it names an `extends`.
    """
    if "extends" in config:
        raise ConfigError("`extends` works in files: a module's `config` is whole, so merge it before you give it")
    composition = Composition()
    _lay(composition, _Layer("the module's config", config))
    return composition


def checked(composition: Composition) -> Config:
    """The composed configuration, validated.

    Raises:
        ConfigError: as `validated`; says so where a file inherits nothing.
    """
    try:
        return validated(composition.config)
    except ConfigError as error:
        if not (composition.preset and composition.inherits_nothing):
            raise
        raise ConfigError(
            f"{error}\n({composition.preset} has no `extends`, so it inherits nothing. To change a few values of "
            "another configuration, write `extends: demo` or `extends: full-size` into it.)"
        ) from None


def shared_results(composition: Composition) -> list[str]:
    """A warning where a preset does not say where its run is written, since it would be the demo's folder."""
    if not composition.preset or ("pathvars", "results") in composition.origins:
        return []
    return [
        "`pathvars.results` is not set, and it is never inherited: the run is written into results/, as the demo's is; "
        f"write `pathvars: {{results: results/my-run}}` into {composition.preset}"
    ]


def _layer(path: Path) -> _Layer:
    return _Layer(_shown(path), read_yaml(path), path)


def _shown(path: Path) -> str:
    """A file's path, relative to the working directory or the repository where it is inside."""
    for folder in (Path.cwd(), REPOSITORY):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return str(path)


def _refuse_second_preset(given: Sequence[_Layer], parented: Sequence[_Layer]) -> None:
    if len(parented) > 1:
        names = ", and ".join(f"{layer.name} extends {layer.extends}" for layer in parented)
        raise ConfigError(
            f"{names}: only one file of a call may extend another. Give one of them alone, or remove `extends` from "
            "the one that only adds to the other"
        )
    before = [layer.name for layer in given if layer.path and parented and parented[0].path][:1]
    if before and before[0] != parented[0].name:
        raise ConfigError(
            f"{parented[0].name} extends {parented[0].extends}, and {before[0]} stands before it. Put "
            f"{parented[0].name} first; leave {before[0]} out if it is what {parented[0].name} builds on"
        )


def _below(layer: _Layer, line: tuple[Path, ...] = ()) -> list[_Layer]:
    """The files under one that extends another, lowest first."""
    parent = _layer(_parent(layer))
    assert parent.path is not None
    if parent.path in line or parent.path == layer.path:
        chain = " -> ".join(_shown(path) for path in (*line, parent.path))
        raise ConfigError(f"{layer.name}: `extends` leads back to {parent.name}: {chain}")
    refuse_files([parent.path])
    if parent.extends is not None:
        return [*_below(parent, (*line, layer.path or Path(layer.name))), parent]
    return [_layer(DEMO), parent] if parent.is_add_on else [parent]


def _parent(layer: _Layer) -> Path:
    """The file that a file extends: by a name or by a path."""
    name = layer.extends
    if not isinstance(name, str):
        raise ConfigError(f"{layer.name}: `extends` is {name}; it must be the name of a preset, or a path")
    here = layer.path.parent if layer.path else Path.cwd()
    if name in NAMED:
        return NAMED[name]
    if name.endswith((".yaml", ".yml")):
        if (here / name).is_file():
            return (here / name).resolve()
        raise ConfigError(f"{layer.name}: `extends` is {name}, and there is no file {here / name}")
    for folder in (here, PRESETS):
        if (folder / f"{name}.yaml").is_file():
            return (folder / f"{name}.yaml").resolve()
    known = [*NAMED, *sorted({file.stem for folder in (PRESETS, here) for file in folder.glob("*.yaml")})]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}; or write a path that ends with .yaml"
    raise ConfigError(f"{layer.name}: `extends` is {name}, which is no preset; {hint}")


def _lay(composition: Composition, layer: _Layer, without: Sequence[str] = ()) -> None:
    """Merge one file over what is there, in place, as Snakemake merges files; but a split of another source begins
    anew, since a size of generated digits means nothing for a file.
    """
    content = {key: value for key, value in layer.content.items() if key not in without}
    for split in _of_another_source(composition.config.get("data"), content.get("data")):
        composition.config["data"]["splits"][split] = {}
        _forget(composition.origins, ("data", "splits", split))
    _merge(composition.config, content, composition.origins, (), layer.name)


def _merge(under: dict[Any, Any], over: Mapping[Any, Any], origins: Origins, path: tuple[Any, ...], name: str) -> None:
    for key, value in over.items():
        place = (*path, key)
        if isinstance(value, Mapping) and isinstance(under.get(key), Mapping):
            _merge(under[key], value, origins, place, name)
            continue
        _forget(origins, place)
        under[key] = copy.deepcopy(value)
        origins |= dict.fromkeys(_leaves(value, place), name)


def _forget(origins: Origins, place: tuple[Any, ...]) -> None:
    for replaced in [other for other in origins if other[: len(place)] == place]:
        del origins[replaced]


def _of_another_source(under: Any, over: Any) -> list[str]:
    """The splits for which a file names another source than what it is laid over."""
    below, above = (data.get("splits") if isinstance(data, Mapping) else None for data in (under, over))
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return []
    changed = []
    for name, split in above.items():
        old = below.get(name)
        if isinstance(split, Mapping) and isinstance(old, Mapping):
            before = old.get("source") or under.get("source")
            if (split.get("source") or old.get("source") or over.get("source") or before) != before:
                changed.append(name)
    return changed


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _leaves(entry, (*path, key))
    else:
        yield path
