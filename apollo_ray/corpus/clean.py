"""Text normalisation: one pure function, and applying it twice changes nothing more.

Every rule is behind a gate that costs nanoseconds a character, because most documents need few of them. NFC and folding
of named characters, never NFKC: that would turn 10² into 102, ½ into 1⁄2 and the marks of Chinese into ASCII.
"""

import html
import itertools
import re
import unicodedata
from collections.abc import Iterable

import ftfy
import numpy as np

from apollo_ray.codepoints import CodeTable, codes
from apollo_ray.corpus.lines import repair_lines

_PLAIN_KINDS = frozenset({"code"})  # indentation and angle brackets mean something there
_PATIENCE = 12  # turns; the worst of 111,000 real texts takes 6

# --- characters -------------------------------------------------------------------------------------------------------

# UTF-8 read as Latin-1 or cp1252: the character of a lead byte, then those of as many continuation bytes as it asks
# for. The last two have lost a byte to an earlier cleaning. ftfy (2 MB per CPU-second) sees only lines that match.
_TAIL = r"[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]"
_MOJIBAKE = re.compile(
    rf"[\u00c2-\u00f4](?:(?<=[\u00c2-\u00df]){_TAIL}|(?<=[\u00e0-\u00ef]){_TAIL}{{2}}"
    rf"|(?<=[\u00f0-\u00f4]){_TAIL}{{3}}|(?<=\u00e2)\u20ac|(?<=\u00c3) )"
)

_NBSP_TO_SPACE = "\v\f\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_LAST_BASIC = "\uffff"  # `re` tests what lies above range by range, at a tenth of the speed
_SYMBOL_FONT = {  # PDFs put the Symbol font at U+F000; its letters are doses and comparisons
    **{
        chr(0xF000 + ord(key)): to
        for key, to in zip("abcdefghiklmnopqrstuwxyz", "αβχδεφγηικλμνοπθρστυωξψζ", strict=True)
    },
    **dict(zip("\uf044\uf046\uf047\uf04c\uf050\uf053\uf057\uf059", "ΔΦΓΛΠΣΩΨ", strict=True)),
    **dict(zip("\uf0a3\uf0b0\uf0b1\uf0b3\uf0b4\uf0b8\uf0b9\uf0bb\uf0a5", "≤°±≥×÷≠≈∞", strict=True)),
    **dict(zip("\uf02b\uf02d\uf03c\uf03d\uf03e\uf0ab\uf0e0", "+−<=>↔→", strict=True)),
    **dict(zip("\uf0ac\uf0ad\uf0ae\uf0af", "←↑→↓", strict=True)),
    **dict.fromkeys("\uf0a7\uf0b7\uf0d8\uf0fc", "•"),
}


def _folded() -> dict[str, str]:
    """What each character that never stays becomes."""
    table = dict.fromkeys(_NBSP_TO_SPACE, " ") | dict.fromkeys("\r\u2028\u2029", "\n") | _SYMBOL_FONT
    for byte in range(0x80, 0xA0):  # C1 controls are cp1252 that somebody read as Latin-1
        table[chr(byte)] = bytes([byte]).decode("cp1252", "ignore")
    letters = [(0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A)]  # full width, without its punctuation
    ligatures_and_mathematical = [(0xFB00, 0xFB06), (0x1D400, 0x1D7FF)]
    arabic = [(0xFB50, 0xFBFF), (0xFC00, 0xFD3D), (0xFD50, 0xFDCF), (0xFDF0, 0xFDFC), (0xFE70, 0xFEFC)]
    for first, last in letters + ligatures_and_mathematical + arabic:
        for code in range(first, last + 1):
            plain = unicodedata.normalize("NFKC", chr(code)).lstrip()
            if plain != chr(code):
                table[chr(code)] = plain
    return table | dict.fromkeys("│┃║", "|")


def _ranges(characters: Iterable[str]) -> str:
    """The inside of a class of `characters`."""
    wanted = set(map(ord, characters))
    firsts = sorted(code for code in wanted if code - 1 not in wanted)
    lasts = sorted(code for code in wanted if code + 1 not in wanted)
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in zip(firsts, lasts, strict=True))


_FOLDED = _folded()
# Controls, soft hyphen, zero-width and direction marks, variation selectors, tags, fillers, surrogates, noncharacters.
# U+FFFD stays, and private use becomes it: they tell the quality rules that text was lost.
_INVISIBLE = (
    r"\u0000-\u0008\u000e-\u001f\u007f\u00ad\u034f\u061c\u115f\u1160\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    r"\u2060-\u206f\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff"
)
_BASIC = re.compile(f"[{_INVISIBLE}\ue000-\uf8ff{_ranges(char for char in _FOLDED if char <= _LAST_BASIC)}]")
_ASTRAL = re.compile(f"[\U000e0000-\U0010ffff{_ranges(char for char in _FOLDED if char > _LAST_BASIC)}]")


# 1 for what _BASIC changes, 2 for what _ASTRAL changes, else 0. One look-up finds clean texts.
_FLAGS = CodeTable(lambda character: 1 if _BASIC.match(character) else 2 if _ASTRAL.match(character) else 0, np.uint8)


_BREAKING_HYPHEN = re.compile("\u00ad[ \t]*\r?\n[ \t]*(?=[^\\W\\d_])")
_SURROGATE = re.compile("[\ud800-\udfff]")

_ARABIC = re.compile(
    "[\u0620-\u063f\u0641-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06e8\u06ea-\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08e1]"
)
_INDIC = re.compile("[\u0900-\u0963\u0970-\u0dff]")
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca"
_JOINERS = re.compile("[\u200c\u200d]+")
_TATWEELS = re.compile("\u0640+")


def _fold(match: re.Match[str]) -> str:
    folded = _FOLDED.get(match[0])
    if folded is None:
        folded = "\ufffd" if unicodedata.category(match[0]) == "Co" else ""
    return folded


def _joiner(match: re.Match[str]) -> str:
    """The joiner where it decides how a word is written, else nothing."""
    before, after = _neighbours(match)
    written = bool(before) and before in _VIRAMAS
    for script in (_ARABIC, _INDIC):
        written = written or bool(script.match(before) and script.match(after))
    return match[0][0] if written else ""


def _tatweel(match: re.Match[str]) -> str:
    """Nothing inside words; one behind a letter, as in "بـ 20 ملغ" and "1445هـ"; a hyphen where it served as a dash."""
    before, after = _neighbours(match)
    if _ARABIC.match(after):
        return ""
    return "\u0640" if _ARABIC.match(before) else "-"


def _neighbours(match: re.Match[str]) -> tuple[str, str]:
    text = match.string
    return text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]


def _characters(text: str) -> str:
    if not text.isascii() and _MOJIBAKE.search(text):
        text = "\n".join(_mended(line) if _MOJIBAKE.search(line) else line for line in text.split("\n"))
    if "\u00ad" in text:
        text = _BREAKING_HYPHEN.sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    worst = _FLAGS[codes(text)].max(initial=0)
    if worst:
        text = _BASIC.sub(_fold, text)
    if worst == 2:
        text = _ASTRAL.sub(_fold, text)
    if "\u200c" in text or "\u200d" in text:
        text = _JOINERS.sub(_joiner, text)
    if "\u0640" in text:
        text = _TATWEELS.sub(_tatweel, text)
    if "．" in text:
        text = re.sub(r"(?<=[0-9])．(?=[0-9])", ".", text)
    return unicodedata.normalize("NFC", text)


def _mended(line: str) -> str:
    line = _SURROGATE.sub("", line)
    mended = ftfy.fix_encoding(line)
    return mended if len(mended) < len(line) else line  # mojibake is always longer than what it stands for


# --- markup -----------------------------------------------------------------------------------------------------------

_ENTITY = re.compile(r"&(?:nbsp(?![a-z=]);?|(?:amp;)*(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});)", re.IGNORECASE)
_LAYERS = re.compile(r"&(?:amp;)+", re.IGNORECASE)

# Known tags only, with attributes that look like attributes: "<18.5", "a<b", "<5 years>" and "<b and c>" are text.
_SURE = (
    r"a|abbr|acronym|article|aside|b|big|blockquote|body|br|caption|center|code|colgroup|dd|del|dfn|div|dl|dt|em|fieldset|"
    r"figcaption|figure|font|footer|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|li|link|main|meta|nav|noscript|"
    r"ol|p|pre|s|samp|section|small|span|strike|strong|sub|sup|svg|table|tbody|td|tfoot|th|thead|title|tr|tt|u|ul|wbr|"
    r"emphasis|ext-link|italic|para|ref|script|style|xref"
)
_WORDLIKE = (
    r"address|area|audio|bold|button|cite|col|details|embed|form|label|legend|map|mark|object|option|param|path|"
)
_WORDLIKE += r"picture|q|select|source|summary|term|textarea|time|var|video"  # "<time>" may be a blank to fill in
_VALUE = r"""\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=]+)"""
_BARE = r"hidden|disabled|checked|selected|itemscope|async|defer|controls|open|required|readonly|nowrap|noshade"
_ATTRIBUTE = rf"(?:\s+(?:[a-z_][\w:.-]*{_VALUE}|(?:{_BARE})(?=[\s/>])))"
_TAG = re.compile(
    rf"</(?:{_SURE}|{_WORDLIKE})\s*>|<(?:{_SURE}){_ATTRIBUTE}*\s*/?>|<(?:{_WORDLIKE}){_ATTRIBUTE}+\s*/?>", re.IGNORECASE
)
_NAME = re.compile(r"</?([a-z0-9-]+)", re.IGNORECASE)
_PARAGRAPH_TAGS = frozenset(
    {"p", "para", "table", "blockquote", "article", "section", "pre", "dl", *(f"h{n}" for n in range(1, 7))}
)
_LINE_TAGS = frozenset({"br", "div", "hr", "ul", "ol", "tr", "dt", "dd", "figure", "figcaption", "caption", "title"})
_CELL = re.compile(rf"</t[dh]\s*>\s*<t[dh]{_ATTRIBUTE}*\s*>", re.IGNORECASE)
_ITEM_END = re.compile(r"(?:</p\s*>\s*)?</li\s*>\s*(?=<li\b)", re.IGNORECASE)
_ITEM_START = re.compile(rf"(<li{_ATTRIBUTE}*\s*>)\s*<p{_ATTRIBUTE}*\s*>", re.IGNORECASE)
_HEADING = re.compile(rf"<h([1-6]){_ATTRIBUTE}*\s*>([^\0]{{0,400}}?)</h\1\s*>", re.IGNORECASE)
_SUPERSCRIPT = re.compile(rf"<sup{_ATTRIBUTE}*\s*>\s*([0-9+\-\u2212]{{1,6}})\s*</sup\s*>", re.IGNORECASE)
_UNSEEN = re.compile(rf"<(script|style|ref){_ATTRIBUTE}*\s*(/?)>|<(!--)", re.IGNORECASE)
_CLOSING = {name: re.compile(rf"</{name}\s*>", re.IGNORECASE) for name in ("script", "style", "ref")} | {
    "!--": re.compile("-->")
}
SUPERSCRIPTS = str.maketrans("0123456789+-\u2212", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
"""10<sup>9</sup>/L must not become 109/L."""

_PATH = r"[^\s()]*(?:\([^\s()]*\)[^\s()]*)*"
_FILE = r"[^\s()]+\.(?:html?|md|pdf|php|aspx?|png|jpe?g|gif|svg|webp)(?:[?#][^\s()]*)?"
_URL = rf"(?:(?:[a-z][a-z0-9+.-]{{1,20}}:|[./#]){_PATH}|{_FILE})"
_LINK = re.compile(rf"""(!?)\[([^\[\]]{{0,400}})\]\(\s*<?{_URL}>?(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)""", re.IGNORECASE)


def _markup(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    if "<" in text:
        text = _without_unseen(text)
        text = _SUPERSCRIPT.sub(lambda match: match[1].translate(SUPERSCRIPTS), text)
        text = _HEADING.sub(_heading, text)
        text = _ITEM_START.sub(r"\1", _ITEM_END.sub("", _CELL.sub(" | ", text)))
        text = _TAG.sub(_break, text)
    if "](" in text:
        text = _LINK.sub(lambda match: "" if match[1] else match[2], text)
    return text


def _entity(match: re.Match[str]) -> str:
    """All layers at once: "&amp;amp;lt;" is "<"."""
    return (
        "\u00a0"
        if match[0].lower().startswith("&nbsp")
        else html.unescape(_LAYERS.sub("&", match[0]) if match[0].lower() != "&amp;" else "&")
    )


def _heading(match: re.Match[str]) -> str:
    words = " ".join(_TAG.sub(" ", match[2]).split())
    return f"\n\n{'#' * int(match[1])} {words}\n\n" if words else "\n\n"


def _break(match: re.Match[str]) -> str:
    name = _NAME.match(match[0])[1].lower()  # type: ignore[index]  # the pattern begins with a name
    if name in _PARAGRAPH_TAGS:
        return "\n\n"
    if name == "li":
        return "\n" if match[0][1] == "/" else "\n- "
    return "\n" if name in _LINE_TAGS else ""


def _without_unseen(text: str) -> str:
    """`text` without comments, scripts, styles and references; one that never closes is left. Linear time."""
    kept: list[str] = []
    at = 0
    unclosed: set[str] = set()
    for opening in _UNSEEN.finditer(text):
        name = (opening[1] or opening[3]).lower()
        if opening.start() < at or name in unclosed:
            continue
        closing = opening if opening[2] else _CLOSING[name].search(text, opening.end())
        if closing is None:
            unclosed.add(name)
            continue
        kept += [text[at : opening.start()], "" if name == "ref" else "\n" if name != "!--" else ""]
        at = closing.end()
    return "".join([*kept, text[at:]])


# --- white space ------------------------------------------------------------------------------------------------------

# Lists that a page extraction put on one line: "Key points   - first    - second      The text goes on".
_INLINE_ITEM = re.compile(r"(?:(?<=[^\s\d]) {3,}- +(?=\S)|(?<=\d) {3,}- +(?=[^\W\d]))")
_AFTER_ITEMS = re.compile(r"(?<=[.!?:)]) {5,}(?=[A-Z])")
_MANY_NEWLINES = re.compile("\n{3,}")


def _spacing(text: str) -> str:
    if "\t" in text:
        text = text.replace("\t", " ")
    if "  " in text:
        if "   - " in text:
            text = _AFTER_ITEMS.sub("\n\n", _INLINE_ITEM.sub("\n- ", text))
        while "  " in text:
            text = text.replace("  ", " ")
    if " \n" in text or "\n " in text:
        text = "\n".join([line.strip() for line in text.split("\n")])
    if "\n\n\n" in text:
        text = _MANY_NEWLINES.sub("\n\n", text)
    return text.strip()


def clean_text(text: str, kind: str | None = None) -> str:
    """`text` in NFC with its markup, mojibake, invisible characters and broken lines mended. Idempotent for every str.

    `kind` "code" keeps indentation, angle brackets and lines: only characters are mended there.
    """
    plain = kind in _PLAIN_KINDS
    for turn in itertools.count():
        cleaned = _characters(text).strip("\n") if plain else _spacing(_characters(_markup(text)))
        if cleaned == text and not plain:
            cleaned = repair_lines(text)
        if cleaned == text:
            return text
        # Every rule but those of markup shortens the text or takes a line end away. Text made to unfold for ever
        # loses what markup is made of.
        text = cleaned if turn < _PATIENCE else cleaned.translate(_WITHOUT_MARKUP)
    raise AssertionError("unreachable")


_WITHOUT_MARKUP = str.maketrans("", "", "<>&[]")
