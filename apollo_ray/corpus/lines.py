"""Repairs that need whole lines: wrapped lines joined, boilerplate and repeated lines dropped, stuttering collapsed.

A line that stays keeps its words: what goes is named by a pattern for the whole line, or is a copy.
"""

import itertools
import re
from collections import Counter

from apollo_ray.corpus.boilerplate import is_boilerplate

# --- kinds of lines ---------------------------------------------------------------------------------------------------

# "- - -", "+----+----+", "═════". The ruler of a Markdown table has bars and stays, as do the dots and plus signs of
# results.
_RULER = re.compile(r"(?=.{3})[+#.: ]*(?:[-=_~*\u2500-\u259f][+#.: ]*){2,}|#{1,6}|[•*·]")
_HEADING = re.compile(r"#{1,6} ")
_ITEM = re.compile(
    r"[-*•·▪◦–—] |[（(][一二三四五六七八九十\d]{1,3}[）)]|[①-⑳]|"
    r"\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4}|[٠-٩]{1,2}|[०-९]{1,2})[.)、．] ?(?!\d)"
)
_TURN = re.compile(r"[^\W\d_][^:：.。!?\n]{0,24}[:：]")
_TERMINAL = "。.!?！？।॥؟۔:：…"
_CLOSERS = "\"'”’»)）」』〕》】]*_ "
_CONTINUES = "，。、；：！？）」』〕》】”,;!?)]»"
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0002fa1f]")


def _ends(line: str) -> bool:
    """Does the line end a sentence or announce something?"""
    return line[-1:] in _TERMINAL or line.rstrip(_CLOSERS)[-1:] in _TERMINAL


def _starts_anew(line: str) -> bool:
    return line[:1] in "#|>" or " | " in line or bool(_ITEM.match(line) or _TURN.match(line))


# --- hard wraps -------------------------------------------------------------------------------------------------------

_WIDEST = 140  # characters; a wrapped line is never longer, a paragraph mostly is
_SPACED, _DENSE = (30, 0.75, 4), (15, 0.8, 4)  # narrowest wrap, how full a wrapped line is, fewest of them


def _wrap_width(lines: list[str], words: list[str]) -> float:
    """From how many characters on an unfinished line was cut by a wrap; infinite where the text is not wrapped."""
    lengths = sorted(map(len, words))
    width = lengths[int(0.95 * (len(lengths) - 1))]
    dense = sum(bool(_CJK.match(line)) for line in words) * 2 > len(words)
    narrowest, fill, fewest = _DENSE if dense else _SPACED
    if not narrowest <= width <= _WIDEST or lengths[-1] > 3 * width:
        return float("inf")
    full = unfinished = lower = cased = 0
    for line, following in itertools.pairwise(lines):
        if line and following and not _ends(line) and not _starts_anew(following) and line[0] not in "#|>":
            unfinished += 1
            if len(line) >= fill * width:
                full += 1
                cased += following[0].lower() != following[0].upper()
                lower += following[0].islower()
    # Verse, lists and tables leave lines unfinished at any length, or begin each with a capital.
    if full < max(fewest, 0.6 * unfinished) or 2 * lower < cased:
        return float("inf")
    if not dense and not cased and full < max(2 * fewest, 0.75 * unfinished):
        return float("inf")
    return fill * width


def _joined(lines: list[str], text: str) -> list[str]:
    """`lines` of `text` with hard-wrapped paragraphs on one line each."""
    words = [line for line in lines if line]
    if len(words) < 5 or sum(map(len, words)) > _WIDEST * len(words):
        return lines
    enough = _wrap_width(lines, words)
    if enough == float("inf"):
        return lines
    paragraphs = [[lines[0]]]
    for before, line in itertools.pairwise(lines):
        cut = line and len(before) >= enough and paragraphs[-1][0][:1] not in "#|>" and " | " not in before
        if cut and (line[0] in _CONTINUES or not (_ends(before) or _starts_anew(line))):
            paragraphs[-1] += _glue(paragraphs[-1].pop(), line, text), line
        else:
            paragraphs.append([line])
    return ["".join(pieces) for pieces in paragraphs]


def _glue(before: str, line: str, text: str) -> str:
    """`before` as it stands ahead of `line` in one line."""
    number = before[-1].isdigit() and line[0].isdigit() and _CJK.search(before)
    if number or _CJK.match(before[-1]) or _CJK.match(line[0]):
        return before
    if before[-1] == "-" and before[-2:-1].isalnum():
        start, following = re.split(r"[\s(]", before)[-1], re.match(r"\w*", line)[0]  # type: ignore[index]
        broken = before[-2].islower() and line[0].islower() and start + following not in text
        return before[:-1] if broken else before
    return before + " "


# --- repeated lines and phrases ---------------------------------------------------------------------------------------


def _without_repeats(lines: list[str]) -> list[str]:
    """`lines` less copies: of lines of 20 letters or more, and of the running headers and footers of pages."""
    counts = Counter(lines)
    if len(counts) + lines.count("") >= len(lines) + 1:
        return lines
    copied = {
        line
        for line, count in counts.items()
        if count > 1 and line and _weight(line) >= 20 and not _HEADING.match(line)
    }
    repeated = {line for line, count in counts.items() if count >= 4 and _weight(line) >= 4 and len(line) <= 60}
    headers = _running_headers(lines, repeated - copied) if repeated else set()
    if not copied and not headers:
        return lines
    kept: list[str] = []
    seen: set[str] = set()
    last = ""
    for line in lines:
        if line in copied | headers and line in seen and (line == last or not _TURN.match(line)):
            continue
        seen.add(line)
        kept.append(line)
        last = line or last
    return kept


def _running_headers(lines: list[str], candidates: set[str]) -> set[str]:
    """Those of `candidates` that come between two halves of a sentence at least twice, as no subheading does."""
    interrupting: Counter[str] = Counter()
    last = ""
    for line in lines:
        if line in candidates:
            interrupting[line] += (
                len(last) >= 30 and (last[-1].isalpha() or last[-1] in ",،，、") and not _starts_anew(line)
            )
        elif line:
            last = line
    return {line for line, count in interrupting.items() if count >= 2}


def _weight(text: str) -> int:
    """Letters; a Han character says as much as two."""
    return sum(map(str.isalpha, text)) + len(_CJK.findall(text))


_LONGEST_PHRASE = 100
_TIMES = 4
# How many characters the copies fill at least, from how many characters apart we look back, at how many of them: every
# stutter that fills so many is found.
_SPARSE_LOOKS, _DENSE_LOOKS = (52, 32, 8), (16, 8, 4)
_GENETIC = re.compile(r"[ACGTUN\W\d_]+")  # CAGCAGCAGCAG is a finding


def _without_stutter(text: str) -> str:
    """`text` with a phrase of 5 letters or more that follows itself at least 4 times in one line kept once."""
    fills, step, size = _DENSE_LOOKS if not text.isascii() and _CJK.search(text, 0, 200) else _SPARSE_LOOKS
    reach = _LONGEST_PHRASE + size
    hits = [at for at in range(0, len(text) - size, step) if text.find(text[at : at + size], at + 1, at + reach) != -1]
    kept: list[str] = []
    done = searched = 0  # up to here `text` is kept or known to go; up to here it is known
    for at in hits:
        if at >= searched:
            start, end, searched = _stutter(text, at, done, size)
            if end - start >= fills * (_TIMES - 1) // _TIMES:
                kept.append(text[done:start])
                done = end
    return "".join([*kept, text[done:]])


def _stutter(text: str, at: int, floor: int, size: int) -> tuple[int, int, int]:
    """(start, end) of the copies around `at`, 0 and 0 for none; and from where it is worth to look on."""
    probe, found = text[at : at + size], at
    while (found := text.find(probe, found + 1, at + _LONGEST_PHRASE + size)) != -1:
        period = found - at
        if text[at:found] != text[found : found + period]:
            continue
        start, end = at, found + period
        while start > floor and text[start - 1] == text[start - 1 + period]:
            start -= 1
        while end < len(text) and text[end] == text[end - period]:
            end += 1
        while start < at and not _at_word_start(text, start):
            start += 1
        phrase = text[start : start + period]
        core = len(phrase.rstrip())
        times = (end - start + period - core) // period
        words = "\n" not in phrase and "|" not in phrase and _weight(phrase) >= 5
        if times >= _TIMES and words and not _GENETIC.fullmatch(phrase):
            return start + core, start + core + (times - 1) * period, end
        return 0, 0, end
    return 0, 0, 0


def _at_word_start(text: str, at: int) -> bool:
    return text[at].isalnum() and (at == 0 or not text[at - 1].isalnum() or bool(_CJK.match(text[at])))


# --- all of it --------------------------------------------------------------------------------------------------------

# Digitised Chinese classics: "<目录>卷上\腹痛方" before every entry says where it stands, "<篇名>又方" is its title,
# "内容：" its text, "\x...\x" a subtitle.
_BOOK = re.compile(r"<(目录|篇名)> *(.*)|(?:内容|属性) *[:：] *(.*)")
_SUBTITLE = re.compile(r"\\x *([^\\\n]{1,60}?) *\\x")
_DEEPEST = 6


def _book(text: str) -> str:
    """`text` with the markers of a digitised book as headings, each where it is first needed."""
    lines: list[str] = []
    place: list[str] = []
    titles: list[str] = []  # headings in force, outermost first
    for line in text.split("\n"):
        match = _BOOK.match(line)
        if match is None:
            lines.append(line)
            continue
        if match[3] is not None:
            lines.append(match[3])
            continue
        if match[1] == "目录":
            place = [part for part in match[2].split("\\") if part][: _DEEPEST - 1]
            wanted = place
        else:
            wanted = [*place, match[2]]
            titles = titles[: len(place)]  # an entry is a new one even under the title of the last
        shared = next(
            (at for at, (old, new) in enumerate(zip(titles, wanted, strict=False)) if old != new), len(titles)
        )
        lines += [f"\n{'#' * (at + 1)} {wanted[at]}\n" for at in range(shared, len(wanted))]
        titles = wanted if len(wanted) > shared or match[1] == "篇名" else titles
    return _SUBTITLE.sub(r"\n\n#### \1\n\n", "\n".join(lines))


def repair_lines(text: str) -> str:
    """`text` (lines stripped) with its lines repaired; not idempotent alone: repeat until nothing changes."""
    if "<篇名>" in text or "<目录>" in text:
        text = _book(text)
    lines = text.split("\n")
    if len(lines) > 1:
        lines = [line for line in lines if not line or not (_RULER.fullmatch(line) or is_boilerplate(line))]
        lines = _without_repeats(_joined(lines, text))
        text = "\n".join(lines)
    return _without_stutter(text)
