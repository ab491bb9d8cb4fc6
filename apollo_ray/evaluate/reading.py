"""Benchmarks as an evaluate step asks them: read, audited, without what is unfit, with the shots of each language."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from apollo_ray.evaluate import published, shots
from apollo_ray.evaluate.audit import Audit, Finding, Key, audit, key_of
from apollo_ray.evaluate.benchmarks import first_items, parse_items, rows_of
from apollo_ray.evaluate.protocols import Item
from apollo_ray.evaluate.settings import StageSettings
from apollo_ray.records import DROPPED, MAX_ROW_CHARACTERS
from apollo_ray.store import expand, open_fs

AUDIT_RULE = "audit"


@dataclass(frozen=True)
class Reading:
    """`items`: EVAL_ITEM rows to ask, in the order of the settings. `pool`: all that were read, where paper draws its
    shots. `dev`: what the dev files hold. `dropped`: DROPPED rows, those that the audit took out too. `chosen`: shots
    of strict."""

    items: list[Item]
    pool: list[Item]
    dev: list[Item]
    dropped: pa.Table
    audit: Audit
    chosen: shots.Shots
    settings: StageSettings

    def shots_of(self, item: Item) -> Sequence[Item]:
        """The shots before `item`: by its benchmark and language, the same for every model."""
        if self.settings.protocol == "strict":
            return self.chosen.get((item["benchmark"], item["lang"]), [])
        cell = (item["benchmark"], item["lang"])
        same = [one for one in self.pool if (one["benchmark"], one["lang"]) == cell]
        return published.draw_shots(item, same, self.settings.shots)

    def summary(self) -> dict[str, Any]:
        """How items were asked and which were not, for the step's manifest."""
        return {
            "mode": self.settings.protocol,
            "protocol": {
                "name": self.settings.protocol,
                "shots": self.settings.shots,
                "shots_version": shots.VERSION,
                "shot_ids": [
                    {"benchmark": benchmark, "lang": lang, "ids": [item["id"] for item in chosen]}
                    for (benchmark, lang), chosen in self.chosen.items()
                    if chosen
                ],
                "rotations": self.settings.rotations,
            },
            "audit": self.audit.as_json()["cells"],
        }

    def excluded(self) -> list[dict[str, str]]:
        """The rows of `dropped` that could be read: {id, reason, detail}."""
        rows = self.dropped.filter(pc.field("rule") == AUDIT_RULE).select(["id", "reason", "detail"])
        found: list[dict[str, str]] = rows.to_pylist()
        return found


def read(settings: StageSettings) -> Reading:
    """All that the benchmarks of `settings` hold. Raises UserError where a path is missing or dev has too few items."""
    found, held, dropped = [], [], []
    for benchmark in settings.benchmarks:
        rows, refused = parse_items(benchmark, _files(benchmark.path), cut_golds=True)
        found.append(rows)
        dropped.append(refused)
        if benchmark.dev:
            held.append(parse_items(benchmark, _files(benchmark.dev))[0])
    pool = pa.concat_tables(found).to_pylist()
    dev = pa.concat_tables(held).to_pylist() if held else []
    audited = audit(pool, dev)
    unfit = _unfit(settings, audited)
    asked = [first_items(_without(rows, unfit), settings.limit) for rows in found]
    dropped.append(_excluded(pool, unfit))
    return Reading(
        items=pa.concat_tables(asked).to_pylist(),
        pool=pool,
        dev=dev,
        dropped=pa.concat_tables(dropped),
        audit=audited,
        chosen=shots.choose_shots(pool, dev, settings.shots) if settings.protocol == "strict" else {},
        settings=settings,
    )


def _unfit(settings: StageSettings, audited: Audit) -> dict[Key, Finding]:
    """A gold that was cut to its first letter is wrong, so strict never asks for it, whatever the settings."""
    strict = settings.protocol == "strict"
    exclude = strict if settings.exclude_unfit is None else settings.exclude_unfit
    unfit = audited.unfit("strict") if exclude else {}
    if strict and not exclude:
        unfit = audited.by_reason("several_answers")
    return unfit if strict else unfit | audited.unfit("paper")


def _without(rows: pa.Table, unfit: Mapping[Key, Finding]) -> pa.Table:
    return rows.filter(pa.array([key_of(item) not in unfit for item in rows.to_pylist()], pa.bool_()))


def _excluded(pool: Sequence[Item], unfit: Mapping[Key, Finding]) -> pa.Table:
    rows = [
        {
            "id": item["id"],
            "rule": AUDIT_RULE,
            "reason": unfit[key_of(item)].reason,
            "detail": f"{item['benchmark']}, {item['lang']}: {unfit[key_of(item)].detail}",
            "uri": None,
            "position": None,
            "row": json.dumps(item, ensure_ascii=False)[:MAX_ROW_CHARACTERS],
        }
        for item in pool
        if key_of(item) in unfit
    ]
    return pa.Table.from_pylist(rows, schema=DROPPED)


def _files(path: str) -> Iterator[tuple[str, list[bytes]]]:
    for uri in expand(path):
        filesystem, name = open_fs(uri)
        with filesystem.open(name, "rb", compression="infer") as file:
            yield uri, rows_of(uri, file.read())
