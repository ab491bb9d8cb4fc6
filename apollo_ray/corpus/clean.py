"""Text normalisation: one pure function, and applying it twice changes nothing more.

Mojibake is mended, entities and *known* tags go, control and invisible characters go. Clinical comparisons stay: a
generic `<[^<>]+>` would eat the middle of "If BMI <18.5 or HbA1c >9 %".
"""

import html
import re
import unicodedata

import ftfy

TAGS = (
    r"a|abbr|article|aside|b|blockquote|br|center|code|div|em|figure|figcaption|font|footer|h[1-6]|head|header|hr|html|i|img|"
    r"li|link|main|meta|nav|noscript|ol|p|pre|s|section|small|span|strong|sub|sup|table|tbody|td|tfoot|th|thead|title|tr|"
    r"tt|u|ul"
)
_BLOCK_TAG = re.compile(r"</?(?:p|div|br|hr|li|ul|ol|tr|table|h[1-6]|section|article)\b[^<>]*>", re.IGNORECASE)
_KNOWN_TAG = re.compile(rf"</?(?:{TAGS})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_UNSEEN_BLOCK = re.compile(r"<(script|style)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)

# UTF-8 read as Latin-1 or cp1252: a lead byte's character followed by a continuation byte's. Flags about 1 % of
# documents, so that ftfy (2 MB per CPU-second) sees only lines that need it.
_MOJIBAKE = re.compile(
    r"[\u00c2-\u00f4][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
)

# C0 and C1 controls but tab and newline; soft hyphen, byte order mark, zero-width space, direction marks and their kin.
# Zero-width joiner and non-joiner (U+200C, U+200D) stay: Hindi and Persian spelling needs them.
_INVISIBLE = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ufffe\uffff]"
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SPACES = re.compile(r"[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_MANY_NEWLINES = re.compile(r"\n{3,}")


def clean_text(text: str) -> str:
    """`text` in NFC with its markup, mojibake and invisible characters mended. Idempotent."""
    for _ in range(8):  # "&amp;lt;p&amp;gt;" needs a pass a layer; real text settles in one
        cleaned = _pass(text)
        if cleaned == text:
            break
        text = cleaned
    return text


def _pass(text: str) -> str:
    text = (
        _SURROGATE.sub("", text)
        .replace("\r\n", "\n")
        .replace("\r", "\n")
        .replace("\u2028", "\n")
        .replace("\u2029", "\n")
    )
    if _MOJIBAKE.search(text):
        text = "\n".join(ftfy.fix_encoding(line) if _MOJIBAKE.search(line) else line for line in text.split("\n"))
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _UNSEEN_BLOCK.sub("\n", text)
        text = _KNOWN_TAG.sub("", _BLOCK_TAG.sub("\n", text))
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    text = _SPACES.sub(" ", text)
    text = "\n".join(line.strip() for line in text.split("\n"))
    return _MANY_NEWLINES.sub("\n\n", text).strip()
