import pytest

from apollo_ray.corpus.deidentify import deidentify


@pytest.mark.parametrize(
    "text",
    [
        "Call me at 555-0142 tomorrow.",
        "我的手机号是154-0000-0142。",
        "मेरा मोबाइल नंबर +91 00000 12345 है।",
        "mi teléfono es el 809-555-0142",
        "mon numéro est le 06 39 98 12 34",
        "رقم هاتفي ‎+962 7 0000 0142",
        "reach +44 20 7946 0018 at any time",
    ],
)
def test_phone_numbers_become_placeholders(text: str) -> None:
    cleaned, found = deidentify(text)
    assert "[PHONE]" in cleaned
    assert found == {"email": 0, "phone": 1}
    assert not any(digits in cleaned for digits in ("0142", "12345", "98 12 34", "0018"))


@pytest.mark.parametrize(
    "text",
    [
        "about 150 000 000 people, 2019-2020",
        "a dose of 2.5-5 mg, pH 7.35-7.45",
        "admitted on 2021-03-04, number 12",
        "blood pressure 120/80, pulse 72",
        "Call for help when the fever is above 38.5.",
    ],
)
def test_figures_and_dates_stay(text: str) -> None:
    assert deidentify(text) == (text, {"email": 0, "phone": 0})


def test_addresses_become_placeholders_wherever_they_stand() -> None:
    cleaned, found = deidentify("Write to ana.lopez+x@mail.example.org, or (bob@example.com).")
    assert cleaned == "Write to [EMAIL], or ([EMAIL])."
    assert found["email"] == 2
