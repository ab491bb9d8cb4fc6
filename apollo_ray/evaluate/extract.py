"""The letter that a written answer states, read only where the text states it and never guessed.

A letter counts at the start of a line, after words such as "the answer is", or before "is correct"; in Latin letters,
full-width or not, and for Arabic and Hindi in those of their own script. An answer that is nothing but the text of one
option, or that concludes with one, states its letter; so does a letter beside its own option's text. The forms in
which models set letters apart are read by extract_forms. What is denied, joined with another letter, or part of a term
counts for nothing; of two statements the last one counts if words between take the first back, and neither does
otherwise. No letter, or more than one, is None. The published scripts of Apollo took any capital of A to F anywhere:
"As an AI I do not know" was A.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from apollo_ray.evaluate import extract_words as words
from apollo_ray.evaluate.extract_forms import CLAUSE_ENDS, in_one_form
from apollo_ray.overlap_index import fold

_PATTERNS = {
    name: words.normal(getattr(words, name))
    for name in (
        *("CUES", "NEGATIONS", "COPULAS", "AFFIRMED", "CONNECTIVES", "CORRECTIONS", "CONCLUDES", "RETRACTIONS"),
        *("DENIED_LETTER", "OTHERS", "SUPPOSED", "AVOIDED", "WRONG", "LINKED"),
    )
}
_NATIVE = {
    lang: {unicodedata.normalize("NFKC", own): latin for own, latin in letters.items()}
    for lang, letters in words.NATIVE.items()
}
_GENUS = re.compile(rf"\s*\.\s*(?:{'|'.join(words.SPECIES.split())})\b")
_NOT_A_WORD = r"(?![A-Za-z0-9_]|['’-]\w)"  # behind a Latin letter; Han may follow
_NOT_A_NATIVE_WORD = r"(?![\w\u064b-\u0652\u0900-\u0963]|['’-]\w)"
_BARE_ENDS = re.compile(r"$|\s*\n|\s*:\s*$|[.,;!、。।،؛]|\s*[-–—]\s")
_SENTENCE_ENDS = re.compile(r"[.!?;\n。！？；।؟](?=\s|$)|[。！？；\n]")
_MARKUP = re.compile(r"[*`#>\"“”«»\u200b-\u200f\u202a-\u202e\u2066-\u2069\u061c]|[【】]")  # bold, quotes, direction
_JOINED_BEFORE = re.compile(rf"\b(?:{words.JOINED})\s*$|(?:{words.JOINED_BARE})\s*$|(?<!\w)\w{{1,2}}\s*[,/&+،、]\s*$")
_BEFORE_LETTER = re.compile(rf"(?:(?:^|\s)(?:{words.BEFORE_LETTER})|{words.BEFORE_LETTER_BARE})\s*$", re.IGNORECASE)
_HAN_BEFORE = re.compile(r"[\u4e00-\u9fff](?<![是为])$")  # a sentence or a longer word, and no article
_ASKS = re.compile(r"[^.?!。？！؟।\n]*[?？؟]")
_ASIDE = re.compile(rf"\s*,[^,.;:\n]*,\s*(?!(?:{words.JOINED})\b)")  # B, though plausible, is wrong
_AMBIGUOUS = "?"


@dataclass(frozen=True)
class _Script:
    """What a letter looks like in one language: `one` at a place, `another` right after it."""

    native: Mapping[str, str]
    one: re.Pattern[str]
    another: re.Pattern[str]

    @classmethod
    def of(cls, lang: str) -> "_Script":
        native = _NATIVE.get(lang, {})
        own = "|".join(sorted(native, key=len, reverse=True)) or "(?!)"
        one = (
            rf"\s*(?:[(\[]\s*(?P<closed>[A-Za-z]|{own})\s*[)\]]|(?P<bare>[A-Z])(?P<bracket>\))?{_NOT_A_WORD}"
            rf"|(?P<low>[a-z])\)|(?P<native>{own})(?P<native_bracket>\))?{_NOT_A_NATIVE_WORD})"
        )
        # Not the initial of a sentence or a genus: "A. C. difficile".
        letter = (
            r"(?:\([A-Za-z]\)|[A-Z](?![A-Za-z0-9]|\.\s*[a-z])"
            rf"|\((?:{own})\)|(?:{own}){_NOT_A_NATIVE_WORD})"
        )
        another = (
            rf"\s*[.)]?\s*(?:[,/&+;:、،]|\b(?:{words.JOINED})\b|{words.JOINED_BARE})[\s,]*(?:option\s+)?{letter}"
            r"|\s*[.)]\s*[A-Z][.)](?!\s*[a-z])"  # A. B. C.
        )
        return cls(native, re.compile(one), re.compile(another))

    def latin(self, match: re.Match[str]) -> str:
        found = match["closed"] or match["bare"] or match["low"] or match["native"]
        return self.native.get(found, found).upper()


_SCRIPTS = {lang: _Script.of(lang) for lang in ("", *words.NATIVE)}


def extract_letter(text: str, letters: Sequence[str], lang: str, options: Sequence[str] = ()) -> str | None:
    """The one of `letters` that `text` states in words of `lang` or of English; None where it states none or several.

    `options`, as displayed, let an answer be the text of one of them. A letter followed by the text of another option
    is no statement. Read: `B`, `(b)`, `B. Arteries`, `（Ｂ）`, `ب`, `The answer is B`, `正确答案是B`. Not read:
    `A or B`, `I cannot answer`, `(A) is incorrect`, `The answer is B cells`, `E. coli`.
    """
    plain = _MARKUP.sub("", in_one_form(text, letters, lang, options)).strip()
    languages = list(dict.fromkeys((lang if lang in words.CUES else "en", "en")))
    reader = _Reader(plain, languages, _SCRIPTS.get(lang, _SCRIPTS[""]), {fold(option) for option in options})
    if re.fullmatch(r"[a-z][.):]?", plain):
        letter: str | None = plain[0].upper()
    else:
        letter = _resolved(reader.at_line_starts(), [*reader.after_cues(), *reader.affirmed()], reader)
    if letter in (None, _AMBIGUOUS) and (named := _named(plain, letters, options)):
        return named
    if letter is None:
        found = _paired(plain, letters, options, reader)
        return found or (None if reader.found else _meant(plain, letters, options, reader))
    if letter not in letters or _contradicted(plain, letter, letters, options, reader):
        return None
    return letter


def _resolved(starts: list[tuple[int, str]], cued: list[tuple[int, str]], reader: "_Reader") -> str | None:
    """One letter of the statements (place, letter); _AMBIGUOUS where they differ or are taken back, None for none.

    Lines that begin with several letters list the options.
    """
    named = {letter for _, letter in starts}
    if len(named) > 1:  # what announces a list of the options ("each option:") states none, unless it is the last line
        listed = {at for at, _ in starts[:-1]}
        cued = [(at, letter) for at, letter in cued if at not in listed]
    if not cued and len(named) != 1:
        return _AMBIGUOUS if _AMBIGUOUS in named else None
    stated = sorted([*cued, *(starts if len(named) == 1 and (not cued or _AMBIGUOUS not in named) else [])])
    place, last = stated[-1]
    earlier = [at for at, letter in stated if letter != last]
    taken_back = bool(earlier) and reader.corrects(earlier[-1], place)
    stands = (not earlier or taken_back) and not reader.retracts(place, last)
    return last if stands else _AMBIGUOUS


def _named(plain: str, letters: Sequence[str], options: Sequence[str]) -> str | None:
    """The letter of the one option whose text is all of the answer."""
    whole = fold(plain)
    found = [letter for letter, option in zip(letters, options, strict=False) if whole and fold(option) == whole]
    return found[0] if len(found) == 1 else None


def _paired(plain: str, letters: Sequence[str], options: Sequence[str], reader: "_Reader") -> str | None:
    """The one letter that stands beside its own option's text, in a sentence without a denial."""
    found = set()
    for letter, option in zip(letters, options, strict=False):
        if not fold(option):
            continue
        beside = re.compile(rf"(?<!\w){letter}\s?[.):(–-]{{1,2}}\s?{re.escape(option)}(?!\w)", re.IGNORECASE)
        for match in beside.finditer(plain):
            sentence = _SENTENCE_ENDS.split(plain[: match.start()])[-1] + _SENTENCE_ENDS.split(plain[match.end() :])[0]
            found.add(_AMBIGUOUS if reader.denies(sentence) else letter)
    return found.pop() if len(found) == 1 and _AMBIGUOUS not in found else None


def _meant(plain: str, letters: Sequence[str], options: Sequence[str], reader: "_Reader") -> str | None:
    """The letter of the one option that the text is, but for an article or its letter, or concludes with."""
    whole, named = fold(plain), [fold(option) for option in options]
    inside = [place for place, option in enumerate(named) if option and option in whole]
    if len(inside) != 1 or inside[0] >= len(letters):
        return None
    letter, option = letters[inside[0]], named[inside[0]]
    before = whole.removesuffix(option).split()
    if not re.search(rf"(?:(?<!\w)|(?<=[\u4e00-\u9fff])|(?<=\bال)){re.escape(option)}", whole):
        return None  # "hypertension" is not the option "tension"
    if whole.endswith(option) and len(before) <= 1:
        is_other = len(before) == 1 and len(before[0]) == 1 and before[0].upper() in set(letters) - {letter}
        is_article = not before or not _HAN_BEFORE.search(before[0])
        if is_article:
            return None if is_other or (before and (reader.denies(plain) or reader.avoids(before[0]))) else letter
    last = [part for part in _SENTENCE_ENDS.split(plain) if part.strip()][-1]
    said = re.sub(r" (?:है|हैं|होगा|होगी)$", "", fold(last))  # the verb ends a sentence in Hindi
    if reader.denies(said.replace(option, " ")) or reader.avoids(said.partition(option)[0]):
        return None
    concluded = said.endswith(option) and reader.concludes(last, options[inside[0]])
    return letter if concluded or reader.affirms(last, options[inside[0]]) else None


def _contradicted(plain: str, letter: str, letters: Sequence[str], options: Sequence[str], reader: "_Reader") -> bool:
    """Whether the letter stands beside the text of another option, and nowhere beside that of its own."""
    folded = [fold(option) for option in options]
    beside = set()
    for found in reader.script.one.finditer(plain):
        is_word = plain[found.start()].isalnum() and plain[: found.start()][-1:].isalnum()
        is_same = reader.script.latin(found) == letter and not is_word
        line = plain[found.end() :].split("\n")[0].lstrip(" .):–-")
        for said in (line, CLAUSE_ENDS.split(line)[0]) if is_same else ():
            beside |= {place for place, option in enumerate(folded) if option and option == fold(said)}
    return bool(beside) and list(letters).index(letter) not in beside


class _Reader:
    """Statements in one text. `found`: whether any place looked like a letter, stated or not."""

    def __init__(self, text: str, languages: list[str], script: _Script, options: Collection[str]) -> None:
        self.text = text
        self.languages = languages
        self.script = script
        self.options = options
        self.found = False

    def at_line_starts(self) -> list[tuple[int, str]]:
        places = [0, *(match.end() for match in re.finditer(r"\n+", self.text))]
        return [(at, letter) for at in places if (letter := self._letter_at(at, announced=False))]

    def after_cues(self) -> list[tuple[int, str]]:
        stated = []
        for language in self.languages:
            for cue in re.finditer(_PATTERNS["CUES"][language], self.text, re.IGNORECASE | re.MULTILINE):
                before = self.text[: cue.start()]
                clause = CLAUSE_ENDS.split(before)[-1]
                supposed = _SENTENCE_ENDS.split(before)[-1] + cue[0]
                if not (
                    self._found("NEGATIONS", clause)
                    or self._found("OTHERS", clause)
                    or self._found("SUPPOSED", supposed)
                ):
                    letter = self._letter_at(cue.end(), announced=True)
                    stated += [(cue.end(), letter)] if letter else []
        return stated

    def affirmed(self) -> list[tuple[int, str]]:
        """Letters anywhere that are called the right one: `Of the four, C is correct`."""
        stated = []
        for match in self.script.one.finditer(self.text):
            before, after = self.text[: match.start()], self.text[match.end() :]
            clause = CLAUSE_ENDS.split(before)[-1]
            asks = _ASKS.match(after)
            # "Hepatitis B is correct" calls no option right.
            alone = not clause.strip() or _BEFORE_LETTER.search(clause)
            denied = self._found("NEGATIONS", clause) or _JOINED_BEFORE.search(before)
            if alone and not asks and not denied and self._starts("AFFIRMED", after.lstrip()):
                stated.append((match.start(), self.script.latin(match)))
        return stated

    def denies(self, text: str) -> bool:
        return self._found("NEGATIONS", text)

    def concludes(self, sentence: str, option: str) -> bool:
        """Whether the sentence draws a conclusion, and the option's text is it: not `so he had been given aspirin`."""
        at = sentence.lower().rfind(option.lower())
        return self._found("CONCLUDES", sentence) and (at < 0 or self._found("LINKED", sentence[:at]))

    def avoids(self, text: str) -> bool:
        return self._found("AVOIDED", text)

    def affirms(self, sentence: str, option: str) -> bool:
        """Whether the sentence ends by calling the option's text the right one."""
        behind = sentence[sentence.lower().find(option.lower()) + len(option) :].lstrip()
        said = (re.match(_PATTERNS["AFFIRMED"][one], behind, re.IGNORECASE) for one in self.languages)
        return any(match and re.match(words.NAMED_AS, behind[match.end() :], re.IGNORECASE) for match in said)

    def retracts(self, start: int, letter: str) -> bool:
        """Whether what follows the last statement takes it back, or denies its letter."""
        after = self.text[start:]
        denied = any(re.search(_PATTERNS["DENIED_LETTER"][one].format(letter), after) for one in self.languages)
        return denied or self._found("RETRACTIONS", after)

    def corrects(self, start: int, end: int) -> bool:
        """Whether the words from one statement to the next take the first back."""
        return self._found("CORRECTIONS", self.text[start:end])

    def _letter_at(self, start: int, announced: bool) -> str | None:
        """The letter that is stated at `start`; _AMBIGUOUS where another one stands beside it, None for none."""
        match = self.script.one.match(self.text, start)
        if not match:
            return self._low_letter_at(start) if announced else None
        after = self.text[match.end() :]
        if _GENUS.match(after) or re.match(r"[\s!.]*\?", after):
            return None
        self.found = True
        if self.script.another.match(after):
            return _AMBIGUOUS
        if self._judged(after):
            return None
        is_bare = match["closed"] is None and match["low"] is None
        is_bare = is_bare and match["bracket"] is None and match["native_bracket"] is None
        behind = after.lstrip()
        if self._starts("AFFIRMED", behind) and (announced or not is_bare or self.languages[0] == "zh"):
            return None if _ASKS.match(after) else self.script.latin(match)
        if announced and re.match(r"\s*\(", after):  # the answer is A (warfarin)
            return self.script.latin(match)
        if is_bare and not _BARE_ENDS.match(after):
            # "A: ..." at the start of a line may mean "answer", as Q does "question".
            named = behind.startswith(":") and not self._starts("NEGATIONS", behind[1:].lstrip())
            follows = self._starts("CONNECTIVES", behind) or named
            is_item = re.fullmatch(r"(?:选项|项)[.。]?", behind)
            return self.script.latin(match) if (announced and follows) or is_item else None
        if not is_bare and (self._starts("COPULAS", behind) or self._starts("NEGATIONS", behind)):
            return None
        return self.script.latin(match)

    def _judged(self, after: str) -> bool:
        """Whether the letter is only called wrong, or the subject of what is said of it behind an aside."""
        aside = _ASIDE.match(after)
        behind = after[aside.end() :] if aside else ""
        if behind and (self._starts("COPULAS", behind) or self._starts("NEGATIONS", behind)):
            return not self._starts("AFFIRMED", behind)
        for one in self.languages:
            verdict = rf"\s*[.:,;。–-]\s*(?:(?:it|this|that)\s+is\s+)?({_PATTERNS['WRONG'][one]})\s*(?:[.,;!।。\n]|$)"
            said = re.match(verdict, after, re.IGNORECASE)
            if said and fold(said[1]) not in self.options:  # of true and false, "B. False" is an answer
                return True
        return False

    def _low_letter_at(self, start: int) -> str | None:
        """`the answer is b`: a small letter counts where its clause ends alone, being a word in many languages."""
        ends = r"(?:\s*[.)]?\s*(?:$|\n)|\.\s|,\s(?!\(?[a-f]\b)|\s*\()"
        match = re.compile(rf"\s*([a-z]){ends}").match(self.text, start)
        if not match and re.search(words.OPTION_NOUN, self.text[:start], re.IGNORECASE):
            match = re.compile(r"\s*([a-f])\s").match(self.text, start)
            behind = self.text[match.end() :].lstrip() if match else ""
            reasons = self._starts("CONNECTIVES", behind) and not self._starts("NEGATIONS", behind)
            match = match if reasons or self._starts("AFFIRMED", behind) else None
        self.found = self.found or bool(match)
        return match[1].upper() if match else None

    def _starts(self, name: str, behind: str) -> bool:
        return any(re.match(_PATTERNS[name][one], behind, re.IGNORECASE) for one in self.languages)

    def _found(self, name: str, text: str) -> bool:
        return any(re.search(_PATTERNS[name][one], text, re.IGNORECASE) for one in self.languages)
