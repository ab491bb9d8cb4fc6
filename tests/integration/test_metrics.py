"""What Prometheus would scrape of a run, held against the run's manifests."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families

from apollo_ray.config import load_config
from apollo_ray.metrics import METRICS
from apollo_ray.planning import plan

MINI = Path(__file__).resolve().parents[1] / "configs" / "mini.yaml"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
OURS = {tag for metric in METRICS.values() for tag in metric.tags}


def labels(**named: str) -> frozenset[tuple[str, str]]:
    return frozenset(named.items())


def scraped() -> Series:
    """Each of our series summed over processes, whose labels Ray adds."""
    (node,) = ray.nodes()
    with urllib.request.urlopen(f"http://127.0.0.1:{node['MetricsExportPort']}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    found: Series = {}
    for family in families:
        for sample in family.samples:
            if sample.name.startswith("ray_apollo_"):
                labels = frozenset(item for item in sample.labels.items() if item[0] in OURS)
                found[sample.name, labels] = found.get((sample.name, labels), 0.0) + sample.value
    return found


def wait_for(expected: Series, seconds: float = 40) -> None:
    """Until every series has its value; they leave a process every ten seconds."""
    deadline = time.monotonic() + seconds
    while True:
        found = scraped()
        wrong = {key: (value, found.get(key)) for key, value in expected.items() if found.get(key) != value}
        if not wrong:
            return
        assert time.monotonic() < deadline, (wrong, {key: v for key, v in found.items() if "rows" in key[0]})
        time.sleep(1)


def rows(run: str, steps) -> Series:
    """What the manifests say, as series."""
    expected: Series = {}
    for step in steps:
        tags = {"run": run, "stage": step.stage, "step": step.name}
        counts = step.manifest.counts
        expected["ray_apollo_rows_in_total", frozenset(tags.items())] = counts.read
        if counts.kept:
            expected["ray_apollo_rows_out_total", frozenset(tags.items())] = counts.kept
        for reason, number in counts.dropped.items():
            expected["ray_apollo_rows_dropped_total", frozenset((tags | {"reason": reason}).items())] = number
    return expected


def test_scraped_counts_are_the_manifests(run_steps, scripted_openai, tmp_path) -> None:
    scripted = scripted_openai(delay_s=0.0, faults=0.0, content_faults=0.1, seed=0)
    engine = {
        "kind": "openai",
        "model": "metered",
        "base_url": scripted.address,
        "input_price": 1.0,
        "output_price": 2.0,
    }
    steps = run_steps(str(tmp_path), ["qa", f"qa.engine={json.dumps(engine)}", "run=metered"])
    expected = rows("metered", steps.values())
    assert any("dropped" in name for name, _ in expected)
    told = [entry for calls in steps["qa"].manifest.summary["cost"].values() for entry in calls.values()]
    expected["ray_apollo_llm_calls_total", labels(model="metered")] = scripted.server.stats()["prompts_paid"]
    wait_for(expected)
    found = scraped()
    spent = [
        found["ray_apollo_llm_tokens_total", labels(model="metered", kind=kind)] for kind in ("prompt", "completion")
    ]
    cost = found["ray_apollo_llm_cost_total", labels(model="metered")]
    assert cost == pytest.approx((spent[0] * 1.0 + spent[1] * 2.0) / 1e6, rel=1e-3)
    # The manifest counts a reply wherever it is used, and passages that are alike share theirs.
    assert 0.9 * sum(entry["money"] for entry in told) < cost <= 1.001 * sum(entry["money"] for entry in told)


def test_a_driver_that_ends_at_once_has_told_its_numbers(cluster, tmp_path) -> None:
    words = [str(MINI), "general", f"store={tmp_path}"]
    command = [sys.executable, "-m", "apollo_ray.cli", "run", *words, "run=short"]
    done = subprocess.run(
        command, env=os.environ | {"RAY_ADDRESS": cluster.address}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    wait_for(rows("short", plan(load_config(MINI, words[2:]), ["general"])))


@pytest.fixture(autouse=True)
def _ray(ray_session) -> None:
    """Every test here scrapes the session's Ray."""
