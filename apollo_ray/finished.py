"""A run as its store knows it, without its YAML file: for notebooks and other readers.

run = read_run("runs/starter")
run.step("documents").counts, run.rows("documents", 3), run.report.perplexities
"""

import itertools
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apollo_ray.config import Settings
from apollo_ray.errors import UserError
from apollo_ray.planning import PlannedStep
from apollo_ray.report.collect import collect
from apollo_ray.report.contents import Report
from apollo_ray.step import Folder
from apollo_ray.store import Manifest, Store, step_directory


@dataclass(frozen=True)
class FinishedRun:
    """The steps that the store's pointers name, whatever code made them."""

    name: str
    store: Store
    manifests: dict[str, Manifest]

    def step(self, name: str) -> Manifest:
        """Raises UserError for a name that is no finished step."""
        if name not in self.manifests:
            raise UserError(f"run {self.name!r} has no finished step {name!r}; it has: {', '.join(self.manifests)}")
        return self.manifests[name]

    def of_stage(self, stage: str) -> list[str]:
        """Names of the finished steps of a stage, in the order of the run."""
        return [name for name, manifest in self.manifests.items() if manifest.stage == stage]

    def rows(self, name: str, number: int | None = None) -> list[dict[str, Any]]:
        """The first `number` rows of a step, or all."""
        return list(itertools.islice(self._each(name, "data"), number))

    def dropped(self, name: str, number: int | None = None) -> list[dict[str, Any]]:
        """The first `number` rows that a step refused, or all."""
        return list(itertools.islice(self._each(name, "dropped"), number))

    def folder(self, name: str, prefix: str) -> str:
        """Where the `prefix` files (model, tokenizer) of a step lie on this host."""
        return Folder(name, prefix, self.store, self.step(name)).local()

    def _each(self, name: str, group: str) -> Iterator[dict[str, Any]]:
        manifest = self.step(name)
        for entry in getattr(manifest, group):
            directory = step_directory(name, manifest.fingerprint)
            yield from self.store.read_table(directory, entry).to_pylist()

    @cached_property
    def report(self) -> Report:
        """What the run's page says."""
        steps = [_planned(manifest, self.manifests) for manifest in self.manifests.values()]
        return collect(self.store, self.name, steps)


def read_run(uri: str, run: str | None = None) -> FinishedRun:
    """The only run of a store, or the named one. Raises UserError where there is none, or more to choose from."""
    store = Store(uri)
    folder = store.path("runs")
    found = store.fs.ls(folder, detail=False) if store.fs.exists(folder) else []
    names = sorted(posixpath.basename(path).removesuffix(".json") for path in found if path.endswith(".json"))
    if run is None and len(names) == 1:
        run = names[0]
    if run is None or run not in names:
        raise UserError(f"{uri}: name one of its runs ({', '.join(names) or 'none; apollo run makes one'})")
    pointers = json.loads(store.read(store.path("runs", f"{run}.json")) or b"{}")
    manifests = {name: store.manifest(name, fingerprint) for name, fingerprint in pointers.items()}
    return FinishedRun(run, store, {name: manifest for name, manifest in manifests.items() if manifest})


def _planned(manifest: Manifest, manifests: dict[str, Manifest]) -> PlannedStep:
    needs = tuple(name for name in manifest.inputs if name in manifests)
    told = (manifest.inputs, manifest.fingerprint, manifest)
    return PlannedStep(manifest.step, manifest.stage, Settings(), needs, *told)
