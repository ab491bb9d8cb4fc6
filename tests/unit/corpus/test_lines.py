import re
import unicodedata

import pytest

from apollo_ray.corpus import boilerplate
from apollo_ray.corpus.boilerplate import is_boilerplate
from apollo_ray.corpus.clean import clean_text


@pytest.mark.parametrize(
    "line",
    [
        "Share on Facebook", "Follow us on Twitter and Instagram", "Read more »", "© 2021 Example Clinic", "Back to top",
        "We use cookies to give you the best experience on our site.", "Page 3 of 12", "- Print -", "Advertisement",
        "Home > Health > Diabetes", "Log in / Register", "Privacy Policy | Terms of Use", "All rights reserved.",
        "(c) 2019 Some Publisher", "Síguenos en redes sociales", "Este sitio utiliza cookies propias y de terceros.",
        "Todos los derechos reservados", "Leer más...", "Página 2 de 9", "Inicio › Salud › Asma", "Lire la suite",
        "Ce site utilise des cookies pour mesurer son audience.", "Tous droits réservés", "Accueil > Santé > Grippe",
        "Haut de page", "اقرأ المزيد", "جميع الحقوق محفوظة © 2020", "تسجيل الدخول", "صفحة 3 من 10", "الرئيسية > صحة > السكري",
        "और पढ़ें", "सर्वाधिकार सुरक्षित", "पृष्ठ 3 का 10", "विज्ञापन", "होम > स्वास्थ्य > मधुमेह", "阅读全文", "版权所有 © 2020 某医院",
        "首页 > 健康 > 糖尿病", "第3页 共10页", "扫描二维码关注我们", "上一篇：高血压的防治", "返回顶部", "【广告】".strip("【】"),
    ],
)  # fmt: skip
def test_boilerplate_goes(line: str) -> None:
    assert is_boilerplate(unicodedata.normalize("NFC", line))
    assert clean_text(f"Insulin lowers glucose.\n{line}\nIt is injected.") == "Insulin lowers glucose.\nIt is injected."


@pytest.mark.parametrize(
    "line",
    [
        "Share this information with your doctor.", "Follow up in two weeks", "Read more about insulin in chapter 3.",
        "Print the form and bring it to the clinic.", "We use cookie-cutter plans for no patient.", "Page turners cause strain",
        "Home > 38 °C: call the clinic, because fever in infants may be the only sign of a severe infection and needs care.",
        "Home care", "Register the birth weight at admission.", "Log in the diary each dose you take",
        "Comparte la habitación con otro paciente", "Inicio súbito de dolor torácico", "Publicidad engañosa de suplementos",
        "Partager une seringue transmet le VIH", "Accueil du patient aux urgences", "Connexion entre les deux ventricules",
        "شارك المريض في الدراسة", "إعلان هلسنكي", "طباعة الأعضاء", "और पढ़ने में कठिनाई", "पृष्ठ भाग में दर्द", "विज्ञापन से बचें",
        "阅读困难是常见症状", "注册护士负责给药", "第3页肋骨", "关注血糖变化", "返回病房继续观察", "广告中的药物不可信",
        "We use cookies" + " and tea" * 40,
    ],
)  # fmt: skip
def test_medical_lines_that_begin_alike_stay(line: str) -> None:
    assert not is_boilerplate(unicodedata.normalize("NFC", line))


def test_every_pattern_is_reachable_by_its_first_character() -> None:
    first = set("".join(boilerplate._BY_FIRST))
    assert not first & set("({[\\.^ ")
    assert all(re.compile(pattern.pattern) for pattern in boilerplate._BY_FIRST.values())


ENGLISH = (
    "Diabetes is a chronic disease that occurs either when the pancreas\n"
    "does not produce enough insulin or when the body cannot use well the\n"
    "insulin it produces. Insulin is a hormone that regulates blood infor-\n"
    "mation and glucose. Hyperglycaemia, also called raised blood glucose,\n"
    "is a common effect of uncontrolled diabetes and over time leads to an\n"
    "anti-inflammatory response; some drugs are described as being anti-\n"
    "inflammatory themselves.\n\n"
    "Treatment\n"
    "- metformin and a diet that is low in sugar and in saturated fat only\n"
    "- insulin"
)


def test_wrapped_english_is_joined_and_dehyphenated() -> None:
    paragraph, rest = clean_text(ENGLISH).split("\n\n")
    assert "\n" not in paragraph
    assert "pancreas does not" in paragraph
    assert "blood information and" in paragraph  # "infor-" + "mation"
    assert "being anti-inflammatory themselves" in paragraph  # the compound stands elsewhere with its hyphen
    assert rest.startswith("Treatment\n- metformin")
    assert rest.endswith("\n- insulin")


def test_wrapped_chinese_is_joined_without_spaces() -> None:
    text = "".join(
        f"{year}年的研究表明，糖尿病是一种以高血糖为特征的代谢性疾病，由胰岛素分泌缺陷或其生物作用受损引起，可导致组织损害，"
        for year in range(2001, 2009)
    )
    wrapped = "\n".join(text[at : at + 30] for at in range(0, len(text), 30))
    dialogue = "\n患者：怎么治疗？\n医生：控制饮食。"
    assert clean_text(f"{wrapped}请注意。{dialogue}") == f"{text}请注意。{dialogue}"


@pytest.mark.parametrize(
    "words",
    [
        "داء السكري مرض مزمن يحدث عندما يعجز البنكرياس عن إنتاج كمية كافية من الأنسولين أو عندما يعجز الجسم عن استخدامه",
        "मधुमेह एक दीर्घकालिक रोग है जो तब होता है जब अग्न्याशय पर्याप्त इंसुलिन नहीं बनाता या शरीर उसका उपयोग नहीं कर पाता और",
    ],
)
def test_wrapped_arabic_and_hindi_are_joined_with_spaces(words: str) -> None:
    tokens = (words.split() * 9)[:190]
    lines = [""]
    for token in tokens:
        if len(lines[-1]) + len(token) > 60:
            lines.append("")
        lines[-1] = f"{lines[-1]} {token}".strip()
    lines = [f"{line} {index}" for index, line in enumerate(lines)]  # so that none is a copy
    assert len(clean_text("\n".join(lines)).split("\n")) == 1


@pytest.mark.parametrize(
    "text",
    [
        # one sentence a line
        "The patient was seen in clinic.\nHe had a fever for three days.\nHis chest was clear to hear.\n"
        "Blood tests were all normal.\nHe was sent home with advice.\nHe recovered within a week.",
        # verse: capitals at the start of lines that end anywhere
        "Physician of the weary heart and mind\nThat keeps its vigil by the fevered bed\nWith patience such as only love can find\n"
        "And gentle hands to hold the aching head\nNo fee can pay the watches of the night\nNor gold repay the breaking of the morn",
        # a list without markers
        "metformin\ninsulin glargine 100 units per millilitre\nacarbose\nglibenclamide 5 mg\nsitagliptin and metformin\npioglitazone",
        # dialogue
        "Doctor: what brings you here to the clinic today and since when\nPatient: a cough that will not go away since last month\n"
        "Doctor: do you bring anything up with it when you are coughing\nPatient: some green phlegm in the morning and at night too\n"
        "Doctor: have you got a fever or did you lose weight by any chance\nPatient: no fever but three kilos lighter than in spring",
        # table rows
        "\n".join(f"patient {n} | haemoglobin measured at admission | {n}.5 g/dL" for n in range(9)),
    ],
)  # fmt: skip
def test_lines_that_are_no_wrap_stay(text: str) -> None:
    assert clean_text(text) == text


def test_markers_of_a_digitised_book_become_headings() -> None:
    text = "<目录>卷上\n<篇名>石膏\n内容：味辛，微寒。\n<目录>卷上\n<篇名>知母\n属性：\\x性味\\x\n味苦，寒。\n<目录>卷下\\附方\n<篇名>又方\n内容：水煎服。"
    assert clean_text(text) == (
        "# 卷上\n\n## 石膏\n\n味辛，微寒。\n\n## 知母\n\n#### 性味\n\n味苦，寒。\n\n# 卷下\n\n## 附方\n\n### 又方\n\n水煎服。"
    )
    assert clean_text("内容：味辛，微寒。\n属性：寒") == "内容：味辛，微寒。\n属性：寒"


def test_rulers_go_and_results_stay() -> None:
    assert clean_text("Na\n+----+----+\n140\n=====\n* * *\n───────\n140 mmol") == "Na\n140\n140 mmol"
    kept = "| a | b |\n| --- | --- |\n| 1 | 2 |\nProtein\n+++\nBlood\n-\nfollowed...\n..."
    assert clean_text(kept) == kept


def test_copied_lines_go() -> None:
    line = "Take the tablets with a glass of water after meals."
    assert clean_text(f"{line}\nOne.\n{line}\nTwo.\n{line}") == f"{line}\nOne.\nTwo."
    short = "Twice daily.\nAspirin\nTwice daily.\nIbuprofen\nTwice daily."
    assert clean_text(short) == short
    headings = "## Adverse reactions and interactions\n\nA.\n\n## Adverse reactions and interactions\n\nB."
    assert clean_text(headings) == headings


def test_running_headers_go_and_subheadings_stay() -> None:
    halves = [
        (f"The {word} trial enrolled adults with a first stroke and", f"followed {word} of them for a year.")
        for word in ("alpha", "beta", "gamma", "delta", "kappa")
    ]
    paged = "\n".join(f"{first}\nStroke Guideline\n{second}" for first, second in halves)
    assert clean_text(paged).count("Stroke Guideline") == 1
    sections = "\n".join(f"The {word} drug helps.\nSide effects\nIt may cause {word} nausea." for word in "abcde")
    assert clean_text(sections) == sections


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well, " + "I do not know what to say, " * 6 + "he said.", "Well, I do not know what to say, he said."),
        ("答：" + "请注意休息，" * 8 + "谢谢。", "答：请注意休息，谢谢。"),
    ],
)
def test_stutter_is_collapsed(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The repeat " + "CAG" * 40 + " was found.",
        "no no no, very very much",
        "I do not know what to say, " * 3 + "he said.",
        "1.5 mg 1.5 mg 1.5 mg 1.5 mg 1.5 mg 1.5 mg 1.5 mg 1.5 mg 1.5 mg 1.5 mg.",
        "normal | normal | normal | normal | normal | normal | normal | normal | normal",
    ],
)
def test_repetition_that_means_something_stays(text: str) -> None:
    assert clean_text(text) == text
