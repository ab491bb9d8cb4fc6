"""From a score back to rows: what each step read, down to the files that the run was given."""

import re
from dataclasses import dataclass

from apollo_ray.report.contents import StepRow, shown
from apollo_ray.store import Manifest

_PACKAGE = re.compile(r"^/.*/(?=apollo_ray/)")
ROLES = ("base", "expert", "anti_expert")


@dataclass(frozen=True)
class Source:
    """A file, glob or hub id that a step read and no step made, with the digest of its bytes (or the id again)."""

    name: str
    digest: str


@dataclass(frozen=True)
class Node:
    """A step, and what it read. `above`: it was told further up, so its own inputs are not repeated."""

    name: str
    stage: str
    fingerprint: str
    told: str  # what went through it
    sources: tuple[Source, ...] = ()
    children: tuple["Node", ...] = ()
    above: bool = False


def lineage(steps: tuple[StepRow, ...]) -> tuple[Node, ...]:
    """One tree for each finished evaluate step."""
    known = {step.name: step for step in steps}
    return tuple(_node(step, known, set()) for step in steps if step.stage == "evaluate" and step.manifest)


def _node(step: StepRow, known: dict[str, StepRow], told: set[str]) -> Node:
    if step.name in told:
        return Node(step.name, step.stage, step.fingerprint, "", above=True)
    told.add(step.name)
    manifest = step.manifest
    inputs = manifest.inputs if manifest else {}
    return Node(
        name=step.name,
        stage=step.stage,
        fingerprint=step.fingerprint,
        told=_told(manifest) if manifest else "not finished",
        sources=tuple(Source(_in_package(name), digest) for name, digest in inputs.items() if name not in known),
        children=tuple(_node(known[name], known, told) for name in step.needs if name in known),
    )


def _in_package(name: str) -> str:
    """Files that ship with this package by their place in it, wherever it was installed."""
    return _PACKAGE.sub("", name)


def _told(manifest: Manifest) -> str:
    counts, summary = manifest.counts, manifest.summary
    dropped = sum(counts.dropped.values())
    words = (
        f"{shown(counts.kept)} of {shown(counts.read)} {counts.unit}s"
        if dropped
        else f"{shown(counts.kept)} {counts.unit}s"
    )
    if manifest.stage == "mix":
        return f"{words}, {_number(summary.get('tokens'))} tokens"
    if manifest.stage == "train":
        told = (_number(summary.get(name)) for name in ("parameters", "steps", "tokens"))
        return "{} parameters, {} optimizer steps, {} tokens".format(*told)
    if manifest.stage == "serve":
        return f"alpha {summary.get('alpha', '-')}"
    return words


def _number(value: object) -> str:
    return shown(value) if isinstance(value, int | float) else "-"


def models_of(model: str, scores: Manifest | None, manifests: dict[str, Manifest]) -> tuple[str, ...]:
    """The finished train steps behind a model of an evaluate step: one, or the three of an ensemble."""
    if scores is None:
        return ()
    served = manifests.get(str(scores.settings.get("endpoint")))
    names = [model]
    for local in scores.settings.get("models", []):
        if isinstance(local, dict) and local.get("name") == model:
            names = [str(local[part]) for part in ("model", *ROLES) if part in local]
    if served is not None:
        role = model.split("@")[0]
        names = [str(served.settings.get(name)) for name in ((role,) if role in ROLES else ROLES)]
    return tuple(name for name in names if name in manifests and manifests[name].stage == "train")
