"""What an answer is worth: log probabilities of continuations, and the letter that a text states.

A letter is read only where the text states it (at the start of a line, or after words such as "the answer is"), and
never guessed: no letter, or more than one, is None. The published scripts of Apollo took any capital of A to F
anywhere, and so read "As an AI I do not know" as A.
"""

import math
import re
import unicodedata
from collections.abc import Sequence

REPLACEMENT = "\ufffd"  # how servers show a token that is only part of a character


def continuation_start(prompt: str, continuation: str, tokens: Sequence[str], text_offset: Sequence[int]) -> int | None:
    """Where the continuation starts, as the endpoint counts; None where its offsets do not count characters.

    Some servers count a start token such as <s>, which shifts all offsets by its length. Some count each token of a
    character that takes several, which moves the border. So the token at the prompt's end is held against the text.
    Expects a prompt that starts and ends in ASCII, as those of this package do.
    """
    text = prompt + continuation
    if not tokens or len(tokens) != len(text_offset) or list(text_offset) != sorted(text_offset) or text_offset[0] != 0:
        return None
    shift = text_offset[1] if len(text_offset) > 1 and not text.startswith(tokens[0]) else 0
    start = len(prompt) + shift
    last = max(index for index, offset in enumerate(text_offset) if offset < start)
    visible = tokens[last].split(REPLACEMENT)[0]
    place = text_offset[last] - shift
    reaches = place + len(tokens[last]) >= len(prompt)
    return start if place >= 0 and visible and reaches and text.startswith(visible, place) else None


def continuation_logprob(
    token_logprobs: Sequence[float | None], text_offset: Sequence[int], prompt_chars: int
) -> tuple[float, int]:
    """(sum of natural log probabilities, number of tokens) from character `prompt_chars` on.

    A token that straddles the border is counted whole: it starts before the border and the next one starts after it.
    Raises ValueError where no token reaches past the border, or one of them has no finite log probability.
    """
    if len(token_logprobs) != len(text_offset):
        raise ValueError(f"{len(token_logprobs)} log probabilities for {len(text_offset)} offsets")
    counted: list[float] = []
    ends = [*text_offset, math.inf][1:]
    for logprob, offset, end in zip(token_logprobs, text_offset, ends, strict=True):
        if offset < prompt_chars and end <= prompt_chars:
            continue
        if logprob is None or not math.isfinite(logprob):
            raise ValueError(f"the token at character {offset} has the log probability {logprob}")
        counted.append(logprob)
    if not counted:
        raise ValueError(f"no token from character {prompt_chars} on")
    return math.fsum(counted), len(counted)


def choose(logprobs: Sequence[float], letters: Sequence[str]) -> str:
    """The letter of the largest log probability; the first of equals."""
    best = max(range(len(letters)), key=lambda index: (logprobs[index], -index))
    return letters[best]


CUES = {
    "en": r"(?:answer|choice|option)\s*(?:is\s*:?|:)\s*(?:the\s+)?(?:option\s+|choice\s+)?|^(?:option|choice)\s+",
    "zh": r"答案\s*(?:应该|应当|应)?\s*(?:是|为|选|:)\s*(?:选项)?|^(?:我?选择?|选项)\s*",
    "hi": r"(?:उत्तर|जवाब)\s*(?:है|:)?\s*(?:विकल्प\s*)?|^विकल्प\s*",
    "es": r"(?:respuesta|opción|alternativa)(?:\s+correcta)?\s*(?:es|:)\s*(?:la\s+)?(?:opción\s+)?|^opción\s+",
    "fr": r"(?:réponse|option)(?:\s+(?:correcte|exacte|juste))?\s*(?:est|:)\s*(?:la\s+|l')?(?:option\s+|réponse\s+)?"
    r"|^option\s+",
    "ar": r"(?:ال)?(?:[إا]جابة|جواب|خيار)(?:\s+الصحيحة?)?\s*(?:هي|هو|:)\s*(?:الخيار\s+)?|^الخيار\s+",
}
"""Words after which a letter is a statement."""

NEGATIONS = {
    "en": r"\b(?:not|never|no|nor|if|whether|unless|doubt|wrong|incorrect|false)\b|n't\b",
    "zh": r"不|没|非|无|错|误|如果|若",
    "hi": r"नहीं|गलत|ग़लत|अगर|यदि",
    "es": r"\b(?:no|ni|si|dudo|incorrect[ao]|fals[ao])\b",
    "fr": r"\b(?:ne|pas|ni|si|mauvaise|fausse?|faux|incorrecte?)\b|\bn'",
    "ar": r"ليس|\bلا\b|لم|إذا|خاطئ|خط[أا]",
}
"""In the clause before a cue, or right after a letter, they make the statement something else."""

COPULAS = {
    "en": r"(?:is|are|was|isn't|seems|looks|or|and|nor)\b",
    "zh": r"是|或|和|与|及",
    "hi": r"या|और",
    "es": r"(?:es|son|parece|o|y)\b",
    "fr": r"(?:est|sont|semble|ou|et)\b",
    "ar": r"(?:هي|هو|أو|و)\b",
}
"""Right after a letter they start a sentence about the option, or name another one."""

CONNECTIVES = {
    "en": r"(?:because|since)\b",
    "zh": r"选项|项|因为",
    "hi": r"(?:है|होगा)(?!\s*(?:नहीं|या))|क्योंकि",
    "es": r"(?:porque|ya que)\b",
    "fr": r"(?:car|parce que)\b",
    "ar": r"لأن|حيث",
}
"""May follow a bare letter that a cue announces. Any other word makes it part of a term: B cells, C peptide."""

SPECIES = (
    "abortus albicans anthracis baumannii botulinum burgdorferi cereus coli diphtheriae difficile duodenale faecalis "
    "faecium fragilis freundii fumigatus granulosus histolytica jejuni lumbricoides medinensis melitensis neoformans "
    "perfringens psittaci tetani trachomatis vermicularis"
)
"""After a capital and a full stop they make it a genus: E. coli states no option."""

_GENUS = re.compile(rf"\s*\.\s*(?:{'|'.join(SPECIES.split())})\b")
_LETTER = re.compile(
    r"\s*(?:[(\[]\s*(?P<closed>[A-Za-z])\s*[)\]]|(?P<bare>[A-Z])(?P<bracket>\))?)(?![A-Za-z0-9_]|['’-]\w)"
)
_BARE_ENDS = re.compile(r"$|\s*\n|[.,;!、。।،؛]|\s+[-–—]\s")
_ANOTHER = re.compile(
    r"\s*[.)]?\s*(?:[,/&+;:、،]|\b(?:or|and|nor|o|u|y|ou|et)\b|या|और|أو|و|或者?|和|与|及)[\s,]*(?:option\s+)?"
    r"(?:\([A-Za-z]\)|[A-Z](?![A-Za-z0-9]|\.\s*[a-z]))"  # A or B; (A), (B)
    r"|\s*[.)]\s*[A-Z][.)](?!\s*[a-z])"  # A. B. C.
)
_CLAUSE_ENDS = re.compile(r"[.,;:!?\n。，；！？।،؛؟、]")
_MARKUP = re.compile(r"[*`\"“”«»\u200b-\u200f\u202a-\u202e\u2066-\u2069\u061c]")  # bold, quotes, marks of direction
_AMBIGUOUS = "?"


def extract_letter(text: str, letters: Sequence[str], lang: str) -> str | None:
    """The one of `letters` that `text` states in words of `lang` or of English; None where it states none or several.

    Read as stated: `B`, `(b)`, `B. Arteries`, `（Ｂ）`, `The answer is B`, `正确答案是B`. Not read: `A or B`,
    `I cannot answer`, `(A) is incorrect`, `The answer is B cells`, `E. coli`.
    """
    plain = _MARKUP.sub("", unicodedata.normalize("NFKC", text)).strip()
    languages = list(dict.fromkeys((lang if lang in CUES else "en", "en")))
    stated = {_letter_at(line, 0, languages, announced=False) for line in plain.splitlines()}
    for language in languages:
        for cue in re.finditer(CUES[language], plain, re.IGNORECASE | re.MULTILINE):
            clause = _CLAUSE_ENDS.split(plain[: cue.start()])[-1]
            if not any(re.search(NEGATIONS[one], clause, re.IGNORECASE) for one in languages):
                stated.add(_letter_at(plain, cue.end(), languages, announced=True))
    stated.discard(None)
    letter = stated.pop() if len(stated) == 1 else None
    return letter if letter in letters else None


def _letter_at(text: str, start: int, languages: list[str], announced: bool) -> str | None:
    """The letter that is stated at `start`; `_AMBIGUOUS` where another one stands beside it, None for none."""
    match = _LETTER.match(text, start)
    if not match:
        return None
    after = text[match.end() :].rstrip()
    if _GENUS.match(after) or re.match(r"[\s!.]*\?", after):
        return None
    if _ANOTHER.match(after):
        return _AMBIGUOUS
    is_bare = match["bare"] is not None and match["bracket"] is None
    words = after.lstrip()
    if is_bare and not _BARE_ENDS.match(after):
        # "A: ..." at the start of a line may mean "answer", as Q does "question".
        follows = words.startswith(":") or _starts(words, CONNECTIVES, languages)
        return match["bare"] if announced and follows else None
    if not is_bare and (_starts(words, COPULAS, languages) or _starts(words, NEGATIONS, languages)):
        return None
    return (match["closed"] or match["bare"]).upper()


def _starts(words: str, patterns: dict[str, str], languages: list[str]) -> bool:
    return any(re.match(patterns[language], words, re.IGNORECASE) for language in languages)
