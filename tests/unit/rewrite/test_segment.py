import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.records import LANGUAGES
from apollo_ray.rewrite.dialogue import SPEAKERS, dialogue_turns
from apollo_ray.rewrite.segment import Passage, estimated_tokens, passages, sections, split_at_sentences
from apollo_ray.rewrite.sentences import sentences

TEXT = st.text(alphabet=st.sampled_from(list("abc .!?。！।؟\n中é")), max_size=200)


def words(texts) -> list[int]:
    """A tokenizer that counts words, and Han characters by themselves."""
    return [len(re.findall(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+", text)) for text in texts]


def letters(texts) -> list[int]:
    return [len(text) for text in texts]


@given(TEXT, st.sampled_from(LANGUAGES))
def test_sentences_joined_are_the_text(text: str, lang: str) -> None:
    found = sentences(text, lang)
    assert "".join(found) == text
    assert all(found)


@given(TEXT, st.integers(1, 60), st.sampled_from(LANGUAGES))
def test_pieces_hold_every_character_and_keep_to_the_limit(text: str, limit: int, lang: str) -> None:
    pieces = split_at_sentences(text, lang, limit, letters)
    assert re.sub(r"\s", "", "".join(pieces)) == re.sub(r"\s", "", text)
    assert all(piece.strip() and len(piece) <= limit for piece in pieces)


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("en", "Take 7.5 mg daily. Dr. Hall saw it, e.g. in J. Smith. Then stop.", 3),
        ("en", "See fig. 2 and the U.S. data. Was it 3.5? Yes.", 3),
        ("es", "El Dr. López lo vio. Tome 1,5 mg p. ej. de noche. ¿Y después? Nada.", 4),
        ("fr", "M. Roux a 5 ans, cf. fig. 3. Il va bien.", 2),
        ("zh", "发热三天。咳嗽加重！需要就医吗？剂量是2.5毫克。", 4),
        ("hi", "डॉ. शर्मा ने देखा। बुखार है। पानी पिएँ।", 3),
        ("ar", "هل لديك حمى؟ نعم. منذ يومين.", 3),
    ],
)
def test_sentences_of_six_languages(lang: str, text: str, expected: int) -> None:
    assert len(sentences(text, lang)) == expected


def test_pieces_end_at_sentence_ends_and_are_about_equally_long() -> None:
    text = " ".join(f"This is sentence number {n} of the text." for n in range(30))
    pieces = split_at_sentences(text, "en", 100, words)
    assert all(piece.endswith(".") for piece in pieces)
    sizes = words(pieces)
    assert max(sizes) <= 100
    assert min(sizes) > 0.6 * max(sizes), "no tail of a few words is left over"


def test_the_limit_is_that_of_the_tokenizer_also_where_pieces_add_up_to_more() -> None:
    def grudging(texts) -> list[int]:  # a whole costs more than its parts
        return [2 * len(text.split()) if len(text.split()) > 3 else len(text.split()) for text in texts]

    pieces = split_at_sentences("One two three. Four five six. Seven eight nine.", "en", 6, grudging)
    assert all(count <= 6 for count in grudging(pieces))


def test_sections_keep_their_path() -> None:
    text = "Opening.\n\n# Flu\n## Symptoms\nFever.\n- cough\n\n## Empty\n\n### Deep\nX.\n# Other\nRest."
    assert sections(text) == [
        ((), "Opening."),
        (("Flu", "Symptoms"), "Fever.\n- cough"),
        (("Flu", "Empty", "Deep"), "X."),
        (("Other",), "Rest."),
    ]
    made = passages("d", "Guide", text, "en", "web", 1_000, words)
    assert [(p.index, p.path) for p in made][:2] == [(0, ()), (1, ("Flu", "Symptoms"))]
    assert made[1].subject == "Guide – Flu – Symptoms"
    assert Passage.from_json(made[1].to_json()) == made[1]


def test_estimates_count_dense_scripts_higher() -> None:
    assert estimated_tokens("zh")(["糖尿病患者"])[0] > estimated_tokens("en")(["sugar"])[0]


@pytest.mark.parametrize("lang", sorted(SPEAKERS))
def test_dialogues_pair_patient_and_doctor(lang: str) -> None:
    patient, doctor = SPEAKERS[lang]
    colon = "：" if lang == "zh" else " :" if lang == "fr" else ":"
    lines = [
        (doctor, "hello"),
        (patient, "p1"),
        (patient, "p2"),
        (doctor, "d1"),
        (f"**{patient}", "p3"),
        (doctor, "d2"),
        (patient, "bye"),
    ]
    text = "\n".join(f"{who}{colon} {said}" for who, said in lines)
    assert dialogue_turns(text, lang) == ["p1\np2", "d1", "p3", "d2"]


def test_prose_is_no_dialogue() -> None:
    assert dialogue_turns("Patient: the word for a person under care.", "en") is None
    assert dialogue_turns("Patient: a\nDoctor: b", "pt") == ["a", "b"], "other languages have the labels of English"
