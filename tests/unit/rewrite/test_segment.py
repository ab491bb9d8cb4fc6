import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.rewrite.dialogue import SPEAKERS, dialogue_turns
from apollo_ray.rewrite.segment import passages, sections, split_at_sentences

TEXT = st.text(alphabet=st.sampled_from(list("abc .!?。！।؟\n中é")), max_size=200)


@given(TEXT, st.integers(5, 60))
def test_pieces_hold_every_character_and_keep_to_the_limit(text: str, limit: int) -> None:
    pieces = split_at_sentences(text, limit)
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)
    assert all(0 < len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Take 7.5 mg daily. Then stop. Ask again.", "Take 7.5 mg daily."),
        ("发热三天。咳嗽加重。需要就医。", "发热三天。"),
        ("बुखार है। पानी पिएँ। आराम करें।", "बुखार है।"),
        ("هل لديك حمى؟ نعم. منذ يومين.", "هل لديك حمى؟"),
    ],
)
def test_pieces_end_at_sentence_ends(text: str, first: str) -> None:
    assert split_at_sentences(text, len(first) + 2)[0] == first


def test_sections_and_passages_keep_title_and_heading() -> None:
    text = "Opening.\n\n## Symptoms\nFever.\n- cough\n\n## Empty\n\n## Treatment\nRest."
    assert sections(text) == [(None, "Opening."), ("Symptoms", "Fever.\n- cough"), ("Treatment", "Rest.")]
    made = passages("d", "flu", text, "en", "web", 1_000)
    assert [(p.index, p.heading) for p in made] == [(0, None), (1, "Symptoms"), (2, "Treatment")]


@pytest.mark.parametrize("lang", sorted(SPEAKERS))
def test_dialogues_pair_patient_and_doctor(lang: str) -> None:
    patient, doctor = SPEAKERS[lang]
    colon = "：" if lang == "zh" else " :" if lang == "fr" else ":"
    lines = [
        (doctor, "hello"),
        (patient, "p1"),
        (patient, "p2"),
        (doctor, "d1"),
        (patient, "p3"),
        (doctor, "d2"),
        (patient, "bye"),
    ]
    text = "\n".join(f"{who}{colon} {said}" for who, said in lines)
    assert dialogue_turns(text, lang) == ["p1\np2", "d1", "p3", "d2"]


def test_prose_is_no_dialogue() -> None:
    assert dialogue_turns("Patient: the word for a person under care.", "en") is None
    assert dialogue_turns("Patient: a\nDoctor: b", "pt") is None
