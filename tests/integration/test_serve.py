"""The endpoint on a real Ray Serve, asked by the openai client."""

import copy
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import openai
import pytest
import torch
import yaml
from openai import types
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ServeDeploySchema
from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

from apollo_ray.ensemble import combine
from apollo_ray.errors import ServiceError, UserError
from apollo_ray.serve import stage
from apollo_ray.serve.access import digest
from apollo_ray.serve.app import API_KEY
from apollo_ray.serve.models import model_reference, resolve_model
from apollo_ray.serve.settings import StageSettings
from apollo_ray.step import Context
from apollo_ray.store import Counts, Manifest, Store
from apollo_ray.tokenizer.bpe import train_bpe

KEY = "a key of the test"
WARD_KEY = "another one"
ALPHA = 1.5
TEXTS = ["The patient has had a fever for three days.", "患者发热三天,伴有咳嗽。", "El paciente tiene fiebre."]


def _model(folder: Path, seed: int, hidden: int, tokenizer: Any) -> Path:
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        initializer_range=0.3,
        eos_token_id=tokenizer.eos_token_id,
    )
    torch.manual_seed(seed)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _manifest(step: str, stage_name: str, fingerprint: str, **fields: Any) -> Manifest:
    empty: dict[str, Any] = {"settings": {}, "inputs": {}, "data": [], "dropped": [], "extra": [], "summary": {}}
    times = {"versions": {}, "started": "", "ended": "", "counts": Counts("model", 1, 1)}
    return Manifest(step=step, stage=stage_name, fingerprint=fingerprint, **{**empty, **times, **fields})


def _context(store: Store, settings: StageSettings, inputs: dict[str, Manifest], said: list[str]) -> Context[Any]:
    return Context("test", "ensemble", settings, store, "f" * 16, inputs, said.append, nullcontext)


def _finished(context: Context[Any]) -> Manifest:
    """What the runner makes of the stage's result."""
    result = stage.run(context)
    settings = context.settings.model_dump(mode="json")
    made = _manifest(context.step, "serve", context.fingerprint, settings=settings, counts=result.counts)
    made.extra.extend(result.extra)
    made.summary.update(result.summary)
    context.store.finish(made)
    return made


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_bpe(TEXTS * 4, 320)
    sizes = {"base": (0, 48), "expert": (1, 32), "anti_expert": (2, 32)}
    return {role: _model(folder / role, seed, hidden, tokenizer) for role, (seed, hidden) in sizes.items()}


@pytest.fixture(scope="module")
def finished(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Manifest]:
    """A serve step whose small models are steps of its store, the base a folder outside."""
    store = Store(str(tmp_path_factory.mktemp("store")))
    start = store.upload(models["anti_expert"], "small/" + "a" * 16, "model")
    tuned = store.upload(models["expert"], "tuned/" + "b" * 16, "model")
    inputs = {
        "small": _manifest("small", "train", "a" * 16, extra=start),
        "tuned": _manifest(
            "tuned", "train", "b" * 16, extra=tuned, settings={"start": "small"}, inputs={"small": "a" * 16}
        ),
    }
    for manifest in inputs.values():
        store.finish(manifest)
    keys = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text(f"ward {digest(WARD_KEY)}\n")
    settings = StageSettings(
        base=str(models["base"]),
        expert="tuned",
        anti_expert="small",
        alpha=ALPHA,
        max_length=256,
        slots=4,
        port=0,
        cpus_per_replica=0.5,
        keys_file=str(keys),
        quotas={"ward": {"requests_per_minute": 2}},
        audit_log=str(tmp_path_factory.mktemp("audit")),
    )
    said: list[str] = []
    made = _finished(_context(store, settings, inputs, said))
    assert made.summary["warnings"] == []
    assert made.summary["models"]["expert"] == {"path": "tuned", "fingerprint": "b" * 16}
    return store, made


@pytest.fixture(scope="module")
def address(ray_session: None, finished: tuple[Store, Manifest]) -> Iterator[str]:
    os.environ[API_KEY] = KEY
    said: list[str] = []
    try:
        with stage.running(*finished, said.append) as found:
            yield found
    finally:
        del os.environ[API_KEY]
    assert KEY not in " ".join(said)
    assert serve.status().applications == {}


@pytest.fixture
def client(address: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=address, api_key=KEY, max_retries=0, timeout=60)


def test_models_are_listed_with_the_notice(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == ["ensemble", "base", "expert", "anti_expert"]
    assert {model.model_dump()["notice"] for model in listed} == {"not a medical device"}


@pytest.mark.parametrize("question", ["What helps against fever?", "发热三天怎么办?"])
def test_a_streamed_chat_is_the_whole_answer_in_pieces(client: openai.OpenAI, question: str) -> None:
    ask: dict[str, Any] = {
        "model": "ensemble",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 24,
        "seed": 7,
        "extra_body": {"ignore_eos": True},
    }
    whole = client.chat.completions.create(**ask)
    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content != ""
    assert len(pieces) > 3
    assert chunks[-2].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 24


@torch.inference_mode()
def test_echoed_logprobs_are_those_of_the_formula(client: openai.OpenAI, models: dict[str, Path]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(models["base"])
    ids = tokenizer("患者 fever 发热")["input_ids"]
    logits = [
        Qwen2ForCausalLM.from_pretrained(models[role], dtype=torch.float32)(input_ids=torch.tensor([ids])).logits[0]
        for role in ("base", "expert", "anti_expert")
    ]
    for name, weights in {"ensemble": (1, ALPHA, -ALPHA), "ensemble@0.5": (1, 0.5, -0.5), "expert": (0, 1, 0)}.items():
        mixed = combine(*logits, torch.tensor([weights] * len(ids), dtype=torch.float32)).log_softmax(-1)
        expected = [float(mixed[at, ids[at + 1]]) for at in range(len(ids) - 1)]
        answer = client.completions.create(
            model=name, prompt=[ids], max_tokens=1, logprobs=1, echo=True, temperature=0, seed=1234
        )
        found = answer.choices[0].logprobs
        assert found is not None
        assert found.token_logprobs is not None
        assert found.top_logprobs is not None
        assert found.token_logprobs[0] is None
        assert found.token_logprobs[1:-1] == pytest.approx(expected, abs=1e-4)
        assert found.token_logprobs[-1] == max(found.top_logprobs[-1].values())


def test_single_models_answer_by_name(client: openai.OpenAI) -> None:
    answers = {
        name: client.completions.create(model=name, prompt="fever", max_tokens=12, temperature=0).choices[0].text
        for name in ("base", "ensemble@0", "ensemble", "expert", "anti_expert")
    }
    assert answers["base"] == answers["ensemble@0"]
    assert len(set(answers.values())) == 4


def test_an_unknown_model_is_404(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="there are: ensemble") as refused:
        client.completions.create(model="gpt-4", prompt="a")
    assert refused.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": -1}, "temperature"),
        ({"logit_bias": {"999999": 1}}, "logit_bias"),
        ({"extra_body": {"temprature": 1}}, "temprature"),
        ({"extra_body": {"proxy": {"alpha": 1_000}}}, "proxy.alpha"),
        ({"extra_body": {"prompt_logprobs": 1}}, "prompt_logprobs"),
        ({"max_tokens": 1_000}, "prompt"),
        ({"prompt": [999_999]}, "prompt"),
        ({"prompt": ""}, "prompt"),
    ],
)
def test_bad_parameters_are_400_and_named(client: openai.OpenAI, fields: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(**{"model": "ensemble", "prompt": "a"} | fields)
    assert refused.value.param == param


def test_the_key_is_needed_but_for_health(address: str) -> None:
    stranger = openai.OpenAI(base_url=address, api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError, match="API key"):
        stranger.completions.create(model="ensemble", prompt="a")
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()
    with urllib.request.urlopen(address.removesuffix("/v1") + "/health", timeout=10) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(address.removesuffix("/v1") + "/tokenize", data=b'{"prompt": "a"}', timeout=10)


def test_tokens_round_trip(client: openai.OpenAI, address: str) -> None:
    root = openai.OpenAI(base_url=address.removesuffix("/v1"), api_key=KEY)
    tokens = root.post("/tokenize", body={"prompt": "患者 fever"}, cast_to=object)
    text = root.post("/detokenize", body={"tokens": tokens["tokens"]}, cast_to=object)  # type: ignore[index]
    assert text == {"prompt": "患者 fever"}


def _raw(address: str, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any, Any]:
    """(status, headers, JSON or lines of a stream), without a client that forgives."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(address.removesuffix("/v1") + path, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            text, status, found = answer.read().decode(), answer.status, answer.headers
    except urllib.error.HTTPError as error:
        text, status, found = error.read().decode(), error.code, error.headers
    if found["content-type"].startswith("application/json"):
        return status, found, json.loads(text)
    return status, found, text


def _chunks(stream: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in stream.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_bodies_are_of_the_types_of_the_openai_package(address: str) -> None:
    sampled = {"max_tokens": 8, "seed": 3, "n": 2, "presence_penalty": 0.5, "logit_bias": {"7": 2}, "ignore_eos": True}
    sampled |= {"proxy": {"alpha": 0.7, "attribution": True}}
    complete = sampled | {"prompt": ["fever", "发热"], "logprobs": 2}
    chat = sampled | {"messages": [{"role": "user", "content": "发热?"}], "logprobs": True, "top_logprobs": 2}
    streamed = {"stream": True, "stream_options": {"include_usage": True}}
    for path, ask, whole_type, chunk_type in (
        ("/v1/completions", complete, types.Completion, types.Completion),
        ("/v1/chat/completions", chat, types.chat.ChatCompletion, types.chat.ChatCompletionChunk),
    ):
        status, _, whole = _raw(address, path, ask)
        assert status == 200, whole
        whole_type.model_validate(whole, strict=True)
        assert whole["proxy"] == {"alpha": 0.7}
        chunks = _chunks(_raw(address, path, ask | streamed)[2])
        for chunk in chunks:
            typed = copy.deepcopy(chunk)
            for part in typed["choices"] if chunk_type is types.Completion else []:
                part["finish_reason"] = part["finish_reason"] or "stop"  # OpenAI sends null, and its type forbids it
            chunk_type.model_validate(typed, strict=True)
            assert chunk["proxy"] == {"alpha": 0.7}
        assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
        assert chunks[-1]["usage"] == whole["usage"]
        for choice in whole["choices"]:
            own = [part for chunk in chunks for part in chunk["choices"] if part["index"] == choice["index"]]
            text = "".join(part.get("text") or part.get("delta", {}).get("content", "") for part in own)
            assert text == (choice["text"] if "text" in choice else choice["message"]["content"])
            sources = [entry for part in own for entry in part.get("proxy", {}).get("attribution", [])]
            assert [entry["token_id"] for entry in sources] == [
                entry["token_id"] for entry in choice["proxy"]["attribution"]
            ]
            assert len(sources) == 8


def test_a_tokenizer_over_http_needs_no_weights(address: str, models: dict[str, Path]) -> None:
    """What lm-eval's remote tokenizer asks for: special tokens as strings, and ids without added ones."""
    tokenizer = AutoTokenizer.from_pretrained(models["base"])
    _, _, info = _raw(address, "/tokenizer_info")
    assert info["eos_token"] == tokenizer.eos_token
    assert {"bos_token", "pad_token", "chat_template", "tokenizer_class", "vocab_size"} <= set(info)
    _, _, found = _raw(address, "/tokenize", {"prompt": info["eos_token"], "add_special_tokens": False})
    assert found["tokens"] == [tokenizer.eos_token_id]
    _, _, strings = _raw(address, "/tokenize", {"prompt": "fever 发热", "return_token_strs": True, "model": "base"})
    assert len(strings["token_strs"]) == strings["count"] == len(strings["tokens"])
    assert _raw(address, "/detokenize", {"tokens": strings["tokens"]})[2] == {"prompt": "fever 发热"}


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "param"),
    [
        ("/v1/nothing", {}, 404, None, None),
        ("/v1/completions", None, 405, None, None),
        ("/v1/completions", {"prompt": "x" * 10_000_000}, 413, "request_too_large", None),
        ("/v1/completions", {"prompt": "x" * 1_000_000}, 400, "context_length_exceeded", "prompt"),
        ("/v1/completions", {"prompt": ["a"], "prompts": 1}, 400, "unknown_parameter", "prompts"),
        ("/v1/completions", {}, 400, None, "prompt"),
        ("/v1/completions", {"prompt": "\ud800"}, 400, None, "prompt"),
        ("/v1/completions", [], 400, None, None),
        ("/v1/chat/completions", {"messages": [{"role": "tool", "content": "a"}]}, 400, None, "messages"),
        ("/v1/chat/completions", {"messages": [], "n": 1}, 400, None, "messages"),
        ("/tokenize", {"prompt": "a", "text": "b"}, 400, None, "text"),
        ("/detokenize", {"tokens": [999_999]}, 400, None, "tokens"),
    ],
)
def test_every_refusal_is_openais(address: str, path: str, body: Any, status: int, code: str, param: str) -> None:
    found, _, answer = _raw(address, path, body)
    assert (found, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert len(answer["error"]["message"]) < 500


def test_a_key_has_its_quota_and_its_line_in_the_log(
    address: str, client: openai.OpenAI, finished: tuple[Store, Manifest]
) -> None:
    ask = {"prompt": "Frau Muster", "max_tokens": 3, "seed": 1}
    assert [_raw(address, "/v1/completions", ask, WARD_KEY)[0] for _ in range(2)] == [200, 200]
    status, headers, body = _raw(address, "/v1/completions", ask, WARD_KEY)
    assert (status, body["error"]["type"], body["error"]["code"]) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert 1 <= int(headers["Retry-After"]) <= 30
    client.completions.create(model="ensemble", prompt="a", max_tokens=1)  # the other key has none
    [file] = Path(finished[1].settings["audit_log"]).iterdir()
    text = file.read_text()
    assert "Muster" not in text
    assert WARD_KEY not in text
    lines = [one for one in map(json.loads, text.splitlines()) if one["key"] == "ward"]
    assert [one["status"] for one in lines] == [200, 200, 429]
    assert len({one["prompt_sha256"][0] for one in lines}) == 1
    assert (lines[0]["alpha"], lines[0]["model"], lines[0]["completion_tokens"]) == (ALPHA, "ensemble", 3)
    assert 'status="429"' in _raw(address, "/metrics")[2]


def test_what_is_refused_unread_has_its_line_in_the_log_too(address: str, finished: tuple[Store, Manifest]) -> None:
    [file] = Path(finished[1].settings["audit_log"]).iterdir()
    before = len(file.read_text().splitlines())
    _raw(address, "/v1/models", key="wrong")
    _raw(address, "/v1/completions", {"prompt": "x" * 10_000_000})
    _raw(address, "/v1/chat/completions", {"messages": [{"role": "Muster", "content": "a"}]}, WARD_KEY)
    _raw(address, "/detokenize", {"tokens": [999_999]}, WARD_KEY)
    _raw(address, "/v1/Muster", {}, WARD_KEY)
    lines = [json.loads(line) for line in file.read_text().splitlines()[before:]]
    assert [(line["route"], line["status"]) for line in lines] == [
        ("models", 401), ("completions", 413), ("chat/completions", 400), ("detokenize", 400), ("unknown", 404)
    ]  # fmt: skip
    assert [line["key"] for line in lines] == [None, "default", "ward", "ward", "ward"]
    assert "Muster" not in file.read_text()
    metrics = _raw(address, "/metrics")[2]
    assert 'route="models",model="",status="401"' in metrics
    assert 'route="unknown",model="",status="404"' in metrics


def test_user_config_changes_alpha_without_a_restart(
    ray_session: None, address: str, finished: tuple[Store, Manifest]
) -> None:
    """Beside the endpoint that runs, from a Serve file as `serve deploy` takes it."""
    store, made = finished
    [file] = made.extra
    document = yaml.safe_load(Path(store.path("ensemble", "f" * 16, file.path)).read_text())
    [application] = document["applications"]
    application |= {"name": "live", "route_prefix": "/live"}
    application["args"] |= {"audit_log": None, "quotas": {}}  # its builder has the key file, and not this environment
    found = []
    try:
        for alpha in (0.25, 0.75):
            by_language = {"zh": alpha / 2}
            user_config = {"alpha": alpha, "alpha_by_language": by_language}
            application["deployments"] = [{"name": "Endpoint", "user_config": user_config}]
            _get_global_client().deploy_apps(ServeDeploySchema.model_validate({"applications": [application]}))
            base = address.partition("/v1")[0].rpartition(":")
            port = base[2].partition("/")[0]
            live, deadline = f"http://127.0.0.1:{port}/live/v1", time.monotonic() + 60
            while time.monotonic() < deadline:
                status, _, listed = _raw(live, "/v1/models", key=WARD_KEY)
                if status == 200 and listed["data"][0]["alpha"] == alpha:
                    break
                time.sleep(0.2)
            assert listed["data"][0]["alpha_by_language"] == by_language
            asked = {"prompt": ["患者发热三天,伴有咳嗽。", "12"], "max_tokens": 1}
            assert _raw(live, "/v1/completions", asked, WARD_KEY)[2]["proxy"] == {
                "by_prompt": [{"alpha": alpha / 2, "language": "zh"}, {"alpha": alpha}]
            }
            assert _raw(live, "/health", key="wrong")[0] == 200
            assert _raw(live, "/v1/models", key="wrong")[0] == 401
            metrics = _raw(live, "/metrics", key=WARD_KEY)[2]
            found.append((listed["data"][0]["alpha"], metrics.partition('replica="')[2].partition('"')[0]))
    finally:
        serve.delete("live")
    assert [alpha for alpha, _ in found] == [0.25, 0.75]
    assert found[0][1] == found[1][1] != ""


def test_who_hangs_up_frees_the_slots(client: openai.OpenAI) -> None:
    for _ in range(8):  # twice the slots
        stream = client.completions.create(
            model="ensemble", prompt="a", max_tokens=250, stream=True, extra_body={"ignore_eos": True}
        )
        next(iter(stream))
        stream.close()
    assert client.completions.create(model="ensemble", prompt="a", max_tokens=2, timeout=20).choices[0].finish_reason


def test_the_serve_file_says_what_runs(finished: tuple[Store, Manifest]) -> None:
    store, made = finished
    [file] = made.extra
    document = yaml.safe_load(Path(store.path("ensemble", "f" * 16, file.path)).read_text())
    [application] = document["applications"]
    assert file.path == "serve/serve.yaml"
    assert application["import_path"] == "apollo_ray.serve.app:build"
    assert application["args"]["expert"] == model_reference(store, "tuned", "b" * 16)
    assert Path(resolve_model(application["args"]["expert"]), "config.json").exists()
    with pytest.raises(UserError, match="no such finished step"):
        resolve_model(model_reference(store, "tuned", "c" * 16))


def test_an_unrelated_anti_expert_must_be_accepted(models: dict[str, Path], tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    files = store.upload(models["expert"], "tuned/" + "b" * 16, "model")
    tuned = _manifest("tuned", "train", "b" * 16, extra=files, settings={"start": "small"}, inputs={"small": "a" * 16})
    values = {"base": str(models["base"]), "expert": "tuned", "anti_expert": str(models["anti_expert"])}
    said: list[str] = []
    refused = _context(store, StageSettings(**values, max_length=256), {"tuned": tuned}, said)
    with pytest.raises(UserError, match=r"started from 'small'.*unrelated_anti_expert: accept"):
        stage.run(refused)
    settings = StageSettings(**values, max_length=256, unrelated_anti_expert="accept")
    [warning] = stage.run(_context(store, settings, {"tuned": tuned}, said)).summary["warnings"]
    assert "started from 'small'" in warning
    assert any(warning in line for line in said)


def test_models_without_lineage_are_served_with_a_warning(models: dict[str, Path], tmp_path: Path) -> None:
    """And alphas from a file go into the Serve file."""
    alphas = tmp_path / "alphas.json"
    alphas.write_text('{"alpha": 0.5, "alpha_by_language": {"hi": 0.25}}')
    folders = {role: str(folder) for role, folder in models.items()}
    store = Store(str(tmp_path / "store"))
    made = _finished(_context(store, StageSettings(**folders, max_length=256, alphas=str(alphas)), {}, []))
    [warning] = made.summary["warnings"]
    assert "does not tell what it was trained from" in warning
    document = yaml.safe_load(Path(store.path("ensemble", "f" * 16, made.extra[0].path)).read_text())
    args = document["applications"][0]["args"]
    assert (args["alpha"], args["alpha_by_language"]) == (0.5, {"hi": 0.25})
    assert (made.summary["alpha"], made.summary["alpha_by_language"]) == (0.5, {"hi": 0.25})


def test_models_that_do_not_fit_stop_the_step(models: dict[str, Path], tmp_path: Path) -> None:
    other = _model(tmp_path / "other", 3, 32, train_bpe(["abc xyz"] * 4, 300))
    settings = StageSettings(
        base=str(models["base"]), expert=str(other), anti_expert=str(models["anti_expert"]), max_length=256
    )
    with pytest.raises(UserError, match="expert: id"):
        stage.run(_context(Store(str(tmp_path / "store")), settings, {}, []))


def test_a_deployment_that_fails_says_why(
    ray_session: None, address: str, finished: tuple[Store, Manifest], tmp_path: Path
) -> None:
    """Beside the endpoint that runs: a base whose weights are gone."""
    store, made = finished
    settings = made.settings | {"base": str(tmp_path / "gone"), "expert": None, "anti_expert": None}
    summary = made.summary | {"models": {"base": {"path": str(tmp_path / "gone"), "id": "gone"}}}
    broken = _manifest("broken", "serve", "e" * 16, settings=settings, summary=summary)
    with pytest.raises(ServiceError, match="gone"), stage.running(store, broken, lambda _: None):
        pass
    assert list(serve.status().applications) == ["ensemble-" + "f" * 16]
