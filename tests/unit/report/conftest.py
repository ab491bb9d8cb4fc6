"""A finished run made by hand: every stage once, numbers that no other place of the page shows."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest

from apollo_ray.config import Settings
from apollo_ray.planning import PlannedStep
from apollo_ray.records import TRAINING_STEP
from apollo_ray.store import Counts, FileEntry, Manifest, Store, fingerprint

HOSTILE = "<script>alert('x')</script>"
ARABIC = "ما هو داء السكري؟"
VERSIONS = {"apollo_ray": "0.1.0", "ray": "2.60.0"}

Finish = Callable[..., PlannedStep]


def planned(name: str, stage: str) -> PlannedStep:
    return PlannedStep(name, stage, Settings(), (), {}, fingerprint([name, stage]), None)


@pytest.fixture
def pending() -> Callable[[str, str], PlannedStep]:
    """A step that the runner has planned and not finished."""
    return planned


@pytest.fixture
def store(tmp_path: Any) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def finish(store: Store) -> Finish:
    """Writes a manifest (and rows) to the store; returns the step as the runner would plan it the next time."""
    return finisher(store)


@pytest.fixture
def steps(finish: Finish) -> list[PlannedStep]:
    return finished_run(finish)


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, list[PlannedStep]]:
    """`store` and `steps` for tests that only read them."""
    shared = Store(str(tmp_path_factory.mktemp("sample") / "store"))
    return shared, finished_run(finisher(shared))


def finisher(store: Store) -> Finish:
    def make(
        name: str,
        stage: str,
        counts: Counts,
        summary: dict[str, Any],
        rows: pa.Table | None = None,
        settings: dict[str, Any] | None = None,
    ) -> PlannedStep:
        step = planned(name, stage)
        data = [store.write_table(f"{name}/{step.fingerprint}/data", rows)] if rows is not None else []
        extra = [FileEntry("model/config.json", 0, 321, "0" * 64)]
        times = {"started": "2026-01-02T03:04:05.000+00:00", "ended": "2026-01-02T03:05:17.500+00:00"}
        store.finish(
            Manifest(
                name, stage, step.fingerprint, settings or {}, {}, counts, data, [], extra, summary, VERSIONS, **times
            )
        )
        return replace(step, manifest=store.manifest(name, step.fingerprint))

    return make


def perplexity_row(model: str, lang: str, value: float | None, tokens: int = 77) -> dict[str, Any]:
    return {"model": model, "benchmark": "qa", "lang": lang, "perplexity": value, "num_tokens": tokens}


def accuracy_row(model: str, lang: str, correct: int, total: int, low: float, high: float) -> dict[str, Any]:
    return {
        "model": model,
        "benchmark": "choice",
        "lang": lang,
        "method": "loglikelihood",
        "correct": correct,
        "total": total,
        "unparsed": 3,
        "refused": 5,
        "accuracy": correct / total,
        "low": low,
        "high": high,
    }


SCORES: dict[str, Any] = {
    "mode": "plain-questions",
    "macro_accuracy": [
        {"model": "ensemble", "benchmark": "choice", "method": "loglikelihood", "languages": 2, "accuracy": 0.4437}
    ],
    "perplexity": [
        perplexity_row("base", "en", 41.25),
        perplexity_row("ensemble", "en", 33.0),
        perplexity_row("expert", "en", 52.5),
        perplexity_row("anti_expert", "en", 91.75),
        perplexity_row("base", "ar", 20.0),
        perplexity_row("ensemble", "ar", 24.0),
        perplexity_row("base", "hi", 12.0, tokens=60),
        perplexity_row("ensemble", "hi", 6.0, tokens=61),
    ],
    "accuracy": [
        accuracy_row("base", "en", 15, 60, 0.158, 0.372),
        accuracy_row("ensemble", "en", 36, 60, 0.474, 0.714),
        accuracy_row("base", "ar", 20, 59, 0.231, 0.466),
        accuracy_row("ensemble", "ar", 17, 59, 0.188, 0.414),
        accuracy_row("base", "fr", 0, 8, 0.0, 0.3),
        accuracy_row("ensemble", "fr", 0, 8, 0.0, 0.3) | {"accuracy": None, "low": None, "high": None, "refused": 8},
    ],
    "answers": [
        {"model": "ensemble", "lang": "ar", "question": ARABIC, "text": HOSTILE},
        {"model": "base", "lang": "en", "question": "asked of the base", "text": "by the base alone"},
    ],
}


def training_rows(losses: list[float]) -> pa.Table:
    rows = [
        {"step": n, "loss": loss, "learning_rate": 1e-3, "gradient_norm": 1.0, "supervised_tokens": 9}
        for n, loss in enumerate(losses, 1)
    ]
    return pa.Table.from_pylist(rows, TRAINING_STEP)


def finished_run(finish: Finish) -> list[PlannedStep]:
    return [
        finish(
            "documents",
            "corpus",
            Counts("row", 1234, 1101, {"too_short": 101, "exact_duplicate": 32}),
            {
                "by_language": {
                    "ar": {"kept": 301, "too_short": 101},
                    "en": {"kept": 800, "exact_duplicate": 32},
                },
                "by_source": {"shelf": {"kept": 1101, "too_short": 101, "exact_duplicate": 32}},
            },
        ),
        finish(
            "qa",
            "rewrite",
            Counts("passage", 2200, 2101, {"no_pattern": 99}),
            {"by_language": {"en": {"kept": 2101, "no_pattern": 99}}, "documents": 1101, "engine": "template"},
        ),
        finish("tokenizer", "tokenizer", Counts("document", 1101, 1101), {}),
        finish(
            "mix",
            "mix",
            Counts("example", 2101, 2101),
            {
                "stream": {
                    "bins": 20,
                    "shares": {
                        "pretraining": [1 - n / 20 for n in range(20)],
                        "instruction": [n / 20 for n in range(20)],
                    },
                },
                "sequences": 654,
                "tokens": 334455,
                "supervised_tokens": 222333,
                "padding": 0.0123,
                "by_language": {"en": 300001, "ar": 34454},
                "by_class": {"pretraining": 1902, "instruction": 199},
            },
        ),
        finish(
            "expert",
            "train",
            Counts("sequence", 654, 654),
            {
                "parameters": 456789,
                "steps": 3,
                "tokens": 334455,
                "final_loss": 2.3456,
                "workers": 2,
                "zero_stage": 2,
                "resumed_from": 40,
            },
            training_rows([5.4321, 3.5, 2.3456]),
        ),
        finish(
            "ensemble",
            "serve",
            Counts("model", 3, 3),
            {"vocabulary": 4096, "alpha": 0.75, "models": {"expert": "a/b"}, "warnings": ["the vocabularies differ"]},
        ),
        finish("scores", "evaluate", Counts("answer", 300, 300), SCORES),
    ]
