"""Steps to stages: plan what a run would do, skip what is finished, run the rest in order of dependence."""

import datetime
import importlib
import importlib.metadata
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import apollo_ray
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
    "rewrite": Stage("apollo_ray.rewrite", 3, estimates=True),
    "tokenizer": Stage("apollo_ray.tokenizer", 2),
    "mix": Stage("apollo_ray.mix", 3),
    "train": Stage("apollo_ray.train", 2),
    "evaluate": Stage("apollo_ray.evaluate", 1),
    "serve": Stage("apollo_ray.serve", 1),
}

REPORTED_PACKAGES = ("ray", "torch", "transformers", "deepspeed", "pyarrow", "tokenizers")


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


def execute(
    config: RunConfig,
    steps: list[PlannedStep],
    say: Callable[[str], None],
    connect: Callable[[], AbstractContextManager[None]],
) -> list[PlannedStep]:
    """Run what is not finished; `connect` opens Ray and is called only for work. Returns the plan, finished."""
    store = Store(config.store)
    if all(step.finished for step in steps):
        _publish(store, config, steps)
        return steps
    store.check_writable()
    done: dict[str, PlannedStep] = {}
    with connect():
        for number, step in enumerate(steps, 1):
            label = f"[{number}/{len(steps)}] {step.name}"
            if step.manifest is None:
                say(f"{label}: {step.stage} starts")
                step = _run_step(config, store, step, done, say)
            assert step.manifest is not None
            say(f"{label}: {describe(step.manifest)}")
            done[step.name] = step
            _publish(store, config, list(done.values()))
    return list(done.values())


def _publish(store: Store, config: RunConfig, steps: list[PlannedStep]) -> None:
    pointers = store.pointers(config.run)
    new = pointers | {step.name: step.fingerprint for step in steps}
    kept = {name: new[name] for name in config.steps if name in new}
    if kept != pointers:
        store.write_pointers(config.run, kept)


def describe(manifest: Manifest) -> str:
    """One line: what went in, what came out."""
    counts = manifest.counts
    dropped = sum(counts.dropped.values())
    reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(counts.dropped.items()))
    return f"{counts.read} {counts.unit}s in, {counts.kept} kept" + (
        f", {dropped} dropped ({reasons})" if dropped else ""
    )


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
            inputs[value] = _outside(value)
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


def _outside(value: str) -> str:
    """Identity of an input that is no step: the bytes of a path that exists, else the hub id or address as written."""
    if "://" in value and value.split("://")[0] in ("http", "https", "hf"):
        return value
    try:
        return content_digest(value)
    except UserError:
        if value.startswith((".", "/", "~")) or "://" in value:
            raise
        return value


def estimates(
    config: RunConfig,
    steps: list[PlannedStep],
    only: list[str],
    say: Callable[[str], None],
    connect: Callable[[], AbstractContextManager[None]],
) -> dict[str, dict[str, Any]]:
    """Step -> what its stage says that it would cost, of all steps (or `only` these) of stages that can say so.

    Raises UserError where there is none to estimate, or one needs a step that is not finished.
    """
    able = [step for step in steps if STAGES[step.stage].estimates and (not only or step.name in only)]
    if not able:
        raise UserError(
            f"no step to estimate; stages that can: {', '.join(n for n, s in STAGES.items() if s.estimates)}"
        )
    done = {step.name: step for step in steps if step.finished}
    for step in able:
        if missing := [name for name in step.steps if name not in done]:
            raise UserError(
                f"steps.{step.name}: {', '.join(missing)} must be finished before an estimate; run it first"
            )
    with connect():
        return {
            step.name: importlib.import_module(f"{STAGES[step.stage].package}.stage").estimate(
                _context(config, Store(config.store), step, done, say)
            )
            for step in able
        }


def _context(
    config: RunConfig, store: Store, step: PlannedStep, done: dict[str, PlannedStep], say: Callable[[str], None]
) -> Context[Any]:
    manifests = {name: done[name].manifest for name in step.steps}

    @contextmanager
    def open_endpoint(name: str) -> Iterator[str]:
        if name not in done:
            yield name.rstrip("/")
            return
        with serving(store, done[name], say) as address:
            yield address

    return Context(
        run=config.run,
        step=step.name,
        settings=step.settings,
        store=store,
        fingerprint=step.fingerprint,
        inputs={name: manifest for name, manifest in manifests.items() if manifest is not None},
        say=lambda text: say(f"  {step.name}: {text}"),
        open_endpoint=open_endpoint,
    )


def _run_step(
    config: RunConfig, store: Store, step: PlannedStep, done: dict[str, PlannedStep], say: Callable[[str], None]
) -> PlannedStep:
    started = _now()
    result = STAGES[step.stage].function()(_context(config, store, step, done, say))
    manifest = Manifest(
        step=step.name,
        stage=step.stage,
        fingerprint=step.fingerprint,
        settings=step.settings.model_dump(mode="json"),
        inputs=step.inputs,
        counts=result.counts,
        data=result.data,
        dropped=result.dropped,
        extra=result.extra,
        summary=result.summary,
        versions={"apollo_ray": apollo_ray.__version__} | versions(),
        started=started,
        ended=_now(),
    )
    store.finish(manifest)
    return replace(step, manifest=manifest)


@contextmanager
def serving(store: Store, step: PlannedStep, say: Callable[[str], None]) -> Iterator[str]:
    """A finished serve step's endpoint, up inside the block: yields its /v1 address. Ray must be initialised."""
    assert step.manifest is not None
    # Port and replicas are as the file says now, not as they were when the step was finished.
    manifest = replace(step.manifest, settings=step.settings.model_dump(mode="json"))
    service = importlib.import_module(f"{STAGES[step.stage].package}.stage")
    with service.running(store, manifest, say) as address:
        yield address


def export_ensemble(store: Store, step: PlannedStep, target: str) -> None:
    """A finished serve step's models as a folder for vLLM. Raises UserError where they do not fit together."""
    module = importlib.import_module(f"{STAGES[step.stage].package}.export_ensemble")
    module.export_ensemble(store, step.manifest, target)


def versions() -> dict[str, str]:
    """Installed versions of the packages that can change a result."""
    found = {}
    for package in REPORTED_PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


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
