"""Which steps a run has, in what order, and which of them are finished. Runs nothing, imports neither torch nor Ray."""

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from apollo_ray.config import FILES, INPUT, RunConfig, Settings, marked, parse, result_settings
from apollo_ray.errors import UserError
from apollo_ray.step import Context, Result
from apollo_ray.store import Manifest, Store, content_digest, fingerprint, step_directory


@dataclass(frozen=True)
class Stage:
    """A kind of step. Modules are named, not imported, so that planning needs neither torch nor Ray."""

    package: str
    version: int  # raised whenever the same settings would give another result
    estimates: bool = False  # its stage.py can say what a step would cost before it runs

    def settings(self) -> type[Settings]:
        model: type[Settings] = importlib.import_module(f"{self.package}.settings").StageSettings
        return model

    def function(self) -> Callable[[Context[Any]], Result]:
        run: Callable[[Context[Any]], Result] = importlib.import_module(f"{self.package}.stage").run
        return run


STAGES = {
    "corpus": Stage("apollo_ray.corpus", 3),
    "rewrite": Stage("apollo_ray.rewrite", 5, estimates=True),
    "tokenizer": Stage("apollo_ray.tokenizer", 2),
    "mix": Stage("apollo_ray.mix", 4),
    "train": Stage("apollo_ray.train", 2),
    "evaluate": Stage("apollo_ray.evaluate", 5),
    "serve": Stage("apollo_ray.serve", 1),
    "compare": Stage("apollo_ray.compare", 1),
}


@dataclass(frozen=True)
class PlannedStep:
    """A step with everything that decides its result."""

    name: str
    stage: str
    settings: Settings
    steps: tuple[str, ...]  # steps of this run that it reads
    inputs: dict[str, str]  # step, path or hub id -> fingerprint, content digest or the id itself
    fingerprint: str
    manifest: Manifest | None  # of the finished step

    @property
    def finished(self) -> bool:
        return self.manifest is not None


def plan(config: RunConfig, only: list[str] | None = None) -> list[PlannedStep]:
    """The steps in the order in which they run, with what is already there.

    `only` keeps the named steps and what they need. Raises UserError for wrong settings, missing files, steps that name
    each other in a circle and stores that cannot be read: before any work starts.
    """
    settings = {name: _settings(name, raw) for name, raw in config.steps.items()}
    for name in only or []:
        if name not in settings:
            raise UserError(f"no step {name!r} in this run; its steps are: {', '.join(settings)}")
    store = Store(config.store)
    planned: dict[str, PlannedStep] = {}
    for name in _ordered(settings, only):
        planned[name] = _planned_step(name, config.steps[name]["stage"], settings[name], planned, store)
    return list(planned.values())


def _settings(name: str, raw: dict[str, Any]) -> Settings:
    stage = raw["stage"]
    if stage not in STAGES:
        raise UserError(f"steps.{name}.stage: no stage {stage!r}; allowed: {', '.join(STAGES)}")
    return parse(STAGES[stage].settings(), {k: v for k, v in raw.items() if k != "stage"}, where=f"steps.{name}")


def _references(settings: dict[str, Settings], name: str) -> list[str]:
    values = [value for _, value in marked(settings[name], INPUT)]
    return list(dict.fromkeys(value for value in values if value in settings))


def _ordered(settings: dict[str, Settings], only: list[str] | None) -> list[str]:
    order: list[str] = []
    path: list[str] = []

    def visit(name: str) -> None:
        if name in order:
            return
        if name in path:
            raise UserError(f"steps need each other in a circle: {' -> '.join([*path[path.index(name) :], name])}")
        path.append(name)
        for reference in _references(settings, name):
            visit(reference)
        path.pop()
        order.append(name)

    for name in only or settings:
        visit(name)
    return order


def _planned_step(
    name: str, stage: str, settings: Settings, earlier: dict[str, PlannedStep], store: Store
) -> PlannedStep:
    inputs: dict[str, str] = {}
    named: list[list[str]] = []  # which key points at what: swapping two inputs is another step
    steps = []
    for key, value in marked(settings, INPUT):
        if value in earlier:
            inputs[value] = earlier[value].fingerprint
            steps.append(value)
        else:
            inputs[value] = identity(value)
        named.append([key, inputs[value]])
    for key, value in marked(settings, FILES):
        try:
            inputs[value] = content_digest(value)
        except UserError as error:
            raise UserError(f"steps.{name}.{key}: {error}") from error
        named.append([key, inputs[value]])
    step_fingerprint = fingerprint([stage, STAGES[stage].version, result_settings(settings), named])
    manifest = store.manifest(name, step_fingerprint)
    return PlannedStep(name, stage, settings, tuple(dict.fromkeys(steps)), inputs, step_fingerprint, manifest)


def identity(value: str) -> str:
    """What tells an input that is no step: digest of a path's bytes if it exists, else hub id or address as written."""
    if "://" in value and value.split("://")[0] in ("http", "https", "hf"):
        return value
    try:
        return content_digest(value)
    except UserError:
        if value.startswith((".", "/", "~")) or "://" in value:
            raise
        return value


def planned_as_json(steps: list[PlannedStep], store: Store) -> list[dict[str, Any]]:
    """The plan for other programs: one object a step."""
    return [
        {
            "step": step.name,
            "stage": step.stage,
            "fingerprint": step.fingerprint,
            "finished": step.finished,
            "needs": list(step.steps),
            "directory": store.address(step_directory(step.name, step.fingerprint)),
            "counts": asdict(step.manifest.counts) if step.manifest else None,
        }
        for step in steps
    ]
