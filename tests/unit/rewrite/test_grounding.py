import pytest

from apollo_ray.rewrite.grounding import support
from apollo_ray.rewrite.grounding.notation import readings
from apollo_ray.rewrite.grounding.numerals import compose, han
from apollo_ray.rewrite.grounding.quantities import quantities


@pytest.mark.parametrize(
    ("figure", "values"),
    [
        ("5", {5}), ("0.5", {0.5}), ("0,125", {0.125, 125}), ("1.000", {1, 1000}), ("1,000", {1, 1000}), ("12,345.6", {12345.6}),
        ("12.345,6", {12345.6}), ("1,00,000", {100000}), ("1 000 000", {1000000}), ("2,5", {2.5}), ("1.234.567", {1234567}),
    ],
)  # fmt: skip
def test_figures_in_every_notation(figure: str, values: set[float]) -> None:
    assert readings(figure) == values


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ([3, 100, 40, 5], 345),
        ([2, 1000, 20], 2020),
        ([4, 20, 10, 7], 97),
        ([60, 12], 72),
        ([8, 0.5], 8.5),
        ([1e6], 1e6),
    ],
)
def test_number_words_add_up(words: list[float], value: float) -> None:
    assert compose(words, "en") == {value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("四十五", 45),
        ("一百零二", 102),
        ("二〇二〇", 2020),
        ("三万五千", 35000),
        ("两", 2),
        ("三点五", 3.5),
        ("十", 10),
    ],
)
def test_chinese_numerals(text: str, value: float) -> None:
    assert han(text) == value


SAME = [
    ("en", "for 14 days", "for two weeks"),
    ("en", "0.5 g daily", "500 mg daily"),
    ("en", "a 45-year-old man", "aged forty-five years"),
    ("en", "1,000 women", "1000 women"),
    ("en", "110/80 mmHg", "80 mmHg after 110 mmHg"),
    ("en", "86-89%", "from 86 percent to 89 percent"),
    ("es", "dosis de 1.000 mg", "dosis de 1 gramo"),
    ("es", "35,3 mcg/dL", "35,3 µg/dl"),
    ("fr", "pendant dix-huit heures", "18 heures"),
    ("fr", "0,6 ml", "0.6 millilitre"),
    ("zh", "连服两周", "14天"),
    ("zh", "500毫克", "0.5克"),
    ("zh", "有效率90%", "有效率九成"),
    ("hi", "दो सप्ताह", "14 दिन"),
    ("hi", "२० प्रतिशत", "20%"),
    ("ar", "أسبوعين", "14 يومًا"),
    ("ar", "٢٠ في المئة", "20%"),
    ("ar", "خمسة عشر يومًا", "15 يومًا"),
    ("en", "for half an hour", "for 30 minutes"),
    ("es", "fiebre de 38'5 grados", "38,5 grados"),
    ("es", "1´500.000 unidades", "un millón y medio de unidades"),
    ("fr", "un demi-litre", "500 ml"),
    ("fr", "deux ans et demi", "30 mois"),
    ("zh", "第0、1、6个月", "第0,1,6个月"),
    ("hi", "साढ़े तीन घंटे", "3.5 घंटे"),
    ("hi", "0.08%", ".08%"),
    ("ar", "ألفا متر", "2000 متر"),
    ("ar", "390 بليون متر", "390 مليار متر"),
    ("en", "every 8 hours", "meropenem q8h"),
    ("fr", "25 x 15 x 7,5 cm", "25x15x7,5 cm"),
    ("fr", "un mois et demi", "6 semaines"),
    ("hi", "2000 वर्ग मीटर", "2000 m2"),
    ("ar", "على بعد مترين", "2 متر"),
]

RETOLD = [
    ("en", "75 percent improve", "Three out of four improve"),
    ("en", "in under 7 days", "in less than a week"),
    ("en", "at the age of 4.5 years", "aged 4 years and 6 months"),
    ("es", "60 mg dos veces al día", "60 mg cada 12 horas"),
    ("es", "cada 6 horas", "4 veces al día"),
    ("en", "0.625 mg", "1x0.625 mg"),
    ("fr", "une heure et demie", "1h30 minutes"),
]


@pytest.mark.parametrize(("lang", "answer", "passage"), RETOLD)
def test_what_a_passage_comes_to(lang: str, answer: str, passage: str) -> None:
    found = support(answer, passage, lang)
    assert found.facts
    assert not found.unsupported


@pytest.mark.parametrize(
    ("lang", "answer", "passage", "right"),
    [
        ("en", "He took amoxicillin.", "Azithromycin was given.", False),
        ("en", "He took furosemide.", "Frusemide was given.", True),
        ("en", "He took aspirin.", "Acetylsalicylic acid was given.", True),
        ("es", "Recibió ciprofloxacino.", "Se pautó levofloxacino.", False),
        ("fr", "De la prednisone a été donnée.", "Traité par prednisone.", True),
        ("zh", "服用阿莫西林。", "给予头孢和阿莫西林。", True),
        ("zh", "服用阿莫西林。", "给予氨苄西林。", False),
        ("hi", "उसे एज़िथ्रोमाइसिन दी गई।", "उसे इरिथ्रोमाइसिन मिली।", False),
        ("ar", "أعطي الكلوروكين", "تناول المريض كلوروكين", True),
    ],
)
def test_a_drug_is_one_of_the_passage(lang: str, answer: str, passage: str, right: bool) -> None:
    found = [fact for fact in support(answer, passage, lang).unsupported if fact.startswith("drug")]
    assert not found if right else found


@pytest.mark.parametrize(("lang", "one", "other"), SAME)
def test_a_quantity_is_the_same_in_another_form(lang: str, one: str, other: str) -> None:
    for answer, passage in ((one, other), (other, one)):
        found = support(answer, passage, lang)
        assert found.facts
        assert not found.unsupported


OTHER = [
    ("en", "for 14 weeks", "for 14 days"),
    ("en", "5 mg/dl", "5 mg/l"),
    ("en", "3 pg/ml", "3 ng/ml"),
    ("en", "six months", "three months"),
    ("es", "8,2 cm", "8,2 mm"),
    ("fr", "sept jours", "sept mois"),
    ("zh", "14周", "14天"),
    ("zh", "三次", "两次"),
    ("hi", "48 दिन", "48 घंटे"),
    ("hi", "पैंतालीस वर्ष", "45 दिन"),
    ("ar", "20 دقيقة", "20 ثانية"),
    ("ar", "أربعين في المئة", "50%"),
    ("en", "2 cm apart", "2 metres apart, on 2 of them"),
    ("en", "two days later, after a week", "two days later, after an hour"),
    ("en", "several months", "several days"),
    ("en", "five times a month", "five times a week"),
    ("es", "cefepime, 2 mg", "cefepime, 2 g, y en el día 2"),
    ("zh", "每次5克", "每次5粒"),
    ("zh", "服药4年", "服药4周"),
    ("zh", "14周", "每6-8周"),
    ("hi", "1.5 किलोटन", "1.5 गीगाटन"),
]


@pytest.mark.parametrize(("lang", "answer", "passage"), OTHER)
def test_another_quantity_is_none_of_the_passage(lang: str, answer: str, passage: str) -> None:
    assert support(answer, passage, lang).unsupported


@pytest.mark.parametrize(
    ("lang", "text", "count"),
    [
        ("en", "COVID-19 and FEV1 and the H1N1 strain", 1),  # 19 alone
        ("en", "The one who came, once", 2),
        ("zh", "一般情况下十分常见，一些患者", 0),
        ("es", "Un paciente y una mujer", 2),
    ],
)
def test_names_and_set_phrases_are_no_numbers(lang: str, text: str, count: int) -> None:
    assert len(quantities(text, lang)) == count


@pytest.mark.parametrize(
    ("lang", "passage", "wrong", "right"),
    [
        ("en", "He was afebrile on admission.", "He had a fever on admission.", "He had no fever on admission."),
        ("es", "Permaneció afebril.", "Tuvo fiebre.", "No tuvo fiebre."),
        (
            "fr",
            "L'électroencéphalogramme était normal.",
            "Il montrait une anomalie.",
            "Il ne montrait aucune anomalie.",
        ),
        ("en", "The HIV test was negative.", "The HIV test was positive.", "The HIV test was negative."),
        ("zh", "检测结果为阴性。", "检测结果为阳性。", "检测结果为阴性。"),
        ("es", "Dolor en el lado derecho.", "Dolor en el lado izquierdo.", "Dolor en el lado derecho."),
        ("en", "Only women were enrolled.", "Only men were enrolled.", "Only women were enrolled."),
    ],
)
def test_a_statement_turned_round_is_told(lang: str, passage: str, wrong: str, right: str) -> None:
    assert support(wrong, passage, lang).unsupported
    assert not support(right, passage, lang).unsupported


@pytest.mark.parametrize(
    ("lang", "passage", "wrong", "right"),
    [
        (
            "en",
            "The oral treatment with fluconazole was well tolerated by all children.",
            "The oral treatment with fluconazole was not well tolerated by the children.",
            "The children tolerated the oral treatment with fluconazole well.",
        ),
        (
            "en",
            "Reflux complaints persisted after weeks of ranitidine treatment.",
            "Reflux complaints were seen in nobody, whatever the treatment with 4 g.",
            "Reflux complaints did not go away after weeks of ranitidine treatment.",
        ),
        (
            "es",
            "La biopsia del hígado confirmó una cirrosis avanzada en el paciente.",
            "La biopsia del hígado no confirmó una cirrosis avanzada.",
            "La biopsia del hígado confirmó que la cirrosis era avanzada.",
        ),
        (
            "zh",
            "患者术后恢复良好，已经可以正常进食流质食物。",
            "患者术后不可以正常进食流质食物。",
            "患者术后可以正常进食流质食物。",
        ),
    ],
)
def test_a_denial_of_the_answers_own_is_told(lang: str, passage: str, wrong: str, right: str) -> None:
    assert support(wrong, passage, lang).unsupported
    assert not support(right, passage, lang).unsupported


def test_the_figures_neighbours_decide_which_unit_is_meant() -> None:
    passage = (
        "Intravenous cefepime for pneumonia was started at 2 g. Subcutaneous enoxaparin prophylaxis was given at 40 mg. "
        "Nodules of the thyroid gland held 2 mg of iodine."
    )
    assert not support("Intravenous cefepime for pneumonia was started at 2 g.", passage, "en").unsupported
    assert support("Intravenous cefepime for pneumonia was started at 2 mg.", passage, "en").unsupported


def test_a_bare_figure_bears_out_a_unit_only_where_no_other_unit_has_it() -> None:
    assert not support("It took 14 days.", "It took until day 14.", "en").unsupported
    assert support("It took 14 weeks.", "It took until day 14, that is 14 days.", "en").unsupported


def test_title_and_question_bear_out_facts_as_the_passage_does() -> None:
    assert support("It takes 5 days.", "It takes days.", "en").unsupported
    assert not support("It takes 5 days.", "It takes days.", "en", "The 5 days fever").unsupported


TOLD_OTHERWISE = [
    # ordinals
    ("en", "after six weeks", "at the end of the sixth week"),
    ("fr", "après six semaines", "à la fin de la sixième semaine"),
    ("ar", "بعد ستة أسابيع", "في نهاية الأسبوع السادس"),
    ("ar", "في التاسعة عشرة من عمره", "البالغ 19 عامًا"),
    ("hi", "छठे सप्ताह में", "6 सप्ताह बाद"),
    ("fr", "après le 15e jour", "après le 15<sup>e</sup> jour"),
    ("es", "en la 3ª semana", "en la tercera semana"),
    ("en", "grade 2 disease", "grade II disease"),
    # fractions and ratios
    ("en", "One in six became ill.", "16.7% became ill."),
    ("en", "Two thirds recovered.", "67% recovered."),
    ("en", "75% recovered.", "Three quarters recovered."),
    ("zh", "约六分之一的人转为重症。", "约16.7%的人转为重症。"),
    ("zh", "每三名患者中就有一名。", "33.3%的患者。"),
    ("hi", "छह में से एक को", "16.7% को"),
    ("es", "Uno de cada seis empeora.", "El 16,7 % empeora."),
    ("ar", "واحد من كل ستة", "16.7% منهم"),
    ("en", "half a tablet", "1/2 tablet"),
    ("en", "3.5 cm", "3½ cm"),
    # set phrases
    ("en", "every other day", "every 48 hours"),
    ("es", "cada dos días", "a días alternos"),
    ("fr", "un jour sur deux", "tous les deux jours"),
    ("zh", "每两天一次", "隔日一次"),
    ("en", "an hour and a half", "90 minutes"),
    ("zh", "一个半月", "45天"),
    ("ar", "سنتان ونصف", "30 شهرا"),
    ("fr", "trois quarts d'heure", "45 minutes"),
    ("en", "for a fortnight", "for 14 days"),
    ("en", "twice a day", "b.i.d."),
    ("en", "at 8 pm", "at 20:00"),
    ("en", "a man in his sixties, 1 kg lighter", "a man aged 64, lighter by1kg"),
    # rounded
    ("en", "About 60% recovered.", "59.6% recovered."),
    ("zh", "近三百万人", "298万人"),
    ("zh", "五十多岁", "53岁"),
    ("es", "más de 40 000 personas", "42.017 personas"),
    ("fr", "une cinquantaine de malades", "52 malades"),
    ("hi", "40 हज़ार से ज़्यादा लोग", "42,017 लोग"),
    ("ar", "قرابة ثلاثة ملايين شخص", "2,986,000 شخص"),
    ("en", "in less than an hour", "in 45 minutes"),
    # what amounts come to
    ("en", "five patients in all", "2 men and 3 women"),
    ("en", "for four years", "from 2015 to 2019"),
    ("en", "4 g a day", "2 g every 12 hours"),
    ("en", "140 times a minute", "140 bpm"),
    ("en", "three months", "12 weeks"),
]


@pytest.mark.parametrize(("lang", "answer", "passage"), TOLD_OTHERWISE)
def test_an_amount_in_other_words_is_borne_out(lang: str, answer: str, passage: str) -> None:
    assert not support(answer, passage, lang).unsupported


@pytest.mark.parametrize(
    ("lang", "answer", "passage"),
    [
        ("en", "about 60% recovered", "49.6% recovered"),
        ("en", "59% recovered", "62.3% recovered"),
        ("en", "one in six became ill", "40% became ill"),
        ("en", "nine patients in all", "2 men and 3 women"),
        ("en", "for seven years", "from 2015 to 2019"),
        ("en", "every other week", "every two days"),
        ("zh", "五十多岁", "83岁"),
        ("fr", "une cinquantaine de malades", "82 malades"),
        ("ar", "في التاسعة عشرة من عمره", "البالغ 29 عامًا"),
    ],
)
def test_another_amount_in_other_words_is_not(lang: str, answer: str, passage: str) -> None:
    assert support(answer, passage, lang).unsupported


@pytest.mark.parametrize(
    ("lang", "passage", "right"),
    [
        ("en", "It should not be longer than 20 minutes.", "It lasts 20 minutes at most."),
        ("fr", "On donne 20 mg par jour sans dépasser 850 mg.", "On donne 20 mg par jour, avec un plafond de 850 mg."),
        ("zh", "学习单元最好不要超过20分钟。", "学习单元最好在20分钟以内。"),
        ("ar", "الناس لا زالوا يتنقلون في كل مكان.", "ظل الناس يتنقلون في كل مكان."),
        ("en", "There was absence of part of the skull bone.", "A part of the skull bone was missing."),
        ("es", "Se usa cuando no se dispone de agua.", "Se usa si falta agua."),
        ("en", "The spleen was enlarged without rupture of the capsule.", "The spleen was enlarged."),
        ("en", "Those with and without fever were isolated.", "Those with fever were isolated."),
    ],
)
def test_what_only_sounds_like_a_denial_is_none(lang: str, passage: str, right: str) -> None:
    assert not support(right, passage, lang).unsupported


@pytest.mark.parametrize(
    ("lang", "passage", "wrong"),
    [
        (
            "en",
            "Patients got better. The biopsy of the left kidney was not done for the patients.",
            "The biopsy of the left kidney was done.",
        ),
        (
            "es",
            "Recibió tratamiento. No recibió tratamiento con esteroides orales.",
            "Recibió tratamiento con esteroides orales.",
        ),
        ("zh", "冠状病毒没有特定季节的偏好。", "冠状病毒有特定季节的偏好。"),
        ("ar", "لم يكن الدواء فعالا للمرضى.", "كان العقار فعالا للمرضى."),
    ],
)
def test_what_is_denied_of_words_that_are_affirmed_elsewhere_is_denied(lang: str, passage: str, wrong: str) -> None:
    assert support(wrong, passage, lang).unsupported
    assert not support(passage, passage, lang).unsupported


@pytest.mark.parametrize(
    ("lang", "answer"),
    [
        ("en", "Total cholesterol was raised."),
        ("fr", "Une femme marocaine."),
        ("es", "Puede servir."),
        ("ar", "مع الزفير"),
    ],
)
def test_words_that_end_like_drugs_are_none(lang: str, answer: str) -> None:
    assert not support(answer, "x", lang).unsupported
