"""Numbers that go to Prometheus: nothing without Ray, the right tags with it, and a dashboard that asks for what there is."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apollo_ray import metrics
from apollo_ray.store import Store
from apollo_ray.train.trackers import Trackers

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "jobs" / "grafana" / "apollo.json").read_text())


def test_every_metric_of_the_dashboard_is_exported_and_every_exported_one_is_shown() -> None:
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    shown = {name for query in queries for name in re.findall(r"ray_\w+", query)}
    assert shown == metrics.exported()
    asked = re.findall(r"ray_\w+", DASHBOARD["templating"]["list"][1]["query"])
    assert set(asked) <= metrics.exported()


def test_the_dashboard_groups_and_filters_by_tags_that_exist() -> None:
    tags = {
        name: set(metrics.METRICS[name.removeprefix("ray_").removesuffix("_total")].tags) for name in metrics.exported()
    }
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            for grouped, name, filters in re.findall(
                r"by \(([\w, ]+)\) \((?:\w+\()?(ray_\w+)(\{[^}]*\})?", target["expr"]
            ):
                named = set(grouped.split(", ")) | set(re.findall(r"(\w+)=", filters))
                assert named <= tags[name], target["expr"]
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert all(
                legend <= set(grouped.split(", ")) for grouped in re.findall(r"by \(([\w, ]+)\)", target["expr"])
            )
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_each_call_gives_the_tags_of_its_metric() -> None:
    """Ray raises only when the number is counted, in the middle of a step."""
    called = set()
    for file in (ROOT / "apollo_ray").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in ("metrics.count", "metrics.gauge")):
                continue
            name = ast.literal_eval(node.args[0])
            called.add(name)
            given = {keyword.arg for keyword in node.keywords}
            assert ("gauge" in ast.unparse(node.func)) == (metrics.METRICS[name].kind == "gauge")
            assert None in given or given == set(metrics.METRICS[name].tags), ast.unparse(node)
    assert called == set(metrics.METRICS)


def test_without_ray_nothing_is_counted_and_ray_is_not_imported() -> None:
    code = (
        "import sys; from apollo_ray import metrics; metrics.count('apollo_llm_calls', model='m'); "
        "metrics.gauge('no such name', 1.0); assert 'ray' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_training_tells_its_loss_speed_and_steps(tmp_path, monkeypatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(metrics, "count", lambda name, amount=1.0, **tags: told.append((name, amount, tags)))
    monkeypatch.setattr(metrics, "gauge", lambda name, value, **tags: told.append((name, value, tags)))
    trackers = Trackers(Store(str(tmp_path)), "expert/1", "mini/expert", [], {}, [])
    trackers.log(1, {"loss": 2.5, "tokens_per_second": 100.0})
    trackers.log(1, {"held_out/en": 3.0})
    trackers.close()
    tags = {"run": "mini", "step": "expert"}
    assert told == [
        ("apollo_train_loss", 2.5, tags),
        ("apollo_train_tokens_per_second", 100.0, tags),
        ("apollo_train_optimizer_steps", 1.0, tags),
    ]


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_names_and_tags_are_prometheus_names(name) -> None:
    metric = metrics.METRICS[name]
    assert metric.kind in ("counter", "gauge")
    assert not name.endswith("_total"), "the exporter adds it"
    assert all(re.fullmatch("[a-z_]+", word) for word in (name, *metric.tags))
