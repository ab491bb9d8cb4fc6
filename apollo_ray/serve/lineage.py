"""Is the anti-expert what the expert was trained from? Their difference should be the tuning and nothing else.

A model tells where it comes from by its step's manifest, or in a folder by the file that training writes there.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from apollo_ray.errors import UserError
from apollo_ray.planning import identity
from apollo_ray.step import LINEAGE
from apollo_ray.store import Manifest


@dataclass(frozen=True)
class Model:
    """`identities`: whatever tells the model from others, so models that share one are the same.

    A trained one has the fingerprint of its step, a folder the digest of its bytes, a hub id itself.
    """

    name: str
    kind: Literal["trained", "folder", "hub"]
    identities: frozenset[str]


@dataclass(frozen=True)
class Finding:
    """`related`: None where nothing tells. `message` is for the user where it is not True."""

    related: bool | None
    message: str = ""


def check_lineage(
    expert: str, anti_expert: str, inputs: Mapping[str, Manifest], find: Callable[[str, str], Manifest | None]
) -> Finding:
    """Whether `anti_expert` is the start of `expert`, or of what that was trained from in turn.

    Both are steps of `inputs`, folders or hub ids; `find` gives the manifest of any step by name and fingerprint.
    """
    anti = _model(anti_expert, inputs.get(anti_expert))
    told = _told(expert, inputs.get(expert))
    if told is None:
        message = f"expert {expert!r} does not tell what it was trained from, so nothing shows that"
        return Finding(None, f"{message} anti_expert {anti_expert!r} is that model")
    name, mark = told
    first, seen = name, set()
    while name is not None and (name, mark) not in seen:
        seen.add((name, mark))
        step = find(name, mark) if mark else None
        start = _model(name, step) if step else _outside(name, mark)
        if start.identities & anti.identities:
            return Finding(True)
        if {start.kind, anti.kind} == {"folder", "hub"}:
            message = f"expert {expert!r} started from {name!r}, and nothing shows whether anti_expert"
            return Finding(None, f"{message} {anti_expert!r} is the same model")
        name, mark = _told(name, step) or (None, None)
    if first is None:
        message = f"expert {expert!r} was trained from nothing, so anti_expert {anti_expert!r} is not what"
        return Finding(False, f"{message} it started from")
    return Finding(False, f"expert {expert!r} started from {first!r}, not from anti_expert {anti_expert!r}")


def _model(name: str, step: Manifest | None) -> Model:
    if step is not None:
        return Model(name, "trained", frozenset({step.fingerprint}))
    return _outside(name, None)


def _outside(name: str, mark: str | None) -> Model:
    """A folder, a hub id or a step of another store; `mark`: its fingerprint or digest from when it was used."""
    file, digest = _lineage_file(name), _digest(name)
    found = frozenset({digest or name, *([mark] if mark else []), *([file["fingerprint"]] if file else [])})
    if digest or name.startswith((".", "/", "~")) or "://" in name:
        return Model(name, "trained" if file else "folder", found)
    return Model(name, "hub" if mark in (None, name) else "trained", found)


def _told(name: str, step: Manifest | None) -> tuple[str | None, str | None] | None:
    """(name of what a model was trained from, or None; its fingerprint or digest, if known); None: it tells nothing."""
    if step is not None:
        if step.stage != "train":
            return None
        start = step.settings.get("start")
        return start, step.inputs.get(start) if start else None
    file = _lineage_file(name)
    return None if file is None else (file["start"], file["start_fingerprint"])


def _lineage_file(name: str) -> dict[str, Any] | None:
    file = Path(name).expanduser() / LINEAGE
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {key: found[key] for key in ("fingerprint", "start", "start_fingerprint")}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{file}: does not tell fingerprint, start and start_fingerprint: {error}") from error


def _digest(name: str) -> str | None:
    """Of a folder's bytes; None where there is no such folder here."""
    try:
        found = identity(name)
    except UserError:
        return None
    return None if found == name else found
