import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.config import parse
from apollo_ray.corpus.parse import rows_of
from apollo_ray.corpus.rows import ROWS_AT_ONCE, Tools, prepare, prepared_schema
from apollo_ray.corpus.settings import Source, StageSettings
from apollo_ray.corpus.sources import Chunk
from apollo_ray.decontaminate import Index, Item
from apollo_ray.errors import UserError

LONG = {
    "en": "The patient should drink plenty of water and rest for several days until the fever has gone down. Whoever feels short of breath or confused needs a doctor at once, and so does a small child that no longer drinks. ",
    "es": "El paciente debe beber mucha agua y descansar durante varios días hasta que baje la fiebre. Quien sienta falta de aire o confusión necesita un médico de inmediato, y también el niño pequeño que ya no bebe. ",
    "fr": "Le patient doit boire beaucoup d'eau et se reposer plusieurs jours jusqu'à la fin de la fièvre. Celui qui manque d'air ou devient confus a besoin d'un médecin tout de suite, comme le petit enfant qui ne boit plus. ",
    "hi": "मरीज़ को खूब पानी पीना चाहिए और बुखार उतरने तक कई दिनों तक आराम करना चाहिए। जिसे साँस लेने में तकलीफ़ हो या जो भ्रमित लगे, उसे तुरंत डॉक्टर की ज़रूरत है, और उस छोटे बच्चे को भी जो अब कुछ नहीं पी रहा है। ",
    "ar": "يجب على المريض شرب الكثير من الماء والراحة عدة أيام حتى تنخفض الحرارة. ومن يشعر بضيق في التنفس أو بتشوش في الذهن فهو بحاجة إلى طبيب فورا، وكذلك الطفل الصغير الذي توقف عن الشرب. ويمكن للأهل خفض الحرارة بالماء الفاتر وتسجيل درجة الحرارة كل يوم حتى يراها الطبيب. ",
    "zh": "患者应多喝水，休息数天，直到体温恢复正常为止。如果感到呼吸困难或者神志不清，需要立即就医；不再喝水的幼儿也是如此。家属可以用温水擦拭身体来帮助降温，并记录每天的体温变化。",
    "pt": "O paciente deve beber bastante água e descansar durante vários dias até que a febre não volte mais. Quem sentir falta de ar ou confusão precisa de um médico imediatamente, tal como a criança pequena que já não bebe. ",
    "ur": "مریض کو چاہیے کہ وہ زیادہ پانی پیے اور بخار اترنے تک کئی دن آرام کرے۔ جسے سانس لینے میں تکلیف ہو اسے فوراً ڈاکٹر کی ضرورت ہے، اور اس چھوٹے بچے کو بھی جو اب کچھ نہیں پی رہا۔ گھر والے نیم گرم پانی سے بدن پونچھ سکتے ہیں اور ہر روز بخار لکھ سکتے ہیں تاکہ ڈاکٹر اسے دیکھ سکے۔ ",
}


def settings(**changes: Any) -> StageSettings:
    return parse(StageSettings, {"sources": [{"name": "s", "path": "p.jsonl"}]} | changes, where="test")


def prepared(lines: list[Any], tools: Tools | None = None, **changes: Any) -> list[dict]:
    chosen = settings(**changes)
    data = "\n".join(json.dumps(row) for row in lines).encode()
    raw = [row | {"uri": "p.jsonl"} for row in rows_of(Chunk("p.jsonl", "jsonl", 0, data), chosen.rows)]
    tables = list(prepare(raw, chosen.sources[0], chosen, tools or Tools()))
    assert all(table.schema == prepared_schema(chosen.rows) for table in tables)
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("lang", ["en", "es", "fr", "hi", "ar", "zh"])
def test_six_languages_are_tagged_and_kept(lang: str) -> None:
    (row,) = prepared([{"text": LONG[lang]}])
    assert (row["lang"], row["reason"], row["other_lang"]) == (lang, None, None)
    assert row["lang_score"] > 0.9
    assert row["exact_key"] is not None


@pytest.mark.parametrize("lang", ["pt", "ur"])
def test_neighbours_of_the_six_are_refused_by_name(lang: str) -> None:
    (row,) = prepared([{"text": LONG[lang]}])
    assert (row["lang"], row["reason"]) == (lang, "other_language")
    assert lang in row["detail"]


def test_short_and_long_texts_are_refused_with_value_and_limit() -> None:
    short, long = prepared([{"text": "See above."}, {"text": LONG["en"] * 10}], max_characters=1_000)
    assert (short["reason"], long["reason"]) == ("too_short", "too_long")
    assert "10 characters, at least 200" in short["detail"]


def test_junk_is_refused_by_a_rule_with_its_value() -> None:
    text = " ".join(f"{word}{number % 7} pills" for number, word in enumerate(["cheap", "offer", "shop", "buy"] * 60))
    (row,) = prepared([{"text": text}])
    assert (row["rule"], row["exact_key"]) == ("quality", None)
    assert prepared([{"text": text}], quality=False)[0]["rule"] != "quality"


def test_a_document_in_two_languages_is_marked_or_dropped() -> None:
    text = LONG["en"] + "\n\n" + LONG["hi"] * 2
    (row,) = prepared([{"text": text}])
    assert {row["lang"], row["other_lang"]} == {"en", "hi"}
    (dropped,) = prepared([{"text": text}], language={"mixed": "drop"})
    assert dropped["reason"] == "mixed_languages"


def test_a_leaked_question_is_refused_and_listed() -> None:
    question = (
        "Which sign in a feverish child that no longer drinks calls for a doctor at once according to the leaflet?"
    )
    tools = Tools(Index.build([Item("7", "exam", "en", question)]))
    leaked, clean = prepared(
        [{"text": LONG["en"] + question.title()}, {"text": LONG["en"]}],
        tools,
        decontaminate={"benchmarks": [{"name": "exam", "path": "x"}]},
    )
    assert (leaked["rule"], leaked["reason"]) == ("decontaminate", "leak_consecutive_64")
    assert json.loads(leaked["overlaps"])[0][:2] == ["exam", "7"]
    assert clean["reason"] is None
    turns = {"turns": [question, "Confusion, and that it no longer drinks, are the signs that call for a doctor."]}
    (row,) = prepared(
        [turns], tools, rows="conversation", decontaminate={"benchmarks": [{"name": "exam", "path": "x"}]}
    )
    assert row["reason"] == "leak_consecutive_64"


def test_a_refused_row_keeps_where_it_came_from() -> None:
    rows = prepared([{"text": LONG["en"]}, {"nothing": 1}])
    assert [row["reason"] for row in rows] == [None, "no_text"]
    assert (rows[1]["uri"], rows[1]["position"], rows[1]["source"]) == ("p.jsonl", 1, "s")


def test_the_source_says_kind_phase_and_license_of_its_rows() -> None:
    source = {"name": "s", "path": "p", "kind": "guideline", "phase": "instruction", "license": "CC0-1.0"}
    (row,) = prepared([{"text": LONG["en"], "kind": "web", "license": "x"}], sources=[source])
    assert (row["kind"], row["phase"], row["license"]) == ("guideline", "instruction", "CC0-1.0")


def test_personal_data_leave_unless_told_otherwise() -> None:
    text = LONG["en"] + " Write to maria.lopez@hospital.example.org before you come."
    (row,) = prepared([{"text": text, "title": "maria.lopez@hospital.example.org"}])
    assert "hospital.example" not in row["text"] + row["title"]
    assert row["title"] in row["text"], "the same address has the same placeholder in title and text"
    assert json.loads(row["personal"]) == {"EMAIL": 2}
    assert "maria.lopez@hospital.example.org" in prepared([{"text": text}], deidentify=False)[0]["text"]


def test_copies_under_other_names_have_one_key() -> None:
    first, second = prepared(
        [{"text": f"Patient name: {name}\n{LONG['en']}"} for name in ("Maria Lopez", "John Whitfield")]
    )
    assert first["text"] == second["text"]
    assert first["exact_key"] == second["exact_key"]


def test_a_conversation_whose_turn_is_only_markup_is_refused() -> None:
    (row,) = prepared([{"turns": [LONG["en"], "<br/>&nbsp;"]}], rows="conversation")
    assert row["reason"] == "too_short"


def test_a_row_becomes_the_same_whoever_stands_beside_it() -> None:
    lines = [{"text": LONG[lang] + str(number)} for number in range(260) for lang in ("en", "zh", "hi", "ar")]
    assert len(lines) > ROWS_AT_ONCE
    together = prepared(lines)
    alone = [prepared([line])[0] | {"position": place} for place, line in enumerate(lines[:30])]
    assert together[:30] == alone


@given(
    st.lists(st.text(max_size=60) | st.sampled_from(list(LONG.values())), max_size=5),
    st.sampled_from(["document", "conversation"]),
)
def test_any_text_comes_out_kept_or_refused(texts: list[str], rows: str) -> None:
    lines = [{"text": text} if rows == "document" else {"turns": [text, LONG["en"]]} for text in texts]
    made = prepared(lines, rows=rows)
    assert len(made) == len(lines)
    for row in made:
        assert (row["reason"] is None) == (row["exact_key"] is not None)


def test_settings_refuse_what_cannot_be() -> None:
    for wrong in (
        {"sources": []},
        {"rows": "rows"},
        {"language": {"min_score": 2}},
        {"sorces": []},
        {"duplicates": "some"},
    ):
        with pytest.raises(UserError):
            settings(**wrong)
    twice = [{"name": "s", "path": "a"}, {"name": "s", "path": "b"}]
    with pytest.raises(UserError, match="two sources have the name 's'"):
        settings(sources=twice)
    with pytest.raises(UserError, match="did you mean 'path'"):
        parse(Source, {"name": "s", "paths": "x"}, where="source")
    with pytest.raises(UserError, match="guideline"):
        parse(Source, {"name": "s", "path": "x", "kind": "leaflet"}, where="source")
