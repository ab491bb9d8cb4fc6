import json
from typing import Any

import pytest

from apollo_ray.config import parse
from apollo_ray.corpus.dedup import duplicate_key, later_copies
from apollo_ray.corpus.rows import prepare, prepared_schema
from apollo_ray.corpus.settings import Source, StageSettings
from apollo_ray.corpus.sources import RAW, read_rows, tables
from apollo_ray.errors import UserError
from apollo_ray.text import tag_language

LONG = {
    "en": "The patient should drink plenty of water and rest for several days until the fever has gone down. " * 3,
    "es": "El paciente debe beber mucha agua y descansar durante varios días hasta que baje la fiebre. " * 3,
    "fr": "Le patient doit boire beaucoup d'eau et se reposer plusieurs jours jusqu'à la fin de la fièvre. " * 3,
    "hi": "मरीज़ को खूब पानी पीना चाहिए और बुखार उतरने तक कई दिनों तक आराम करना चाहिए। " * 4,
    "ar": "يجب على المريض شرب الكثير من الماء والراحة عدة أيام حتى تنخفض الحرارة. " * 4,
    "zh": "患者应多喝水，休息数天，直到体温恢复正常为止，必要时及时就医。" * 4,
    "pt": "O paciente deve beber bastante água e descansar durante vários dias até que a febre não volte mais. " * 3,
    "ur": "مریض کو چاہیے کہ وہ زیادہ پانی پیے اور بخار اترنے تک کئی دن آرام کرے۔ ڈاکٹر سے مشورہ کریں۔ " * 4,
}


def settings(**changes: Any) -> StageSettings:
    return parse(StageSettings, {"sources": [{"name": "s", "path": "p.jsonl"}]} | changes, where="test")


def prepared(lines: list[dict], **changes: Any) -> list[dict]:
    import io

    chosen = settings(**changes)
    data = "\n".join(json.dumps(row, ensure_ascii=False) for row in lines).encode()
    raw = list(tables(read_rows(io.BytesIO(data), "p.jsonl", "jsonl", chosen.rows), 1_000))
    assert raw[0].schema == RAW
    made = prepare(raw[0], chosen, chosen.sources[0], "p.jsonl")
    assert made.schema == prepared_schema(chosen.rows)
    return made.to_pylist()


@pytest.mark.parametrize("lang", ["en", "es", "fr", "hi", "ar", "zh"])
def test_six_languages_are_tagged_and_kept(lang: str) -> None:
    (row,) = prepared([{"text": LONG[lang]}])
    assert (row["lang"], row["reason"]) == (lang, None)


@pytest.mark.parametrize("lang", ["pt", "ur"])
def test_neighbours_of_the_six_are_refused_by_name(lang: str) -> None:
    (row,) = prepared([{"text": LONG[lang]}])
    assert (row["lang"], row["reason"]) == (lang, "other_language")
    assert lang in row["detail"]


def test_short_and_long_texts_are_refused_with_value_and_limit() -> None:
    short, long = prepared([{"text": "See above."}, {"text": LONG["en"] * 10}], max_characters=1_000)
    assert (short["reason"], long["reason"]) == ("too_short", "too_long")
    assert "10 characters, at least 200" in short["detail"]


def test_a_refused_row_keeps_where_it_came_from() -> None:
    rows = prepared([{"text": LONG["en"]}, {"nothing": 1}])
    assert [row["reason"] for row in rows] == [None, "no_text"]
    assert (rows[1]["uri"], rows[1]["position"], rows[1]["source"]) == ("p.jsonl", 1, "s")


def test_personal_data_leave_unless_told_otherwise() -> None:
    text = LONG["en"] + " Phone 555-0142."
    assert "[PHONE]" in prepared([{"text": text}])[0]["text"]
    assert "555-0142" in prepared([{"text": text}], deidentify=False)[0]["text"]


def test_a_conversation_whose_turn_is_only_markup_is_refused() -> None:
    (row,) = prepared([{"turns": [LONG["en"], "<br/>&nbsp;"]}], rows="conversation")
    assert row["reason"] == "too_short"


def test_language_tags_do_not_change_from_call_to_call() -> None:
    text = "Dolor, fiebre y tos"
    assert len({tag_language(text) for _ in range(20)}) == 1
    assert tag_language("慢性胃炎的病因是什么") == ("zh", 1.0)
    assert tag_language("12 + 30 = ?") == ("und", 0.0)


def test_copies_differ_only_in_case_space_and_punctuation() -> None:
    keys = [duplicate_key(text) for text in ("A fever, of 38.", "a  FEVER of 38", "A fever of 39")]
    assert later_copies(keys) == {1: 0}
    assert later_copies([None, "x", None, "x", "x"]) == {3: 1, 4: 1}


def test_settings_refuse_what_cannot_be() -> None:
    for wrong in ({"sources": []}, {"rows": "rows"}, {"min_language_score": 2}, {"sorces": []}):
        with pytest.raises(UserError):
            settings(**wrong)
    with pytest.raises(UserError, match="did you mean 'path'"):
        parse(Source, {"name": "s", "paths": "x"}, where="source")
