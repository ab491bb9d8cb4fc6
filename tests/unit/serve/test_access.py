import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from apollo_ray.errors import UserError
from apollo_ray.serve import guard
from apollo_ray.serve.access import API_KEY, Gate, digest, load_keys
from apollo_ray.serve.api import ApiError
from apollo_ray.serve.audit import AuditLog
from apollo_ray.serve.guard import Guard
from apollo_ray.serve.metrics import Metrics
from apollo_ray.serve.settings import EndpointSettings, LiveSettings, Quota


def test_keys_are_known_by_their_hashes(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# who may ask\nward-3 {hashlib.sha256(b'secret').hexdigest()}  # until May\n\n")
    keys = load_keys(str(file), {API_KEY: "other key"})
    gate = Gate(keys)
    assert "secret" not in repr(keys)
    assert [gate.name("Bearer secret"), gate.name("bearer  secret"), gate.name("Bearer other key")] == [
        "ward-3",
        "ward-3",
        "default",
    ]
    for wrong in (
        "",
        "secret",
        "Basic secret",
        "Bearer ",
        "Bearer secreT",
        "Bearer " + digest("secret"),
        "Bearer \udcff",
    ):
        with pytest.raises(ApiError, match="API key") as refused:
            gate.name(wrong)
        assert (refused.value.status, refused.value.code) == (401, "invalid_api_key")
        assert refused.value.body()["error"]["type"] == "authentication_error"
    assert Gate(load_keys(None, {})).name("") == "anonymous"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ward", "line 1: expected NAME"),
        ("\nward secret", "line 2: expected NAME"),
        (f"a {'0' * 64}\na {'1' * 64}", "line 2: 'a' or its key stands there twice"),
        (f"a {'0' * 64}\nb {'0' * 64}", "twice"),
        ("# nothing", "has no key"),
    ],
)
def test_key_files_are_read_strictly(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(UserError, match=message):
        load_keys(str(file), {})
    with pytest.raises(UserError, match="cannot read"):
        load_keys(str(tmp_path / "none"), {})


def _gate(replicas: int = 1, **quota: Any) -> Gate:
    gate = Gate({digest("a"): "a", digest("b"): "b"}, replicas)
    gate.set_quotas({"a": Quota(**quota)})
    return gate


def test_a_quota_of_requests_refills_evenly() -> None:
    gate = _gate(requests_per_minute=2)
    gate.admit("a", 5, 0.0)
    gate.admit("a", 5, 0.0)
    with pytest.raises(ApiError, match="2 requests per minute of key 'a'") as refused:
        gate.admit("a", 5, 0.0)
    assert (refused.value.status, refused.value.code) == (429, "rate_limit_exceeded")
    assert refused.value.retry_after == pytest.approx(30)
    with pytest.raises(ApiError):
        gate.admit("a", 5, 29.9)
    gate.admit("a", 5, 30.1)
    for _ in range(9):
        gate.admit("b", 5, 0.0)  # has no quota


def test_a_quota_of_tokens_is_reserved_and_settled() -> None:
    gate = _gate(tokens_per_minute=60)
    gate.admit("a", 100, 0.0)  # more than a minute's worth is let through once, and paid for
    with pytest.raises(ApiError) as refused:
        gate.admit("a", 1, 0.0)
    assert refused.value.retry_after == pytest.approx(41)
    gate.settle("a", 70)
    gate.admit("a", 1, 0.0)
    gate.settle("a", 10_000)  # never more than a minute's worth
    gate.admit("a", 61, 0.0)
    with pytest.raises(ApiError):
        gate.admit("a", 1, 0.0)


def test_what_is_refused_costs_nothing() -> None:
    gate = _gate(requests_per_minute=1, tokens_per_minute=10)
    gate.admit("a", 100, 0.0)
    with pytest.raises(ApiError):
        gate.admit("a", 1, 300.0)  # the tokens are not back yet
    gate.admit("a", 1, 600.0)


def test_replicas_share_and_new_quotas_hold_at_once() -> None:
    gate = _gate(replicas=2, requests_per_minute=2)
    gate.admit("a", 1, 0.0)
    with pytest.raises(ApiError, match="2 requests per minute"):
        gate.admit("a", 1, 0.0)
    gate.set_quotas({"default": Quota(requests_per_minute=4), "a": Quota(requests_per_minute=2)})
    with pytest.raises(ApiError):
        gate.admit("a", 1, 0.0)  # its own has not changed, and so its count has not either
    gate.admit("b", 1, 0.0)
    gate.set_quotas({})
    gate.admit("a", 1, 0.0)
    with pytest.raises(UserError, match="no key is named 'c'; there are: a, b, default"):
        gate.set_quotas({"c": Quota()})


def test_settings_of_quotas_are_strict_and_change_no_result() -> None:
    made = EndpointSettings(base="b", quotas={"default": {"tokens_per_minute": 5}})
    assert made.live == LiveSettings(alpha=1.0, quotas={"default": Quota(tokens_per_minute=5)})
    for wrong in ({"tokens": 5}, {"tokens_per_minute": 0}):
        with pytest.raises(ValidationError):
            EndpointSettings(base="b", quotas={"default": wrong})
    for alpha in (float("nan"), 1e9):
        with pytest.raises(ValidationError):
            LiveSettings(alpha=alpha)


def test_the_audit_log_has_hashes_and_text_only_if_asked(tmp_path: Path) -> None:
    for with_text in (False, True):
        folder = tmp_path / str(with_text)
        log = AuditLog(str(folder), with_text)
        log.write(["Frau Muster 患者", [1, 2]], ["fever"], key="ward", status=200)
        [file] = folder.iterdir()
        assert file.stat().st_mode & 0o077 == 0
        [line] = file.read_text().splitlines()
        assert ("Muster" in line) is ("fever" in line) is with_text
        found = json.loads(line)
        assert found["prompt_sha256"][0] == hashlib.sha256("Frau Muster 患者".encode()).hexdigest()
        assert found["prompt_sha256"][1] == hashlib.sha256(b"[1,2]").hexdigest()
        assert (found["key"], found["status"]) == ("ward", 200)
    AuditLog(None).write(["a"], [])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="audit_log: cannot write"):
        AuditLog(str(tmp_path / "file"))


def test_metrics_are_prometheus_text() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    metrics = Metrics()
    metrics.count("completions", "ensemble", 200, 3, 4)
    metrics.count("completions", "ensemble", 200, 5, 6)
    metrics.count("completions", "", 400)
    families = {one.name: one.samples for one in parser.text_string_to_metric_families(metrics.text("r1", 2))}
    counts = {(one.labels["model"], one.labels["status"]): one.value for one in families["apollo_requests"]}
    assert counts == {("ensemble", "200"): 2, ("", "400"): 1}
    tokens = {one.labels["kind"]: one.value for one in families["apollo_tokens"] if one.labels["model"]}
    assert tokens == {"prompt": 8, "completion": 10}
    assert families["apollo_active_answers"][0].value == 2


class _Endpoint:
    gate = Gate({digest("right"): "ward"})
    max_body_bytes = 1000

    def __init__(self, told: list[tuple[str, int]]) -> None:
        self.told = told

    def refused(self, scope: Any, error: ApiError) -> None:
        self.told.append((scope["path"], error.status))


def _through_guard(
    path: str, key: str, parts: list[bytes | None], **headers: str
) -> tuple[int, dict[str, Any], list[Any], list[tuple[str, int]]]:
    """(status, body, what the application behind saw, what the endpoint was told of). After None nothing more comes."""
    told: list[tuple[str, int]] = []
    seen: list[Any] = []
    sent: list[Any] = []
    waiting = [
        {"type": "http.request", "body": part, "more_body": index + 1 < len(parts)} for index, part in enumerate(parts)
    ] + [{"type": "http.disconnect"}]

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([scope.get("state", {}).get("key"), (await receive())["body"], (await receive())["type"]])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    async def receive() -> Any:
        if waiting[0].get("body", b"") is None:
            await asyncio.sleep(3600)
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = {"authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"type": "http", "path": path, "headers": [(a.encode(), b.encode()) for a, b in pairs.items()]}
    asyncio.run(Guard(behind, lambda: _Endpoint(told))(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"]), seen, told


def test_the_guard_lets_the_body_through_whole() -> None:
    assert _through_guard("/v1/completions", "right", [b"ab", b"c"])[:3] == (
        200, {}, ["ward", b"abc", "http.disconnect"]
    )  # fmt: skip
    assert _through_guard("/health", "wrong", [b""])[0] == 200


@pytest.mark.parametrize(
    ("key", "parts", "headers", "status", "code"),
    [
        ("wrong", [b"x" * 10_000], {}, 401, "invalid_api_key"),
        ("right", [b"x" * 10_000], {"content_length": "10000"}, 413, "request_too_large"),
        ("right", [], {"content_length": str(2**40)}, 413, "request_too_large"),
        ("right", [b"x" * 600, b"x" * 600], {}, 413, "request_too_large"),
        ("right", [b"x", None], {}, 408, "request_timeout"),
        ("wrong", [b"x", None], {}, 401, "invalid_api_key"),
    ],
)
def test_the_guard_refuses_before_the_body_is_parsed(
    key: str, parts: list[bytes | None], headers: dict[str, str], status: int, code: str, monkeypatch: Any
) -> None:
    monkeypatch.setattr(guard, "BODY_PAUSE_S", 0.05)
    found, body, seen, told = _through_guard("/v1/completions", key, parts, **headers)
    assert (found, body["error"]["code"], seen) == (status, code, [])
    assert told == [("/v1/completions", status)]
    assert set(body["error"]) == {"message", "type", "param", "code"}
