"""The command line as scripts see it: exit codes, messages, and runs that are killed at any moment."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MINI = ROOT / "tests" / "configs" / "mini.yaml"


def apollo(*words: str, timeout: float = 180, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "apollo_ray.cli", *words],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "nowhere.yaml"], "nowhere.yaml"),
        (["plan", str(MINI), "qa.engin={kind: template}"], "did you mean 'engine'"),
        (["plan", str(MINI), "qa.engine={kind: magic}"], "'template', 'openai'"),
        (["plan", str(MINI), "qa.documents=[qa]"], "circle: qa -> qa"),
        (["plan", str(MINI), "no-such-step"], "no step 'no-such-step'"),
        (
            ["plan", str(MINI), "documents.sources=[{name: a, path: /no/such/*.jsonl}]"],
            "/no/such/*.jsonl: no such file",
        ),
        (["plan", str(MINI), "documents.stage=korpus"], "no stage 'korpus'"),
        (["run", str(MINI), "documents", "store=nosuch://bucket/x"], "nosuch://bucket/x"),
        (["serve", str(MINI), "store=/tmp/apollo-nothing-here"], "not finished"),
    ],
)
def test_the_users_mistakes_exit_with_2_and_name_what_is_wrong(words: list[str], said: str) -> None:
    done = apollo(*words)
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_inspect_shows_what_is_trained(run_steps, local_store) -> None:
    run_steps(local_store, ["medical-mix"])
    done = apollo("inspect", str(MINI), "medical-mix", "--rows", "2", f"store={local_store}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("row ")] == ["row 0", "row 1"]
    assert sum(line.startswith("-- document ") for line in lines) >= 2
    masked, supervised = (next(line for line in lines if line.startswith(word)) for word in ("masked", "supervised"))
    assert masked.replace("\u2502", "").partition(": ")[2].startswith("User:")
    assert supervised.endswith("<|endoftext|>")
    for words, said in ((["qa"], "a mix step is needed"), (["general-mix"], "not finished"), (["no"], "no step 'no'")):
        wrong = apollo("inspect", str(MINI), *words, "store=/tmp/apollo-nothing-here")
        assert wrong.returncode == 2
        assert said in " ".join(wrong.stderr.split())


def test_an_unreachable_bucket_is_named_and_leaves_nothing(cluster) -> None:
    for words, environment in (
        (["store=s3://no-such-bucket/x"], {}),
        (["store=s3://apollo/x"], {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}),
    ):
        done = apollo("run", str(MINI), "documents", *words, RAY_ADDRESS=cluster.address, **environment)
        assert done.returncode in (2, 75), done.stderr
        assert words[0].removeprefix("store=") in done.stderr
        assert "Traceback" not in done.stderr


def test_an_empty_corpus_is_an_error_and_nothing_is_finished(cluster, tmp_path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "short.jsonl").write_text('{"text": "too short"}\n')
    for name in ("empty", "short"):
        source = f"documents.sources=[{{name: a, path: {tmp_path}/{name}.jsonl}}]"
        done = apollo("run", str(MINI), "documents", source, f"store={tmp_path}/s", RAY_ADDRESS=cluster.address)
        assert done.returncode == 2, done.stderr
        assert "the corpus is empty" in done.stderr
    assert not list(tmp_path.glob("s/documents/*/manifest.json"))


def test_a_broken_service_inside_a_task_exits_with_75_in_one_message(cluster, tmp_path) -> None:
    engine = 'qa.engine={kind: openai, model: m, base_url: "http://127.0.0.1:9/v1", patience_s: 1}'
    done = apollo("run", str(MINI), "qa", engine, f"store={tmp_path}", RAY_ADDRESS=cluster.address)
    assert done.returncode == 75, done.stderr
    assert "error: http://127.0.0.1:9/v1 has failed every request" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("qa/*/manifest.json"))


def test_plan_for_programs(tmp_path) -> None:
    steps = json.loads(apollo("plan", str(MINI), "--json", f"store={tmp_path}").stdout)
    assert [step["step"] for step in steps][-1] == "table"
    assert not any(step["finished"] for step in steps)
    for step in steps:
        done = [other["step"] for other in steps[: steps.index(step)]]
        assert set(step["needs"]) <= set(done)


def test_help_tells_a_newcomer_where_to_start() -> None:
    text = apollo("--help").stdout
    for word in ("plan", "run", "report", "serve", "doctor", "key=value", "not a medical device"):
        assert word in text


def test_doctor_finds_the_broken_and_the_sound(cluster, tmp_path) -> None:
    sound = apollo("doctor", str(MINI), f"store={tmp_path}", RAY_ADDRESS=cluster.address)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert all(name in sound.stdout for name in ("python", "packages", "disk", "store", "config", "ray"))
    (tmp_path / "file").write_text("")
    broken = apollo("doctor", str(MINI), f"store={tmp_path}/file/x", RAY_ADDRESS=cluster.address)
    assert broken.returncode == 2
    assert "FAIL store" in broken.stdout


def test_a_run_killed_at_any_moment_goes_on_to_the_same_rows(run_steps, cluster, tmp_path) -> None:
    """Kills the driver at random moments until a run gets through; what it made equals an undisturbed run's."""
    rng = random.Random(3)
    command = [sys.executable, "-m", "apollo_ray.cli", "run", str(MINI), "qa", f"store={tmp_path}/killed"]
    kills = 0
    for attempt in range(6):
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"RAY_ADDRESS": cluster.address},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(rng.uniform(4, 7) + attempt)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if list(tmp_path.glob("killed/qa/*/manifest.json")):
            break
    assert kills, "never killed: the moments are too late"
    survived = run_steps(f"{tmp_path}/killed", ["qa"])
    undisturbed = run_steps(f"{tmp_path}/whole", ["qa"])
    for name, step in undisturbed.items():
        assert survived[name].fingerprint == step.fingerprint
        assert survived[name].manifest.counts == step.manifest.counts
        digests = [[entry.sha256 for entry in found.manifest.data] for found in (survived[name], step)]
        assert digests[0] == digests[1]
