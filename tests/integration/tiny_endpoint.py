"""An endpoint of three tiny models with random weights, on the Ray of the test session."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import torch
from ray import serve
from ray.serve.context import _get_global_client
from ray.util.state import list_actors
from transformers import Qwen2Config, Qwen2ForCausalLM

from apollo_ray.serve.app import build
from apollo_ray.serve.settings import EndpointSettings
from apollo_ray.tokenizer.bpe import train_bpe


def tiny_settings(folder: Path, **changes: Any) -> EndpointSettings:
    """Settings of an endpoint whose models are made in `folder`."""
    torch.set_num_threads(1)
    tokenizer = train_bpe(["The patient has had a fever for three days.", "患者发热三天,伴有咳嗽。"] * 4, 320)
    for seed, role in enumerate(("base", "expert", "anti_expert")):
        torch.manual_seed(seed)
        config = Qwen2Config(
            vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.3,
            eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        Qwen2ForCausalLM(config).save_pretrained(folder / role)
        tokenizer.save_pretrained(folder / role)
    roles = {role: str(folder / role) for role in ("base", "expert", "anti_expert")}
    return EndpointSettings(**roles, max_length=512, cpus_per_replica=0.3, **changes)


@contextmanager
def deployed(app: str, settings: EndpointSettings, free_port: Callable[[], int]) -> Iterator[str]:
    """Address of the application, which ends in /v1."""
    started = _get_global_client(raise_if_no_controller_running=False) is None
    if started:
        serve.start(http_options={"host": "127.0.0.1", "port": free_port()})
    client = _get_global_client()
    serve.run(build(settings), name=app, route_prefix=f"/{app}")
    yield f"http://127.0.0.1:{client.http_config.port}/{app}/v1"
    serve.delete(app)
    if started:
        serve.shutdown()


def replicas(dashboard: str, app: str) -> dict[int, str]:
    """pid -> actor id of an application's replicas that are alive."""
    found = list_actors(address=dashboard, filters=[("state", "=", "ALIVE")], limit=1000)
    return {actor.pid: actor.actor_id for actor in found if actor.class_name == f"ServeReplica:{app}:Endpoint"}


def ask(client: openai.OpenAI, seed: int, tokens: int = 12) -> str:
    """An answer that depends on the seed alone."""
    answer = client.completions.create(
        model="ensemble", prompt="fever", max_tokens=tokens, temperature=1, seed=seed, extra_body={"ignore_eos": True}
    )
    assert answer.choices[0].finish_reason == "length"
    return answer.choices[0].text
