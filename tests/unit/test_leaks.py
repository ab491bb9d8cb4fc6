import json
from pathlib import Path

import pytest

from apollo_ray import leaks
from apollo_ray.config import parse
from apollo_ray.errors import UserError
from apollo_ray.leaks import OVERLAP, Decontamination, load_index

LONG = "Which enzyme is deficient in a newborn with musty odour, seizures and fair skin who was found by neonatal screening?"
SHORT = "Welches Vitamin fehlt bei der Seefahrerkrankheit Skorbut?"


def settings(folder: Path, **changes: object) -> Decontamination:
    return parse(Decontamination, {"benchmarks": [{"name": "exam", "path": f"{folder}/*"}]} | changes, where="test")


@pytest.fixture
def exam(tmp_path: Path) -> Path:
    rows = [{"id": "1", "lang": "en", "question": LONG}, {"id": "2", "lang": "de", "question": SHORT}]
    (tmp_path / "exam.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_json_lines_and_one_array_give_the_same_index(exam: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("array")
    rows = [json.loads(line) for line in (exam / "exam.jsonl").read_text().splitlines()]
    (other / "exam.json").write_text(json.dumps(rows))
    texts = [f"Q: {LONG} A: x", SHORT.upper(), "nothing of the kind"]
    found = [load_index(settings(folder), "steps.x").search(texts) for folder in (exam, other)]
    assert found[0] == found[1]
    assert [len(one) for one in found[0]] == [1, 1, 0]


def test_the_papers_mode_counts_its_own_rule_only(exam: Path) -> None:
    paper, strict = settings(exam, mode="paper"), settings(exam)
    counts = {
        mode.mode: [len(mode.refuses(one)) for one in load_index(mode, "steps.x").search([LONG, SHORT])]
        for mode in (paper, strict)
    }
    assert counts == {"paper": [1, 0], "strict": [1, 1]}
    every = load_index(strict, "steps.x").search([LONG, SHORT])
    assert [paper.refuses(one) for one in every] == load_index(paper, "steps.x").search([LONG, SHORT])


def test_reason_and_ledger_name_item_and_stretch(exam: Path) -> None:
    (overlaps,) = load_index(settings(exam), "steps.x").search([LONG])
    reason, detail = leaks.refusal(overlaps)
    assert reason == "leak_consecutive_64"
    assert "exam 1" in detail
    row = {"id": "r", "uri": "f", "position": 3, "lang": "en", "source": "s", "overlaps": leaks.listed(overlaps)}
    table = leaks.ledger_table(leaks.ledger([row, row | {"overlaps": None}]))
    assert table.schema == OVERLAP
    (line,) = table.to_pylist()
    assert (line["benchmark"], line["item"], line["position"]) == ("exam", "1", 3)
    assert leaks.tally(table) == {"exam": {"consecutive_64": 1}}


def test_an_exam_that_cannot_be_read_stops_the_step(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"question": "a')
    with pytest.raises(UserError, match=r"broken\.jsonl"):
        load_index(settings(tmp_path), "steps.x")
    (tmp_path / "broken.jsonl").write_text('{"text": "no question here"}')
    with pytest.raises(UserError, match=r"steps\.x\.decontaminate.*question"):
        load_index(settings(tmp_path), "steps.x")
