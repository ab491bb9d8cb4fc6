"""Labelled dialogues between a patient and a doctor: conversations already, and the form that an LLM is asked for."""

import re

SPEAKERS = {
    "en": ("Patient", "Doctor"),
    "zh": ("患者", "医生"),
    "hi": ("मरीज़", "डॉक्टर"),
    "es": ("Paciente", "Médico"),
    "fr": ("Patient", "Médecin"),
    "ar": ("المريض", "الطبيب"),
}


def speakers(lang: str) -> tuple[str, str]:
    """Labels of (patient, doctor); a language without its own has those of English."""
    return SPEAKERS.get(lang, SPEAKERS["en"])


def dialogue_turns(text: str, lang: str) -> list[str] | None:
    """[patient, doctor, patient, doctor ...] of a labelled dialogue, or None where the text is none.

    Lines of the same speaker in a row are one turn. What a doctor says before the first patient, and a last patient's
    turn that nobody answers, have no partner and are left out.
    """
    patient, doctor = (re.escape(name) for name in speakers(lang))
    label = re.compile(rf"^[*_ ]*(?:({patient})|({doctor}))[*_]*\s*[:：][*_]*\s*", re.MULTILINE)
    marks = list(label.finditer(text))
    if len(marks) < 2:
        return None
    turns: list[tuple[bool, str]] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        said = text[mark.end() : following.start() if following else len(text)].strip()
        is_patient = mark.group(1) is not None
        if turns and turns[-1][0] == is_patient:
            turns[-1] = (is_patient, f"{turns[-1][1]}\n{said}")
        else:
            turns.append((is_patient, said))
    if turns and not turns[0][0]:
        turns = turns[1:]
    if len(turns) % 2:
        turns = turns[:-1]
    return [said for _, said in turns] or None
