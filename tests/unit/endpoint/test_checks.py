"""`apollo doctor URL` against a stand-in: all is well where all is right, and each check sees its fault."""

import pytest

from apollo_ray.endpoint.checks import CHECKS, check_endpoint

from .stand_in import StandIn

NAMES = ["models", *(name for name, _, _ in CHECKS)]
FAULTS = {
    "no models": "models",
    "asks for a key": "models",
    "echo lacks a score": "echo",
    "first has a score": "echo",
    "more than 1": "probabilities",
    "rounds": "probabilities",
    "base scores prompts": "scores",
    "loses letters": "tokenizer",
    "tokenize adds": "tokenizer",
    "no end token": "tokenizer info",
    "alpha is ignored": "alpha 0",
    "attribution drifts": "attribution",
    "never ends": "end token",
    "keeps stops": "stop strings",
    "stream loses a piece": "streams",
    "stream has no usage": "streams",
    "broken characters": "characters",
    "seeds are ignored": "seeds",
    "one seed for all": "seeds",
    "cuts prompts": "long prompts",
    "ignores fields": "unknown fields",
    "any model": "unknown models",
    "errors are plain": "unknown models",
    "wrong key is 500": "wrong keys",
}


def test_an_endpoint_without_fault_passes_every_check() -> None:
    found = list(check_endpoint(StandIn()))
    assert [check.name for check in found] == NAMES
    assert {check.name: check.found for check in found if not check.passed} == {}


@pytest.mark.parametrize(("fault", "name"), FAULTS.items())
def test_each_fault_is_seen_and_says_what_helps(fault: str, name: str) -> None:
    failed = {check.name: check for check in check_endpoint(StandIn(fault)) if check.passed is False}
    assert name in failed
    assert failed[name].found
    assert failed[name].remedy
    assert len(failed) <= 3  # the fault, not the whole endpoint


def test_every_check_has_been_seen_to_fail() -> None:
    assert set(FAULTS.values()) == set(NAMES)


def test_what_a_stock_server_lacks_is_skipped_with_the_reason() -> None:
    found = {check.name: check for check in check_endpoint(StandIn(stock=True))}
    assert list(found) == NAMES
    skipped = {name for name, check in found.items() if check.passed is None}
    assert skipped == {
        "scores", "tokenizer", "tokenizer info", "alpha 0", "attribution", "end token", "stop strings", "characters",
        "long prompts", "unknown fields",
    }  # fmt: skip
    assert all(found[name].found for name in skipped)
    assert all(check.passed for name, check in found.items() if name not in skipped)


def test_an_open_endpoint_and_a_missing_model_are_told() -> None:
    found = {check.name: check for check in check_endpoint(StandIn("open"))}
    assert found["wrong keys"].passed is None
    assert "open to anybody" in found["wrong keys"].found
    [check] = check_endpoint(StandIn(), "gpt")
    assert check.passed is False
    assert "ensemble" in check.found
    assert "--model" in check.remedy


@pytest.mark.parametrize("model", ["ensemble@0.5", "base"])
def test_any_of_the_models_can_be_checked(model: str) -> None:
    found = {check.name: check for check in check_endpoint(StandIn(), model)}
    assert [name for name, check in found.items() if check.passed is False] == []
