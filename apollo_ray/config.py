"""RunConfig: one YAML file of named steps, read strictly, with key=value overrides.

    run: starter
    store: runs/starter
    steps:
      corpus: {stage: corpus, sources: [...]}

Unknown keys are refused with the nearest known one. Settings are frozen pydantic models; three marks on their fields
say what the runner must know of them: `INPUT` (name of a step, or a path or hub id), `FILES` (a path or glob whose
bytes count) and `how_to_run` (does not change the result, so stays out of the fingerprint).
"""

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from apollo_ray.errors import UserError


class _Mark(str):
    """Metadata on a settings field, compared by identity."""


INPUT = _Mark("input")
FILES = _Mark("files")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]

_WORD = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
NodeLabels = dict[
    Annotated[str, StringConstraints(pattern=rf"^([A-Za-z0-9.-]{{1,253}}/)?{_WORD}$")],
    Annotated[str, StringConstraints(pattern=rf"^(!?{_WORD}|!?in\({_WORD}(, *{_WORD})*\))$")],
]
"""Labels of nodes that may hold a step's workers, in the form of Ray's label selectors: `spot`, `!spot`, `in(a, b)`."""

SECRET = "secret"
"""Type of a PydanticCustomError about a value that no message may repeat."""


def how_to_run(default: Any, **constraints: Any) -> Any:
    """A field that says how to run (workers, batch bytes, time-outs), never what comes out."""
    return Field(default, json_schema_extra={"how_to_run": True}, **constraints)


class Settings(BaseModel):
    """Base of every settings model: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RunConfig(Settings):
    """A whole run. `steps` keeps the order of the file; each step's settings are parsed by its stage."""

    run: Name
    store: str
    steps: dict[Name, dict[str, Any]]


S = TypeVar("S", bound=BaseModel)


def load_config(path: str | Path, overrides: list[str] | None = None) -> RunConfig:
    """Read the YAML at `path` and apply `steps.mix.seed=7`-like overrides (values are YAML).

    Raises UserError naming the file and the key for anything that is not right.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{file}: cannot read the run's YAML file: {error.strerror}") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{file}: not valid YAML: {error}") from error
    if not isinstance(data, dict):
        raise UserError(f"{file}: expected a mapping with the keys run, store and steps")
    for override in overrides or []:
        _apply_override(data, override)
    config = parse(RunConfig, data, where=str(file))
    for name, step in config.steps.items():
        if "stage" not in step:
            raise UserError(f"{file}: steps.{name}: the key 'stage' is missing")
    if not config.steps:
        raise UserError(f"{file}: steps: at least one step is needed")
    return config


def parse(model: type[S], data: Mapping[str, Any], where: str) -> S:
    """`data` as `model`, or UserError with every wrong key, its value and what is allowed, prefixed by `where`."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"{where}: {_explain(model, problem)}" for problem in error.errors()]
        raise UserError("\n".join(lines)) from None


def marked(settings: BaseModel, mark: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(key path, value) of every string under a field that carries `mark`, nested settings included."""
    for name, field in type(settings).model_fields.items():
        value, path = getattr(settings, name), f"{prefix}{name}"
        if any(item is mark for item in field.metadata):
            yield from _strings(value, path)
        elif isinstance(value, BaseModel):
            yield from marked(value, mark, f"{path}.")
        elif isinstance(value, tuple | list):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from marked(item, mark, f"{path}[{index}].")


def result_settings(settings: BaseModel) -> dict[str, Any]:
    """The settings that change the result, as JSON types: no `how_to_run`, no marked input (those have hashes)."""
    kept: dict[str, Any] = {}
    for name, field in type(settings).model_fields.items():
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get("how_to_run"):
            continue
        if any(item is INPUT or item is FILES for item in field.metadata):
            continue
        kept[name] = _plain(getattr(settings, name))
    return kept


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return result_settings(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _strings(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}")


def _apply_override(data: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise UserError(f"override {override!r}: expected key=value, for example steps.mix.seed=7")
    if keys[0] not in RunConfig.model_fields and keys[0] in (data.get("steps") or {}):
        keys = ["steps", *keys]  # corpus.min_characters=80 is short for steps.corpus.min_characters=80
    target: Any = data
    for depth, key in enumerate(keys[:-1]):
        if isinstance(target, list):
            target = target[_index(override, key, target)]
        else:
            if keys[0] == "steps" and depth == 1 and key not in target:
                raise UserError(f"override {override!r}: no step {key!r}; {_did_you_mean(key, target)}")
            target = target.setdefault(key, {})
        if not isinstance(target, dict | list):
            raise UserError(f"override {override!r}: {key!r} is not a mapping")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"override {override!r}: the value is not valid YAML: {error}") from error
    if isinstance(target, list):
        target[_index(override, keys[-1], target)] = value
    else:
        target[keys[-1]] = value


def _index(override: str, key: str, target: list[Any]) -> int:
    if not key.isdigit() or int(key) >= len(target):
        raise UserError(f"override {override!r}: {key!r} is not a number from 0 to {len(target) - 1}")
    return int(key)


def _explain(model: type[BaseModel], problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    path = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _known_keys(model, location[:-1])
        return f"unknown key {path!r}; {_did_you_mean(location[-1], known)}"
    if problem["type"] == "missing":
        return f"the key {path!r} is missing"
    if problem["type"] == SECRET:
        return f"{path}: {problem['msg']}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{path}: {message} (got {problem['input']!r})"


def _known_keys(model: type[BaseModel], location: list[str]) -> list[str]:
    """Keys allowed at `location` inside `model`: every model in reach that has the location's fields."""
    models = [model]
    for part in location:
        found = [inner for outer in models if part in outer.model_fields for inner in _models_in(outer, part)]
        models = found or models  # list positions and union tags are no fields
    return sorted({name for item in models for name in item.model_fields})


def _models_in(model: type[BaseModel], field: str) -> list[type[BaseModel]]:
    found: list[type[BaseModel]] = []
    pending = [model.model_fields[field].annotation]
    while pending:
        annotation = pending.pop()
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            found.append(annotation)
        pending.extend(getattr(annotation, "__args__", ()))
    return found


def _did_you_mean(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}Allowed: {', '.join(sorted(known))}"
