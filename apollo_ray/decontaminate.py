"""Which questions of which benchmarks a text holds: exact on folded text, in six languages.

consecutive_64        64 or more consecutive characters of the question: the rule of Apollo (arXiv 2403.03640). It sees
                      one Chinese question in seven and two Arabic ones in five: the others are shorter.
whole_question        the whole question, where it is shorter than 64 characters but tells itself from other text.
consecutive_<n>       n consecutive characters, in dense scripts: 24 Chinese characters say what 72 Latin ones do.
question_and_options  the whole of a question that proves nothing alone ("Which of the following is true?"), followed
                      by two of its own options. Options without their question never count.
"""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apollo_ray.codepoints import Ints
from apollo_ray.overlap_index import Shelf, Stretches, WindowTable, fold_all
from apollo_ray.overlap_index import fold as fold
from apollo_ray.text import content_id

CONSECUTIVE_64, WHOLE_QUESTION, QUESTION_AND_OPTIONS = "consecutive_64", "whole_question", "question_and_options"
PAPER_LENGTH = 64
LENGTHS: Mapping[str, int] = {"zh": 24}
"""Language -> n of consecutive_<n>."""

DENSE_LANGUAGES = ("zh", "ja")
MIN_WHOLE, MIN_WHOLE_DENSE = 32, 12
"""Characters of a question that may count alone. 12 in Chinese is the check that the authors of Apollo published; the
same text has three times as many in Latin or Arabic letters or in Devanagari."""
MIN_WITH_OPTIONS, MIN_WITH_OPTIONS_DENSE = 12, 6
MIN_CONTENT, MIN_CONTENT_UNASKED = 3.0, 5.0
"""Different content words that a question needs to count alone, a Han character being half a word. More where nothing
is asked: "The pyruvate dehydrogenase complex:" is an exam question and stands in any textbook."""
MAX_SHARED = 12
"""Questions that may hold the same stretch before it counts as a stem; vignettes are shared by up to six."""
MIN_SHARE = 0.25
"""Of a question that a telling consecutive_64 covers: vignettes of 700 characters share sentences about vital signs."""
OPTIONS_WITHIN = 1_000
"""Folded characters behind the question in which its options are looked for."""
MAX_EXCERPT = 200

_GROUP = 250_000  # characters searched at once: their arrays stay in the cache, and memory is flat for any batch
_DENSE = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_HAN = re.compile(f"[{_DENSE}]")
_ASKING = re.compile(r"[?？؟]|哪|何|什么|下列|以下|[是为有指](?=\W*$)")
_TOKEN = re.compile(rf"[^\s{_DENSE}]+")

# What exam questions are made of in any subject. Function words and the vocabulary of asking, compared after folding.
_STOP_WORDS = frozenset(
    fold(
        """
        an all among and appropriate next step management initial diagnosis underlying mechanism explanation finding
        findings about described further evaluation shows show answer any are as at be best been by can cannot case
        cases cause causes caused characteristic choice choose common commonly concerning contains correct do does
        each either except expected false feature features find following for found from given has have how if in
        incorrect indicated into is it
        its known least less likely main major most name neither no none not of on one only options or other out
        part patient patients present produces question regarding represent responsible seen select should statement
        statements such than that the their them these they this those to true two type types typical under used
        usually value was were what when where which who why will with would you your yes both above associated
        related considered due al algo alguna alguno algunas algunos ambas ante anterior anteriores aquella aquel
        caracteristica caso causa ciertas cierta como con correcta correctas correcto cual cuales cuando de debe del
        desde donde dos el ella en entre es esta estan este estos falsa falsas falso frecuente ha han indique
        incorrecta la las lo los mas menos ninguna ninguno nombre para paciente pacientes por principal pueden puede
        que respecto respuesta respuestas se senale sea ser si siguiente siguientes sin sobre son su sus tiene tipo
        todas todos tras un una unas uno unos verdadera verdaderas verdadero afirmacion afirmaciones enunciado
        enunciados opcion opciones cita ainsi alors au aucun aucune autre aux avec caracteristique ce celle celles
        celui ces cet cette chez cochez concernant dans des deux dire donner du elle elles est et etre exacte
        exactes exact exacts fausse fausses faux il ils indiquer indiquez inexacte inexactes je laquelle le lequel
        les lesquelles lesquels leur leurs mais ne necessaire non ou par parmi pas peut peuvent plus pour propos
        proposition propositions qu quel quelle quelles quels quest qui reponse reponses sa sans sera ses seule
        seules sont suivant suivante suivantes suivants sur toutes tous une vraie vraies vrai आदि इन इनमें इस उत्तर
        उपर्युक्त उपरोक्त एक और कब करता करती करते करना कहाँ कथन कथनों का कारण कि किन किस किसका किसकी किसके किसको
        किसमें किससे किसी किसे की के को कौन कौनसा कौनसी क्या क्यों गलत चुनें जाता जाती जाते जो तक था थी थे द्वारा
        दिए नहीं निम्न निम्नलिखित ने पर प्रकार प्रश्न बारे में मुख्य यह या ये वह वाक्य वाला वाली विकल्प सकता सकती
        सकते सत्य असत्य सबसे सभी सही सा सी से हुआ है हैं हो होता होती होते होने तथा भी अधिक लिए साथ रूप संबंधित रोगी
        उदाहरण أحد إحدى إذا إلى الآتي الآتية الأكثر الإجابة الأسباب التالي التالية التي الجمل الجواب الحالة الخاطئ
        الخاطئة الخطأ الخيارات الذي الذين السؤال السبب الشائع الصحيح الصحيحة الصواب العبارات العبارة المريض المناسب
        النوع إن أو أي أية أين بسبب بعد بل بين تكون تلك تعتبر يعتبر ثم جميع حالة حول خطأ خلال ذات ذلك سؤال شيوعا
        صحيح صحيحة على عن عند غير فإن في فيما قد كان كل كم كيف لا لم له لها ليس ليست ما ماذا متى من مما هذا هذه هل
        هو هي هم وفق واحد واحدة يتم يكون يمكن يلي يوجد"""
    ).split()
)
_STOP_PHRASES = re.compile(
    re.sub(
        r"\s+",
        "|",
        """下列哪一项 下列哪项 下列哪个 下列哪种 下列哪些 下列选项中 下列各项 下列说法 下列叙述 下列描述 下列关于
        下列有关 下列 以下哪项 以下哪一项 以下 上述 关于 有关 对于 哪一项 哪项 哪一种 哪种 哪一个 哪个 哪些 何种
        什么 何者 不正确 不恰当 不符合 正确 错误 不属于 属于 不包括 包括 不是 的是 是指 应为 说法 叙述 描述 表述
        选项 最可能 可能 最常见 常见 最主要 主要 最重要 重要 最适合 适合 最好 最佳 首选 首先 应该 除外 患者 病人
        特点 特征 原因 诊断 治疗 表现 临床 方法 措施 一般 通常 不应 可以 不能 没有 应当 考虑 之一 以及 的 是 为 有
        在 与 和 或 及 了 其 中 于 不 最 者 都 均 全部 所有 年 月 岁 男 女 性 题 项""",
    )
)


@dataclass(frozen=True)
class Item:
    """One question of a benchmark. `lang` is an ISO 639-1 code; `options` are texts without their letters."""

    id: str
    benchmark: str
    lang: str
    question: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Overlap:
    """What a text shares with the question of an item: `length` folded characters; `excerpt` is their beginning.

    `telling` is False for a consecutive_64 that is no sign of a copy: it says nothing but how exams ask ("Which of the
    following is the most appropriate next step in management?"), stands in many questions, or is a small part of one.
    Of an exam that shares no question with the benchmark, the rule of Apollo may flag two in five rows by such words.
    """

    item: str
    benchmark: str
    rule: str
    length: int
    excerpt: str
    telling: bool = True


def items_of(rows: Iterable[Any], benchmark: str) -> Iterator[Item]:
    """Items of rows with `question`, `options` (dict, list or "(A) x (B) y"), `lang` and `id`; others are passed over.

    A row without an id gets one of its content; one without a language is "zh" where Han prevails, else "und".
    """
    for row in rows:
        question = row.get("question") if isinstance(row, dict) else None
        if not isinstance(question, str) or not any(map(str.isalnum, question)):
            continue
        options = _options(row.get("options"))
        name, lang = row.get("id"), row.get("lang")
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            name = content_id(question, *options)
        if not isinstance(lang, str) or not lang.strip():
            lang = "zh" if 2 * len(_HAN.findall(question)) > len(question) else "und"
        yield Item(str(name), benchmark, lang.strip().lower(), question, options)


def _options(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = re.split(r"(?:^|(?<=[\s,;.，；。]))[(（]?[A-Ha-h][)）.．、:：](?=\s|\S)", value)
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list | tuple):
        return ()
    return tuple(option.strip() for option in value if isinstance(option, str) and option.strip())


def content(folded: str) -> float:
    """How much a folded question says: different words that are not asked in every exam, Han characters by halves."""
    words = {word for word in _TOKEN.findall(folded) if len(word) > 1 and not word.isdigit()} - _STOP_WORDS
    return len(words) + len(set(_HAN.findall(_STOP_PHRASES.sub("", folded)))) / 2


_NEVER, _ALONE, _WITH_OPTIONS = range(3)  # when the whole of a question counts beside PAPER_LENGTH
_CONSECUTIVE, _OPTIONS, _WHOLE, _PAPER = range(1, 5)  # rules, the strongest last
_SIZES = (6, 12, 24)  # of the tables for whole questions: each goes to the largest that it fills


@dataclass(frozen=True)
class Index:
    """Questions ready for look-up: plain arrays and lists, so that workers share one pickled object.

    `names` (id, benchmark, lang) and `options` (folded, only those that say something) have a row for each item;
    `questions` holds the folded questions; `whole` int8[items] is when the whole question counts; `spans` int64[items]
    is n of the item's consecutive_<n>, 0 where it has none; `tables` are by shortest stretch.
    """

    names: list[tuple[str, str, str]]
    options: list[tuple[str, ...]]
    questions: Shelf
    whole: npt.NDArray[np.int8]
    spans: Ints
    tables: list[WindowTable]

    @classmethod
    def build(cls, items: Iterable[Item], lengths: Mapping[str, int] = LENGTHS, *, paper: bool = False) -> "Index":
        """`paper` leaves out all but consecutive_64. Raises ValueError for a length outside 12 ... 64: shorter
        stretches are in any text.
        """
        for lang, length in lengths.items():
            if not MIN_WHOLE_DENSE <= length <= PAPER_LENGTH:
                raise ValueError(
                    f"consecutive length of {lang!r} is {length}, not in {MIN_WHOLE_DENSE} ... {PAPER_LENGTH}"
                )
        items = list(items)
        folded = fold_all([item.question for item in items])
        every = iter(fold_all([option for item in items for option in item.options]))
        options = [tuple(itertools.islice(every, len(item.options))) for item in items]
        # A question that several items ask with other options each is a stem.
        choices: dict[str, set[frozenset[str]]] = defaultdict(set)
        for question, texts in zip(folded, options, strict=True):
            choices[question] |= {frozenset(texts)} if texts else set()
        telling = [tuple({text: None for text in texts if content(text) >= 1}) for texts in options]
        whole = [
            _NEVER if paper else _when_whole(question, item, len(texts), len(choices[question]) > 1)
            for question, item, texts in zip(folded, items, telling, strict=True)
        ]
        sizes = np.fromiter(map(len, folded), np.int64, len(items))
        spans = np.fromiter((lengths.get(_base(item.lang), 0) for item in items), np.int64, len(items))
        spans[(sizes < spans) | (spans == PAPER_LENGTH) | paper] = 0
        shortest = np.where(spans > 0, spans, np.where(sizes >= PAPER_LENGTH, PAPER_LENGTH, 0))
        questions, states = Shelf.of(folded), np.array(whole, np.int8)
        slots = np.searchsorted(_SIZES, sizes, side="right") - 1
        fitting = np.where((states != _NEVER) & (shortest == 0), np.take(_SIZES, slots), 0)
        tables = [
            WindowTable.of(questions, np.flatnonzero(shortest == length), np.flatnonzero(fitting == length), length)
            for length in sorted({*shortest.tolist(), *fitting.tolist()} - {0})
        ]
        return cls([(item.id, item.benchmark, item.lang) for item in items], telling, questions, states, spans, tables)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return self.questions.codes.nbytes + sum(table.nbytes for table in self.tables)

    def coverage(self) -> dict[str, dict[str, int]]:
        """Language -> number of `items`, of those that each rule can see, and of `undecidable` ones that none can."""
        tally: dict[str, dict[str, int]] = {}
        sizes = self.questions.ends - self.questions.starts
        for (_, _, lang), size, whole, span in zip(self.names, sizes, self.whole, self.spans, strict=True):
            state = CONSECUTIVE_64 if size >= PAPER_LENGTH else (None, WHOLE_QUESTION, QUESTION_AND_OPTIONS)[whole]
            seen = [name for name in (state, f"consecutive_{span}" if span else None) if name]
            counts = tally.setdefault(lang, {})
            for name in ("items", *(seen or ["undecidable"])):
                counts[name] = counts.get(name, 0) + 1
        return tally

    def search(self, texts: Sequence[str]) -> list[list[Overlap]]:
        """Overlaps of each text, in the order of the items: one an item, by its strongest rule. Never raises."""
        found: list[list[Overlap]] = []
        first = characters = 0
        for number, text in enumerate(texts):
            if characters and characters + len(text) > _GROUP:
                found += self._search(texts[first:number])
                first, characters = number, 0
            characters += len(text)
        return found + self._search(texts[first:])

    def _search(self, texts: Sequence[str]) -> list[list[Overlap]]:
        folded = fold_all(texts)
        rows = Shelf.of(folded)
        best: dict[tuple[int, int], tuple[int, bool, int, int]] = {}  # (text, item) -> rule, telling, length, place
        for table in self.tables:
            for stretches in table.stretches(rows, self.questions):
                for pair, evidence in self._counting(table, stretches, rows, folded):
                    best[pair] = max(evidence, best.get(pair, evidence), key=lambda known: known[:3])
        found: list[list[Overlap]] = [[] for _ in texts]
        for (text, item), (rule, telling, length, place) in sorted(best.items()):
            name, benchmark, _ = self.names[item]
            rules = (f"consecutive_{self.spans[item]}", QUESTION_AND_OPTIONS, WHOLE_QUESTION, CONSECUTIVE_64)
            excerpt = folded[text][place : place + min(length, MAX_EXCERPT)]
            found[text].append(Overlap(name, benchmark, rules[rule - _CONSECUTIVE], length, excerpt, telling))
        return found

    def _counting(
        self, table: WindowTable, stretches: Stretches, rows: Shelf, folded: list[str]
    ) -> Iterator[tuple[tuple[int, int], tuple[int, bool, int, int]]]:
        """((text, item), (rule, telling, length, place in the text)) of the stretches that a rule counts."""
        items = self.questions.text_at(stretches.known_start)
        sizes = (self.questions.ends - self.questions.starts)[items]
        whole = stretches.length == sizes
        share = stretches.length >= MIN_SHARE * sizes
        paper = stretches.length >= PAPER_LENGTH
        alone = whole & (self.whole[items] == _ALONE)
        stem = whole & (self.whole[items] == _WITH_OPTIONS)
        dense = (self.spans[items] > 0) & (stretches.length >= self.spans[items])
        texts = rows.text_at(stretches.row_start)
        places = stretches.row_start - rows.starts[texts]
        says: dict[str, float] = {}
        for i in np.flatnonzero(paper | alone | stem | dense).tolist():
            text, item, length, place = int(texts[i]), int(items[i]), int(stretches.length[i]), int(places[i])
            behind = place + length
            shared = folded[text][place:behind]
            if shared not in says:
                says[shared] = content(shared) if table.rarest(shared) <= MAX_SHARED else 0.0
            needed = 1 if paper[i] and whole[i] else MIN_CONTENT  # a stem of 64 characters with its subject is a copy
            telling = bool(alone[i] or (says[shared] >= needed and (share[i] or not paper[i])))
            rule = _PAPER if paper[i] else _WHOLE if alone[i] else _CONSECUTIVE if dense[i] and telling else 0
            if stem[i] and _stand_in(self.options[item], folded[text][behind : behind + OPTIONS_WITHIN]) > 1:
                rule, telling = max(rule, _OPTIONS), True
            if rule:
                yield (text, item), (rule, telling, length, place)


def _base(lang: str) -> str:
    return re.split("[-_]", lang.lower())[0]  # zh-CN is zh


def _when_whole(folded: str, item: Item, options: int, shared: bool) -> int:
    says = content(folded)
    if len(folded) >= PAPER_LENGTH:
        return _WITH_OPTIONS if says < MIN_CONTENT and options > 1 else _NEVER
    dense = _base(item.lang) in DENSE_LANGUAGES
    needed = MIN_CONTENT if _ASKING.search(item.question) else MIN_CONTENT_UNASKED
    if len(folded) >= (MIN_WHOLE_DENSE if dense else MIN_WHOLE) and says >= needed and not shared:
        return _ALONE
    enough = len(folded) >= (MIN_WITH_OPTIONS_DENSE if dense else MIN_WITH_OPTIONS) and options > 1
    return _WITH_OPTIONS if enough else _NEVER


def _stand_in(options: Sequence[str], text: str) -> int:
    """How many of the options are in the text and are no part of a longer word."""
    edge, back = rf"(?<![^\s{_DENSE}])", rf"(?![^\s{_DENSE}])"
    count = 0
    for option in options:
        if option in text:
            front = "" if _HAN.match(option) else edge
            count += re.search(front + re.escape(option) + ("" if _HAN.match(option[-1]) else back), text) is not None
    return count
