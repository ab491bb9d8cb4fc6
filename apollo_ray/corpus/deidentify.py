"""Personal data to typed placeholders. This knows e-mail addresses and phone numbers; it claims no more."""

import re

PLACEHOLDERS = {"email": "[EMAIL]", "phone": "[PHONE]"}

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_DIGITS = re.compile(r"(?<![\dA-Za-z+.,/-])\+?\(?\d[\d ().-]{5,18}\d(?![\dA-Za-z/%])")
_CUE = re.compile(
    r"(?:phone|tel|call|mobile|number|电话|手机|号码|致电|फ़ोन|फ़ोन|मोबाइल|नंबर|नम्बर|tel[eé]fono|m[oó]vil|n[uú]mero|celular|"
    r"t[eé]l[eé]phone|portable|num[eé]ro|هاتف|الهاتف|جوال|رقم|اتصل)\D{0,40}$",
    re.IGNORECASE,
)
_DATE_OR_YEARS = re.compile(r"^(?:(?:19|20)\d\d[-. /]\d{1,4}(?:[-. /]\d{1,2})?|\d{1,2}[-. ]\d{1,2}[-. ](?:19|20)\d\d)$")


def deidentify(text: str) -> tuple[str, dict[str, int]]:
    """(text with placeholders, count of replacements per type).

    A run of 7 to 15 digits is a phone number when it starts with "+", or when one of six languages' words for
    telephone or number stands shortly before it; figures such as 150 000 000 and dates stay.
    """
    text, emails = _EMAIL.subn(PLACEHOLDERS["email"], text)
    phones = 0
    parts: list[str] = []
    end = 0
    for match in _DIGITS.finditer(text):
        found = match.group()
        digits = sum(character.isdigit() for character in found)
        cued = found.startswith("+") or _CUE.search(text, max(0, match.start() - 60), match.start())
        if cued and 7 <= digits <= 15 and not _DATE_OR_YEARS.match(found):
            parts += [text[end : match.start()], PLACEHOLDERS["phone"]]
            end = match.end()
            phones += 1
    return "".join([*parts, text[end:]]), {"email": emails, "phone": phones}
