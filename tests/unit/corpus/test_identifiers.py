import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.corpus.deidentify import find
from apollo_ray.corpus.deidentify.identifiers import (
    bank_account,
    compact,
    egyptian_id,
    ip_address,
    luhn,
    national_id,
    payment_card,
    plausible_id,
    spanish_social_security,
)

DISTINCTIVE = [
    "11010519491231002X",  # CN
    "310115198706124822",
    "2985 7364 1207",  # Aadhaar
    "BQRPS4821K",  # PAN
    "45871236J",  # DNI
    "Y5539120K",  # NIE
    "1 85 05 78 006 084 91",  # NIR
    "269027511523358",
    "536-22-8726",  # SSN
    "GAMR850612MDFRRS03",  # CURP
]


@pytest.mark.parametrize("number", DISTINCTIVE)
def test_a_valid_national_number_needs_no_cue(number: str) -> None:
    assert national_id(number)
    text = f"({number}) was noted"
    assert [(text[s.start : s.end], s.type) for s in find(text, None)] == [(number, "ID")]


@pytest.mark.parametrize(
    "number", ["110105194912310021", "2985 7364 1208", "45871236K", "Y5539120L", "269027511523359"]
)
def test_a_wrong_check_digit_is_no_identity_number(number: str) -> None:
    assert not national_id(number)


@pytest.mark.parametrize("number", ["298573641207", "9434765919", "1045288378", "536228726", "12345678", "NM_000059"])
def test_plain_digit_runs_want_a_cue(number: str) -> None:
    assert not national_id(number)
    assert find(f"({number}) was noted", "en") == []


@pytest.mark.parametrize("number", ["943 476 5919", "298573641207", "1045288378", "281234567841", "12.345.678-5"])
def test_sums_of_common_forms(number: str) -> None:
    valid = {"943 476 5919", "298573641207", "1045288378", "12.345.678-5"}
    assert plausible_id(number) == (number in valid)


def test_a_common_form_wants_its_sum_and_a_word_of_identity() -> None:
    assert [s.type for s in find("her insurance, noted as 9434765919, was valid", "en")] == ["ID"]
    assert find("her insurance, noted as 9434765918, was valid", "en") == []


@given(st.integers(10, 99), st.integers(0, 99_999_999))
def test_spanish_social_security_numbers_by_their_definition(province: int, serial: int) -> None:
    stem = f"{province:02d}{serial:08d}"
    base = int(stem) if serial >= 10_000_000 else province * 10_000_000 + serial
    assert spanish_social_security(f"{stem}{base % 97:02d}")
    assert not spanish_social_security(f"{stem}{(base + 1) % 97:02d}")


@given(st.text(max_size=24))
def test_any_text_is_answered(text: str) -> None:
    for ask in (national_id, plausible_id, luhn, bank_account, payment_card, ip_address, egyptian_id):
        assert ask(text) in (True, False)


@given(st.text("0123456789", min_size=1, max_size=18))
def test_exactly_one_check_digit_satisfies_luhn(stem: str) -> None:
    assert sum(luhn(stem + digit) for digit in "0123456789") == 1


def test_egyptian_number() -> None:
    stem = "2850314010234"
    total = sum(int(d) * w for d, w in zip(stem, (2, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True))
    check = (11 - total % 11) % 10
    assert egyptian_id(f"{stem}{check}")
    assert not egyptian_id(f"{stem}{(check + 1) % 10}")
    assert not egyptian_id(f"28513{stem[5:]}{check}")  # month 13


@pytest.mark.parametrize(
    ("text", "valid"),
    [("GB82 WEST 1234 5698 7654 32", True), ("FR1420041010050500013M02606", True), ("GB83WEST12345698765432", False), ("", False)],
)  # fmt: skip
def test_iban(text: str, valid: bool) -> None:
    assert bank_account(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [("4532 0151 1283 0366", True), ("4532 0151 1283 0367", False), ("0000 0000 0000 0000", False), ("123", False)],
)
def test_payment_card(text: str, valid: bool) -> None:
    assert payment_card(text) == valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [("192.168.14.27", True), ("10.24.8.131", True), ("2.13.0.1", False), ("256.1.1.30", False), ("1.2.3", False), ("01.2.3.40", False)],
)  # fmt: skip
def test_ip_address(text: str, valid: bool) -> None:
    assert ip_address(text) == valid


def test_compact() -> None:
    assert compact("12.345.678-k") == "12345678K"
