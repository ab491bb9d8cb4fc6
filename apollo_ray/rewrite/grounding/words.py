"""Words, stems and sentences, so that two texts that say the same in other words can be laid beside each other."""

import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

import regex

from apollo_ray.rewrite.grounding.cues import (
    CONJUNCTIONS,
    EXCEPTIONS,
    HAN_NO_NEGATION,
    HINTS,
    IMPLIED,
    MAY_DENY,
    NEGATIONS,
    NO_NEGATION,
    STOP_WORDS,
)

_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’](?=[st]\b)[\p{L}]+)?|[\p{N}]+")
_CLAUSE = regex.compile(r"[.!?;:。！？；：।॥؟؛\n]+|[,،，](?!\d)")
_SENTENCE = regex.compile(r"[.!?;。！？；।॥؟؛\n]+(?!\d)")
_ARABIC_PREFIX = regex.compile(r"^(?:وال|فال|بال|كال|لل|ال|و(?=.{3})|ف(?=.{4})|ب(?=.{4})|ل(?=.{4})|س(?=[يتن].{3}))")
_ARABIC_SUFFIX = regex.compile(r"(?:هما|ات|ون|ين|ها|هم|ية|ان|ه|ة|ا|ي)$")


def plain(text: str) -> str:
    """Lower case, without accents of Latin letters and vowel marks of Arabic."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    if text.isascii():
        return text
    folded = []
    for character in unicodedata.normalize("NFD", text):
        if "\u0300" <= character <= "\u036f" or "\u064b" <= character <= "\u0652" or character == "\u0640":
            continue
        folded.append(character)
    return unicodedata.normalize("NFC", "".join(folded)).translate(_ALEF)


_ALEF = str.maketrans("أإآٱى", "ااااي")


@lru_cache(100_000)
def stem(word: str, lang: str) -> str:
    """A beginning that inflections share; `word` is plain."""
    if lang == "ar":
        word = _ARABIC_PREFIX.sub("", word)
        if len(word) > 4:
            word = _ARABIC_SUFFIX.sub("", word)
        return word[:5]
    if lang == "hi":
        return word.rstrip("ािीुूेैोौंँ़्")[:5]
    return word[: max(4, min(6, len(word) - 2))] if len(word) > 5 else word.rstrip("s") if len(word) > 3 else word


_LISTS = {
    "negations": NEGATIONS,
    "stops": STOP_WORDS,
    "may_deny": MAY_DENY,
    "conjunctions": CONJUNCTIONS,
    "hints": HINTS,
    "exceptions": EXCEPTIONS,
}


@cache
def plain_set(lang: str, which: str) -> frozenset[str]:
    return frozenset(plain(word) for word in _LISTS[which].get(lang, "").split())


@cache
def _set_phrases(lang: str) -> regex.Pattern[str]:
    return regex.compile(rf"\b{'[وف]?' if lang == 'ar' else ''}(?:{plain(NO_NEGATION[lang])})\b")


@cache
def _implied(lang: str) -> dict[str, list[str]]:
    entries = (entry.partition("=") for entry in plain(IMPLIED.get(lang, "")).split())
    return {word: denied.split(",") for word, _, denied in entries}


@dataclass(frozen=True)
class Token:
    stem: str
    word: str
    clause: int
    sentence: int
    negates: bool
    may_deny: bool  # or negates
    content: bool
    start: int


def tokens(text: str, lang: str) -> list[Token]:
    """The words of `text`; in Chinese its characters, with the pair that each begins as stem."""
    text = plain(text)
    if lang == "zh":
        return _han_tokens(text)
    if lang in NO_NEGATION:
        text = _set_phrases(lang).sub(lambda match: " " * len(match[0]), text)
    clauses = [match.start() for match in _CLAUSE.finditer(text)]
    sentences = [match.start() for match in _SENTENCE.finditer(text)]
    negations, stops = plain_set(lang, "negations"), plain_set(lang, "stops")
    conjunctions, implied, may_deny = plain_set(lang, "conjunctions"), _implied(lang), plain_set(lang, "may_deny")
    found: list[Token] = []
    clause = sentence = part = 0
    for match in _WORD.finditer(text):
        word, start = match[0], match.start()
        while clause < len(clauses) and clauses[clause] < start:
            clause += 1
        while sentence < len(sentences) and sentences[sentence] < start:
            sentence += 1
        part += word in conjunctions
        bare = _ARABIC_PREFIX.sub("", word) if lang == "ar" else word
        negates = word in negations or bare in negations or (lang == "en" and word.endswith("n't"))
        content = not negates and word not in stops and len(word) > 2 - (lang == "hi") and not word.isdigit()
        place = clause + part
        denies = negates or word in may_deny
        found.append(Token(stem(word, lang), word, place, sentence, negates, denies, content, start))
        if word in implied:
            apart = -1 - start  # a clause of its own: the denied words alone are its scope
            found.append(Token("", word, apart, sentence, True, True, False, start))
            found += [Token(stem(one, lang), one, apart, sentence, False, False, True, start) for one in implied[word]]
    return found


@cache
def _no_negation() -> regex.Pattern[str]:
    return regex.compile("|".join(sorted(HAN_NO_NEGATION.split(), key=len, reverse=True)))


def _han_tokens(text: str) -> list[Token]:
    negations, may_deny = plain_set("zh", "negations"), plain_set("zh", "may_deny")
    spared = {place for match in _no_negation().finditer(text) for place in range(*match.span())}
    found = []
    clause = sentence = 0
    for place, character in enumerate(text):
        if _SENTENCE.match(character):
            clause, sentence = clause + 1, sentence + 1
        elif _CLAUSE.match(character):
            clause += 1
        elif character.isalpha():
            negates = character in negations and place not in spared
            following = text[place + 1 : place + 2]
            pair = character + following if following.isalpha() else character
            denies = negates or character in may_deny
            content = not negates and len(pair) == 2
            found.append(Token(pair, character, clause, sentence, negates, denies, content, place))
    return found
