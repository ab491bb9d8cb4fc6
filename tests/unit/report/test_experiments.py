"""Experiments, lineage and cards of a report: what is told of which step."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mlcroissant
import pyarrow as pa
import pytest

from apollo_ray.planning import PlannedStep
from apollo_ray.records import DOCUMENT
from apollo_ray.report import page
from apollo_ray.report.collect import collect
from apollo_ray.report.croissant import as_json, croissant
from apollo_ray.report.experiment_plots import differences
from apollo_ray.report.lineage import models_of
from apollo_ray.store import Counts, Store, step_directory

Finish = Callable[..., PlannedStep]
HOSTILE = "<script>alert('x')</script>"


def row(
    arm: str, lang: str | None, value: float, away: tuple[float, float, float] | None, **more: Any
) -> dict[str, Any]:
    names = ("difference", "difference_low", "difference_high")
    return {
        "arm": arm,
        "against": "all" if away else None,
        "benchmark": "qa",
        "method": "perplexity",
        "measure": "nats",
        "lang": lang,
        "items": 12,
        "value": value,
        "low": value - 0.5,
        "high": value + 0.5,
        **dict(zip(names, away or (None,) * 3, strict=True)),
    } | more


ROWS = [
    row("all", "en", 5.0, None),
    row("all", "ar", 6.0, None),
    row("all", None, 5.5, None),
    row("only", "en", 4.75, (-0.25, -0.4, -0.1)),
    row("only", "ar", 6.5, (0.5, 0.25, 0.75)),
    row("only", None, 5.625, (0.125, -0.05, 0.3)),
    row("all", "en", 0.25, None, measure="accuracy", method="loglikelihood", low=0.1, high=0.4),
    row("only", "en", 0.5, (0.25, 0.05, 0.45), measure="accuracy", method="loglikelihood", low=0.3, high=0.7),
]
SUMMARY: dict[str, Any] = {
    "question": "Does one language do?",
    "limits": "Models of this size know nothing.",
    "arms": [
        {"name": "all", "scores": "scores", "model": "all-model"},
        {"name": "only", "scores": "scores", "model": "only-model"},
    ],
    "rows": ROWS,
}


@pytest.fixture
def compared(finish: Finish) -> list[PlannedStep]:
    return [
        finish("all-model", "train", Counts("sequence", 9, 9), {"tokens": 1000, "parameters": 4321}),
        finish("only-model", "train", Counts("sequence", 9, 9), {"tokens": 1020, "parameters": 4321}),
        finish("scores", "evaluate", Counts("answer", 24, 24), {}),
        finish("table", "compare", Counts("arm", 2, 2), SUMMARY),
    ]


def rows_of(html: str) -> list[list[str]]:
    from .test_page import Page

    return Page(html).rows


def test_an_experiment_is_a_table_with_differences_and_their_intervals(
    store: Store, compared: list[PlannedStep]
) -> None:
    rows = rows_of(page.render(collect(store, "r", compared)))
    for expected in (
        ["all", "-", "4,321", "1,000", "5.500", "5.000 to 6.000", "-", "-", "-"],
        [
            "only",
            "all",
            "4,321",
            "1,020",
            "5.625",
            "5.125 to 6.125",
            "+0.125",
            "\u22120.050 to +0.300",
            "not told apart",
        ],
        ["only", "en", "12", "4.750", "4.250 to 5.250", "\u22120.250", "\u22120.400 to \u22120.100", "better"],
        ["only", "ar", "12", "6.500", "6.000 to 7.000", "+0.500", "+0.250 to +0.750", "worse"],
        ["only", "all", "4,321", "1,020", "50.0", "30.0 to 70.0", "+25.0", "+5.0 to +45.0", "better"],
    ):
        assert expected in rows


def test_an_experiment_says_its_question_its_limits_and_what_came_out(
    store: Store, compared: list[PlannedStep]
) -> None:
    from .test_page import Page

    found = collect(store, "r", compared).experiments[0]
    assert found.outcomes[0].counted == {"better": 1, "worse": 1, "not told apart": 0}
    assert found.spread == pytest.approx(0.02)
    assert collect(store, "r", compared).verdict[2] == (
        "Does one language do? qa (nats per token): of 2 differences in single languages 1 better, 1 worse; "
        "qa (accuracy, loglikelihood): of 1 differences in single languages 1 better, 0 worse."
    )
    said = Page(page.render(collect(store, "r", compared))).sections["experiments"]
    assert "Does one language do?" in said
    assert "Models of this size know nothing." in said
    assert "1 are better and 1 worse" in said
    assert "differ by 2.0 % at most" in said


def test_a_chart_has_a_panel_a_language_and_none_without_differences(store: Store, compared: list[PlannedStep]) -> None:
    nats, accuracy = collect(store, "r", compared).experiments[0].outcomes
    drawn = differences(nats, "k")
    assert drawn is not None
    assert all(f">{text}<" in drawn for text in ("en", "ar", "mean", "only"))
    assert "left is better" in drawn
    alone = replace(nats, cells={key: cell for key, cell in nats.cells.items() if key[0] == "all"})
    assert differences(alone, "k") is None
    shown = differences(accuracy, "k")
    assert shown is not None
    assert "right is better" in shown


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"rows": None, "arms": 3},
        {"rows": [{"arm": "a"}, None, {"arm": "a", "measure": "nats", "value": "x"}], "arms": [{}]},
        {"rows": [{"arm": "a", "measure": "nats", "value": 1.0, "lang": "en"}], "arms": [{"name": "a"}]},
    ],
)
def test_a_summary_of_another_version_is_no_failure(store: Store, finish: Finish, broken: dict[str, Any]) -> None:
    html = page.render(collect(store, "r", [finish("table", "compare", Counts("arm", 0, 0), broken)]))
    assert 'id="experiments"' in html


def test_words_of_an_experiment_are_escaped(store: Store, finish: Finish) -> None:
    rows = [one | {"arm": HOSTILE, "benchmark": HOSTILE, "lang": HOSTILE, "method": HOSTILE} for one in ROWS[:1]]
    arms = [{"name": HOSTILE, "scores": HOSTILE, "model": HOSTILE}]
    summary = {"question": HOSTILE, "limits": HOSTILE, "arms": arms, "rows": rows}
    html = page.render(collect(store, "r", [finish("table", "compare", Counts("arm", 1, 1), summary)]))
    assert "<script" not in html


def test_models_of_an_endpoint_lead_to_its_parts(finish: Finish) -> None:
    def made(name: str, stage: str, settings: dict[str, Any] | None = None) -> Any:
        return finish(name, stage, Counts("row", 1, 1), {}, settings=settings).manifest

    roles = {"base": "large", "expert": "tuned", "anti_expert": "small"}
    known = {name: made(name, "train") for name in roles.values()} | {"served": made("served", "serve", roles)}
    scores = made("scores", "evaluate", {"endpoint": "served"})
    assert models_of("expert", scores, known) == ("tuned",)
    assert models_of("ensemble@0.5", scores, known) == ("large", "tuned", "small")
    assert models_of("large", made("local", "evaluate"), known) == ("large",)
    here = {"endpoint": None, "models": [{"name": "one", "model": "large"}, {"name": "mix", "alpha": 0.5, **roles}]}
    assert models_of("one", made("here", "evaluate", here), known) == ("large",)
    assert models_of("mix", made("here", "evaluate", here), known) == ("large", "tuned", "small")
    assert models_of("unknown", made("other", "evaluate"), known) == ()
    assert models_of("expert", None, known) == ()


def test_lineage_goes_from_a_score_to_the_files(store: Store, finish: Finish) -> None:
    from .test_page import Page

    def read(step: PlannedStep, needs: tuple[str, ...], inputs: dict[str, str]) -> PlannedStep:
        assert step.manifest is not None
        return replace(step, steps=needs, manifest=replace(step.manifest, inputs=inputs))

    corpus = read(
        finish("documents", "corpus", Counts("row", 10, 7, {"too_short": 3}), {}),
        (),
        {"s3://raw/*.jsonl": "d" * 16, "/usr/lib/site-packages/apollo_ray/rewrite/prompts": "e" * 16},
    )
    model = read(
        finish("model", "train", Counts("sequence", 5, 5), {"parameters": 99, "steps": 3, "tokens": 1234}),
        ("documents",),
        {"documents": corpus.fingerprint},
    )
    scores = read(
        finish("scores", "evaluate", Counts("answer", 8, 8), {}),
        ("model", "documents"),
        {"model": model.fingerprint, "documents": corpus.fingerprint},
    )
    report = collect(store, "r", [corpus, model, scores])
    (tree,) = report.lineage
    assert (tree.name, [child.name for child in tree.children]) == ("scores", ["model", "documents"])
    through, again = tree.children
    assert through.told == "99 parameters, 3 optimizer steps, 1,234 tokens"
    assert through.children[0].told == "7 of 10 rows"
    assert [source.name for source in through.children[0].sources] == ["s3://raw/*.jsonl", "apollo_ray/rewrite/prompts"]
    assert again.above
    assert not again.sources
    said = Page(page.render(report)).sections["lineage"]
    for word in (corpus.fingerprint, model.fingerprint, scores.fingerprint, "s3://raw/*.jsonl", "d" * 16, "(as above)"):
        assert word in said


def test_cards_say_where_text_comes_from_and_what_was_done_to_it(store: Store, finish: Finish) -> None:
    sources = [{"name": "shelf", "path": "s3://raw/*.jsonl", "license": "CC-BY-4.0"}, {"name": "web", "path": "x"}]
    steps = [
        finish(
            "documents",
            "corpus",
            Counts("row", 10, 7, {"too_short": 3}),
            {
                "by_source": {"shelf": {"kept": 7, "too_short": 3}},
                "personal": {"en": {"NAME": 41, "DATE": 2}},
                "leaks": {"exam": {"consecutive_64": 5}},
            },
            settings={
                "sources": sources,
                "deidentify": {"model": "some/model"},
                "decontaminate": {"benchmarks": [{"name": "exam", "path": "p"}]},
            },
        ),
        finish("plain", "corpus", Counts("row", 1, 1), {}, settings={"sources": [], "deidentify": False}),
        finish("qa", "rewrite", Counts("passage", 5, 5), {"engine": "template"}),
        finish(
            "mix", "mix", Counts("example", 5, 5), {"by_license": {"CC-BY-4.0": 6, "MIT": 1}, "by_language": {"en": 77}}
        ),
        finish(
            "expert",
            "train",
            Counts("sequence", 2, 2),
            {"parameters": 99, "tokens": 154, "final_loss": 2.5},
            settings={"data": "mix", "start": "some/model", "epochs": 2, "seed": 7, "lora": {"rank": 16}},
        ),
        finish(
            "served", "serve", Counts("model", 3, 3), {}, settings={"expert": "expert", "base": "b", "anti_expert": "a"}
        ),
        finish(
            "scores", "evaluate", Counts("answer", 1, 1), {}, settings={"benchmarks": [{"name": "exam", "path": "p"}]}
        ),
    ]
    rows = rows_of(page.render(collect(store, "r", steps)))
    for expected in (
        ["documents", "shelf", "s3://raw/*.jsonl", "CC-BY-4.0", "10", "7"],
        ["documents", "web", "x", "as each row states", "0", "0"],
        ["documents", "corpus", "rules and some/model", "43", "exam", "5"],
        ["plain", "corpus", "switched off", "-", "none", "-"],
        ["qa", "rewrite", "not by this step; its passages were", "-", "none", "-"],
    ):
        assert expected in rows
    card = next(found for found in rows if found[:2] == ["expert", "some/model"])
    assert card[3:5] == ["99", "mix"]
    assert card[5:] == ["154", "en 77", "epochs 2, seed 7, LoRA of rank 16", "2.5000", "expert of served"]
    report = collect(store, "r", steps)
    assert report.data_card.written == ("qa: the passage itself, by patterns",)
    assert report.model_card.benchmarks == ("exam",)


def document(number: int) -> dict[str, Any]:
    text = {"text": f"text {number}", "lang": "en", "kind": "book", "source": "shelf", "license": "MIT", "uri": "u"}
    return {"id": f"{number:016x}", "lang_score": 1.0, "lang_margin": 1.0, "position": number, **text}


@pytest.mark.parametrize("parts", [1, 3])
def test_croissant_leads_a_reader_to_every_row(store: Store, finish: Finish, parts: int, tmp_path: Any) -> None:
    step = finish("documents", "corpus", Counts("row", parts, parts), {}, settings={"rows": "document"})
    assert step.manifest is not None
    directory = step_directory("documents", step.fingerprint)
    data = [
        store.write_table(f"{directory}/data", pa.Table.from_pylist([document(number)], schema=DOCUMENT))
        for number in range(parts)
    ]
    step = replace(step, manifest=replace(step.manifest, data=data))
    metadata = croissant(collect(store, "r", [step]), store)
    assert [item["sha256"] for item in metadata["distribution"] if "sha256" in item] == [entry.sha256 for entry in data]
    file = tmp_path / "r.croissant.json"
    file.write_bytes(as_json(metadata))
    dataset = mlcroissant.Dataset(str(file))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    found = [
        row[f"{records['@id']}/text"] for records in metadata["recordSet"] for row in dataset.records(records["@id"])
    ]
    assert found == [f"text {number}".encode() for number in range(parts)]


def test_croissant_lies_beside_the_page(store: Store, steps: list[PlannedStep], tmp_path: Any) -> None:
    page.write(store, "starter", steps, None)
    kept = store.read(store.path("reports", "starter.croissant.json"))
    assert kept is not None
    page.write(store, "starter", steps, str(tmp_path / "local.html"))
    assert json.loads((tmp_path / "local.croissant.json").read_bytes()) == json.loads(kept)
