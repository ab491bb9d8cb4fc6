"""Numbers that prove themselves by a check digit.

`national_id` answers for formats so distinctive that a valid one needs no cue before it; `plausible_id` for those that
do. Standards: python-stdnum (CN resident number GB 11643, Aadhaar, PAN, DNI, NIE, NIR, SSN, CURP, RUT, NHS), and by
their published sums the Spanish social security number (modulo 97), the Egyptian national number (weights modulo 11),
the Saudi and Emirati identity numbers (Luhn).
"""

import importlib
import re
from functools import cache
from typing import Any

_SEPARATORS = re.compile(r"[ .\-/\u00a0]")
_PAN = re.compile(r"[A-Z]{3}P[A-Z]\d{4}[A-Z]")  # fourth letter P: of a person
_EGYPT_WEIGHTS = (2, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)


@cache
def _standard(name: str) -> Any:
    return importlib.import_module(f"stdnum.{name}")


def compact(text: str) -> str:
    """`text` without spaces, dots, hyphens and slashes, in upper case."""
    return _SEPARATORS.sub("", text).upper()


def national_id(text: str) -> bool:
    """Whether `text`, as written, is a valid national number in a format that little else has."""
    number = compact(text)
    if not number.isascii() or not 8 <= len(number) <= 18:
        return False
    if not number.isdigit():
        return _lettered(text, number)
    if len(number) == 18:
        return _resident_number(number)
    if len(number) == 15:
        return _emirates_id(number) or (number[0] in "12" and _valid("fr.nir", number))
    if len(number) == 14:
        return egyptian_id(number)
    if len(number) == 12:
        return bool(re.fullmatch(r"\d{4}[ -]\d{4}[ -]\d{4}", text)) and _valid("in_.aadhaar", number)
    return bool(re.fullmatch(r"\d{3}-\d{2}-\d{4}", text)) and _valid("us.ssn", number)


def _lettered(text: str, number: str) -> bool:
    if len(number) == 18:
        return _resident_number(number) if number[:17].isdigit() else _valid("mx.curp", number)
    if len(number) == 15:
        return number[5:7] in {"2A", "2B"} and _valid("fr.nir", number)
    if len(number) == 10:
        return bool(_PAN.fullmatch(text)) and _valid("in_.pan", number)
    if len(number) == 9 and text[-1].isupper():
        return _valid("es.nie", number) if number[0] in "XYZ" else number[:8].isdigit() and _valid("es.dni", number)
    return False


def plausible_id(text: str) -> bool:
    """Whether `text` holds under any of the national sums, the common ones too: to be asked only near a cue."""
    number = compact(text)
    if national_id(text):
        return True
    if not (number.isascii() and number.isdigit()):
        return number.isascii() and len(number) in (8, 9) and _valid("cl.rut", number)
    if len(number) == 10:
        return _valid("gb.nhs", number) or (number[0] in "12" and luhn(number))
    if len(number) == 12:
        return _valid("in_.aadhaar", number) or spanish_social_security(number)
    return len(number) == 9 and (_valid("us.ssn", number) or _valid("cl.rut", number))


def _valid(name: str, number: str) -> bool:
    return bool(_standard(name).is_valid(number))


def luhn(number: str) -> bool:
    """The sum of ISO/IEC 7812 over ASCII digits; False for anything else."""
    return number.isascii() and number.isdigit() and bool(_standard("luhn").is_valid(number))


def egyptian_id(number: str) -> bool:
    """14 digits: century, birth date, governorate, serial, check digit."""
    if not re.fullmatch(r"[23]\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:0[1-4]|[12]\d|3[1-5]|88)\d{5}", number):
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, _EGYPT_WEIGHTS, strict=False))
    return (11 - total % 11) % 10 == int(number[-1])


def spanish_social_security(number: str) -> bool:
    """12 digits: the last two are the first ten modulo 97 (leading zero of the serial left out below 10 million)."""
    province, serial, check = int(number[:2]), int(number[2:10]), int(number[10:])
    return (province * 10_000_000 + serial if serial < 10_000_000 else int(number[:10])) % 97 == check


def _resident_number(number: str) -> bool:
    """Chinese: birth date and check digit. The place is not asked: districts change, numbers stay."""
    if not re.fullmatch(r"[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]", number):
        return False
    return _standard("cn.ric").calc_check_digit(number) == number[-1]


def _emirates_id(number: str) -> bool:
    return number.startswith(("78419", "78420")) and luhn(number)


def bank_account(text: str) -> bool:
    """Whether `text` is an IBAN with valid check digits (ISO 13616) of a country that stdnum knows."""
    number = compact(text)
    return number.isascii() and 15 <= len(number) <= 34 and bool(_standard("iban").is_valid(number))


def payment_card(text: str) -> bool:
    """13 to 19 digits with a valid Luhn sum and a first digit that card networks use."""
    number = compact(text)
    return 13 <= len(number) <= 19 and number[0] in "23456" and luhn(number)


def ip_address(text: str) -> bool:
    """A dotted quad of octets, not one that reads like a version number (all octets below 20)."""
    octets = text.split(".")
    if len(octets) != 4 or not all(o.isascii() and o.isdigit() and len(o) <= 3 and int(o) < 256 for o in octets):
        return False
    return max(int(o) for o in octets) >= 20 and all(o == "0" or o[0] != "0" for o in octets)
