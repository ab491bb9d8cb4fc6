"""Planned steps to finished ones: skip what is there, run the rest in order of dependence."""

import datetime
import importlib
import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import apollo_ray
from apollo_ray import logs, metrics
from apollo_ray.config import RunConfig
from apollo_ray.errors import UserError
from apollo_ray.planning import STAGES, PlannedStep
from apollo_ray.step import Context
from apollo_ray.store import Manifest, Store

REPORTED_PACKAGES = ("ray", "torch", "transformers", "deepspeed", "pyarrow", "tokenizers")


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
            with logs.within(config.run, step.name, step.fingerprint):
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


def tune_alpha(
    config: RunConfig,
    steps: list[PlannedStep],
    name: str,
    alphas: Sequence[float],
    by: str | None,
    say: Callable[[str], None],
    connect: Callable[[], AbstractContextManager[None]],
) -> dict[str, Any]:
    """The best strengths of the ensemble that evaluate step `name` asks, by language, on its dev items.

    Raises UserError where a step that it needs is not finished.
    """
    done = {step.name: step for step in steps if step.finished}
    (step,) = (step for step in steps if step.name == name)
    if missing := [need for need in step.steps if need not in done]:
        raise UserError(f"steps.{name}: {', '.join(missing)} must be finished first; run it")
    module = importlib.import_module(f"{STAGES[step.stage].package}.tuning")
    store = Store(config.store)
    store.check_writable()
    with connect():
        found: dict[str, Any] = module.tune(_context(config, store, step, done, say), alphas, by)
    return found


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
    _count(config.run, manifest)
    return replace(step, manifest=manifest)


def _count(run: str, manifest: Manifest) -> None:
    tags = {"run": run, "stage": manifest.stage, "step": manifest.step}
    metrics.count("apollo_rows_in", manifest.counts.read, **tags)
    metrics.count("apollo_rows_out", manifest.counts.kept, **tags)
    for reason, number in manifest.counts.dropped.items():
        metrics.count("apollo_rows_dropped", number, **tags, reason=reason)
    started, ended = (datetime.datetime.fromisoformat(time) for time in (manifest.started, manifest.ended))
    metrics.gauge("apollo_step_seconds", (ended - started).total_seconds(), **tags)


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
