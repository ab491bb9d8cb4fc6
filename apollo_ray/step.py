"""What the runner hands to a stage, and what it gets back."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa

from apollo_ray.config import Settings
from apollo_ray.errors import UserError
from apollo_ray.store import Counts, FileEntry, Manifest, Store, step_directory

S = TypeVar("S", bound=Settings)

LINEAGE = "apollo_ray.json"
"""File of a trained model's folder with what its card says, for machines."""


@dataclass(frozen=True)
class Result:
    """What a stage made. `data` and `dropped` list Parquet parts, `extra` other files, `summary` numbers to report."""

    counts: Counts
    data: list[FileEntry] = field(default_factory=list)
    dropped: list[FileEntry] = field(default_factory=list)
    extra: list[FileEntry] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context(Generic[S]):
    """One step about to run. `inputs` holds the manifests of the finished steps that its settings name."""

    run: str
    step: str
    settings: S
    store: Store
    fingerprint: str
    inputs: dict[str, Manifest]
    say: Callable[[str], None]  # one line of progress
    open_endpoint: Callable[[str], AbstractContextManager[str]]
    """Takes an http(s) address or the name of a serve step; yields the /v1 address while it is up."""

    @property
    def directory(self) -> str:
        """Where this step writes, relative to the store."""
        return step_directory(self.step, self.fingerprint)

    def input(self, name: str) -> Manifest:
        """Manifest of the step that a setting names. Raises UserError where it names none."""
        if name not in self.inputs:
            raise UserError(f"steps.{self.step}: {name!r} is not a step of this run")
        return self.inputs[name]

    def tables(self, name: str, schema: pa.Schema) -> list[pa.Table]:
        """The rows of an input step. Raises UserError where they are rows of another type."""
        tables = list(self.store.tables(self.input(name)))
        for table in tables:
            if table.schema.names != schema.names:
                raise UserError(
                    f"steps.{self.step}: step {name!r} (stage {self.input(name).stage}) has rows of "
                    f"{table.schema.names}, and rows of {schema.names} are needed"
                )
        return tables

    def reference(self, name: str, prefix: str) -> "Folder":
        """The `prefix` files (model, tokenizer) of an input step, or any other name as it is: a folder or a hub id.

        Raises UserError where the step has no such files. The reference travels to workers on other hosts.
        """
        manifest = self.inputs.get(name)
        if manifest and not any(entry.path.startswith(f"{prefix}/") for entry in manifest.extra):
            raise UserError(f"steps.{self.step}: step {name!r} (stage {manifest.stage}) has no {prefix}")
        return Folder(name, prefix, self.store, manifest)

    def folder(self, name: str, prefix: str) -> str:
        """Where the files of `reference` lie on this host, or the hub id."""
        return self.reference(name, prefix).local()


@dataclass(frozen=True)
class Folder:
    """Files of a finished step (or a folder, or a hub id) that any host can ask for."""

    name: str
    prefix: str
    store: Store
    manifest: Manifest | None

    def local(self) -> str:
        """A folder on this host, fetched if the store is remote; the name itself where it is no step."""
        if self.manifest is None:
            return self.name
        target = Path(tempfile.gettempdir()) / "apollo_ray" / f"{self.name}-{self.manifest.fingerprint}" / self.prefix
        directory = step_directory(self.manifest.step, self.manifest.fingerprint)
        return str(self.store.download(directory, self.manifest.extra, self.prefix, target))
