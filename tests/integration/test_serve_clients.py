"""What people put before the served ensemble: `apollo doctor URL`, `apollo chat` and the page, on a real Ray Serve."""

import os
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from apollo_ray.cli import app
from apollo_ray.serve import stage
from apollo_ray.serve.app import API_KEY
from apollo_ray.serve.settings import StageSettings
from apollo_ray.store import Store
from apollo_ray.tokenizer.bpe import train_bpe

from .test_serve import _context, _finished, _model

KEY = "a key of the clients"
TEXTS = [
    "The patient has had a fever for three days.",
    "患者发热三天,伴有咳嗽。",
    "मरीज को तीन दिन से बुखार है।",
    "المريض يعاني من الحمى منذ ثلاثة أيام.",
    "El paciente tiene fiebre, le patient a de la fièvre.",
]


@pytest.fixture(scope="module")
def address(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An ensemble with alphas by language behind a key, at `http://host:port/v1`."""
    folder = tmp_path_factory.mktemp("models")
    tokenizer = train_bpe(TEXTS * 4, 420)
    sizes = {"base": (0, 48), "expert": (1, 32), "anti_expert": (2, 32)}
    models = {role: str(_model(folder / role, seed, size, tokenizer)) for role, (seed, size) in sizes.items()}
    settings = StageSettings(
        **models, alpha_by_language={"hi": 0.5, "en": 0.25}, max_length=512, slots=4, port=0, cpus_per_replica=0.5
    )
    store = Store(str(tmp_path_factory.mktemp("store")))
    os.environ[API_KEY] = KEY
    try:
        with stage.running(store, _finished(_context(store, settings, {}, [])), lambda _: None) as found:
            yield found
    finally:
        del os.environ[API_KEY]


def test_doctor_finds_the_endpoint_fit(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = CliRunner().invoke(app, ["doctor", address])
    print(found.output)
    assert found.exit_code == 0, found.output
    assert "FAIL" not in found.output
    assert "skip" not in found.output
    monkeypatch.setenv(API_KEY, "wrong")
    refused = CliRunner().invoke(app, ["doctor", address])
    assert refused.exit_code == 2
    assert "API key" in refused.output
