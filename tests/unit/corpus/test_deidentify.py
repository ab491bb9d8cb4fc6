import importlib.util
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apollo_ray.corpus.deidentify import PLACEHOLDER, TYPES, Span, deidentify, find
from apollo_ray.records import LANGUAGES

ROOT = Path(__file__).resolve().parents[3]
PHI = ROOT / "tests" / "fixtures" / "phi"


def one(text: str, lang: str | None) -> str:
    return deidentify([text], lang)[0][0]


@pytest.mark.parametrize(
    ("lang", "text", "cleaned"),
    [
        # names: titles, headers, introductions, roles
        ("en", "Seen by Dr. Helen Carter today.", "Seen by Dr. [NAME_1] today."),
        ("en", "Patient name: olga petrova\nDiagnosis: asthma", "Patient name: [NAME_1]\nDiagnosis: asthma"),
        ("es", "Acude la Sra. Pilar Ochoa de la Vega.", "Acude la Sra. [NAME_1]."),
        ("es", "me llamo Iván Soto, tengo fiebre", "me llamo [NAME_1], tengo fiebre"),
        ("fr", "Vu par M. Ousmane Traoré hier.", "Vu par M. [NAME_1] hier."),
        ("fr", "Nom : Lefebvre\nÂge : 40 ans", "Nom : [NAME_1]\nÂge : 40 ans"),
        ("zh", "王医生您好，我叫李建华。", "[NAME_1]医生您好，我叫[NAME_2]。"),
        ("zh", "患者张某，男，45岁。姓名：刘晓梅", "患者[NAME_1]，男，45岁。姓名：[NAME_2]"),
        ("hi", "डॉ. अनिल वर्मा ने देखा।", "डॉ. [NAME_1] ने देखा।"),
        ("hi", "रोगी का नाम: सुनीता शर्मा", "रोगी का नाम: [NAME_1]"),
        ("ar", "قال الدكتور سامر حداد إن الحالة مستقرة", "قال الدكتور [NAME_1] إن الحالة مستقرة"),
        ("ar", "اسم المريض: سلمى عبد الرحمن", "اسم المريض: [NAME_1]"),
        # addresses
        ("en", "Address: 14 Mill Lane, Leeds LS2 9JT\nCough.", "Address: [ADDRESS_1]\nCough."),
        ("es", "Vive en Calle Mayor 45, 50001 Zaragoza.", "Vive en [ADDRESS_1]."),
        ("fr", "Elle habite 12 rue des Tilleuls, 69003 Lyon.", "Elle habite [ADDRESS_1]."),
        ("zh", "住址：上海市徐汇区天平路320弄5号", "住址：[ADDRESS_1]"),
        ("ar", "العنوان: شارع الملك فهد، مبنى 27", "العنوان: [ADDRESS_1]"),
        ("hi", "पता: मकान नं. 27, गांधी नगर, जयपुर 302015", "पता: [ADDRESS_1]"),
        # dates and great ages
        ("en", "DOB: 03/14/1962", "DOB: [DATE_1]"),
        ("es", "Fecha de ingreso: 3 de marzo de 2021", "Fecha de ingreso: [DATE_1]"),
        ("fr", "Né le 1er mars 1958, IPP 800442917", "Né le [DATE_1], IPP [RECORD_1]"),
        ("zh", "患者于2019年3月4日入院，住院号：00482917", "患者于[DATE_1]入院，住院号：[RECORD_1]"),
        ("hi", "जन्म तिथि: १४/०३/१९६२", "जन्म तिथि: [DATE_1]"),
        ("ar", "تاريخ الميلاد: ١٤/٠٣/١٩٦٢", "تاريخ الميلاد: [DATE_1]"),
        ("ar", "دخلت المريضة المستشفى في 12 رمضان 1442هـ", "دخلت المريضة المستشفى في [DATE_1]"),
        ("en", "The patient is a 94-year-old man.", "The patient is a [AGE]-year-old man."),
        ("fr", "Patiente de 94 ans.", "Patiente de [AGE] ans."),
        ("zh", "女，93岁", "女，[AGE]岁"),
        # numbers, wires, plates
        ("en", "Call (415) 555-2671 or +44 20 7946 0018.", "Call [PHONE_1] or [PHONE_2]."),
        ("zh", "我的手机号是154-0000-0142。", "我的手机号是[PHONE_1]。"),
        ("ar", "جوال: ٠٥٥١٢٣٤٥٦٧", "جوال: [PHONE_1]"),
        ("en", "Write to ana.lopez+x@mail.example.org, or (bob@example.com).", "Write to [EMAIL_1], or ([EMAIL_2])."),
        ("en", "See https://p.example.org/patients/88213 now", "See [URL_1] now"),
        ("es", "NHC 2291047, DNI 45871236J", "NHC [RECORD_1], DNI [ID_1]"),
        ("hi", "आधार संख्या: 2985 7364 1207", "आधार संख्या: [ID_1]"),
        ("en", "logged in from 192.168.14.27", "logged in from [IP_1]"),
        ("fr", "véhicule immatriculé AB-482-KX", "véhicule immatriculé [PLATE_1]"),
        ("en", "IBAN GB82 WEST 1234 5698 7654 32", "IBAN [IBAN_1]"),
        ("es", "pago con tarjeta 5413 3300 0012 3456", "pago con tarjeta [CARD_1]"),
        ("es", "Instagram: @diario_con_lupus", "Instagram: [HANDLE_1]"),
    ],
)
def test_personal_data_become_placeholders(lang: str, text: str, cleaned: str) -> None:
    assert one(text, lang) == cleaned


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("en", "MR imaging; the Mr score; Down syndrome and Parkinson's disease; doctor, nurse."),
        ("en", "Patient: I have chest pain. Doctor: Since when?"),
        ("en", "Name: Aspirin. Dose 90 mg, 95 % of patients, over 90 years of age."),
        ("en", "Brand name: Calpol. The address of the problem: prevention."),
        ("en", "The pandemic was declared on 11 March 2020; the 2019 guidelines; since 1998."),
        ("en", "about 150 000 000 people, 2019-2020, a dose of 2.5-5 mg, pH 7.35-7.45, 120/80"),
        ("en", "Lancet 2004;364:331-337. doi:10.1016/S0140-6736(04)16724-X ISBN 978-0-323-35317-5 PMID: 24652791"),
        ("en", "version 2.13.0.1, EC 3.4.21.5, CAS 50-78-2, rs1801133, @ 37 degrees"),
        ("en", "See https://www.who.int/news-room/fact-sheets/detail/malaria"),
        ("en", "Card 4532 0151 1283 0367; IBAN GB83 WEST 1234 5698 7654 32"),  # check digits off by one
        ("es", "vitamina D. Los pacientes de más de 90 años; mayores de 95 años; hace 90 años"),
        ("es", "la calle, el médico y la cama; 12.345.678 habitantes; D. Los"),
        ("fr", "M. tuberculosis et M. pneumoniae ; depuis 95 ans ; le lit et la chambre"),
        ("zh", "2019年指南；全科医生和主任医师查房；血小板4万；谢谢医生；90分以上"),
        ("zh", "患者男，62岁，口服二甲双胍850 mg；90岁以上人群"),
        ("hi", "डॉक्टर से मिलें; मधुमेह का पता जांच से चलता है; 90 दिन तक; श्री लंका"),
        ("ar", "أوصى الطبيب بالراحة؛ الدكتور المعالج؛ لمدة 90 يوما؛ منذ عام 1998"),
    ],
)
def test_medical_text_survives(lang: str, text: str) -> None:
    assert one(text, lang) == text


def test_a_document_is_consistent_over_its_texts() -> None:
    texts = [
        "Letter about Mrs Margaret Whitlock",
        "Mrs Whitlock rang 555-0142. Dr. Osei saw her.",
        "Whitlock: 555 0142.",
    ]
    cleaned, counts = deidentify(texts, "en")
    assert cleaned[0] == "Letter about Mrs [NAME_1]"
    assert cleaned[1].startswith("Mrs [NAME_1] rang ")
    assert "Dr. [NAME_2] saw her" in cleaned[1]
    assert cleaned[2].startswith("[NAME_1]: ")
    assert counts["NAME"] == 4


@pytest.mark.parametrize("eponym", ["Parkinson's disease", "the Parkinson patients", "signs of Parkinson"])
def test_a_surname_that_medicine_uses_is_not_replaced_on_re_mention(eponym: str) -> None:
    assert one(f"Dr. James Parkinson spoke of {eponym}.", "en") == f"Dr. [NAME_1] spoke of {eponym}."


def test_common_words_are_not_replaced_on_re_mention() -> None:
    assert one("Dr. Ann Young came. Young patients waited.", "en") == "Dr. [NAME_1] came. Young patients waited."


def test_placeholders_stay_and_their_numbers_are_not_given_anew() -> None:
    cleaned, counts = deidentify(["[NAME_3] and [AGE] met Dr. Alan Moss"], "en")
    assert cleaned == ["[NAME_3] and [AGE] met Dr. [NAME_4]"]
    assert counts == Counter(NAME=1)


@pytest.mark.parametrize(("clinical", "text"), [(True, "on [DATE_1] in Berlin"), (False, "on 8 May 1945 in Berlin")])
def test_clinical_text_loses_its_uncued_dates(clinical: bool, text: str) -> None:
    original = "on 8 May 1945 in Berlin"
    spans = find(original, "en", clinical=clinical)
    assert [original[s.start : s.end] for s in spans] == (["8 May 1945"] if "DATE" in text else [])


def test_dates_of_a_reference_list_stay_in_a_record() -> None:
    text = "MRN: 00482917. Retrieved 12 May 2020. Circulation 2020-05-12;5(2)."
    assert one(text, "en") == text.replace("00482917", "[RECORD_1]")


def test_an_unknown_language_uses_the_cues_of_all_six() -> None:
    text = "NHC: 2291047 / 住院号：00482917 / رقم الملف: 771203"
    for lang in (None, "pt"):
        assert one(text, lang) == "NHC: [RECORD_1] / 住院号：[RECORD_2] / رقم الملف: [RECORD_3]"


pieces = st.sampled_from(
    ["Dr. ", "Helen ", "Carter", "Mr ", "MRN: ", "tel ", "12", "3456", "03/04/2020", " 94-year-old", "@", "a@b.co", "\n",
     "患者", "张某", "医生", "姓名：", "डॉ. ", "वर्मा", "الدكتور ", "أحمد", "رقم الملف: ", "٠١٢", "[NAME_1]", "[PHONE_2]",
     "[", "]", "NAME", " ", ".", ",", "：", "\0", "\ud800", "Calle Mayor 4", "né le ", "IP 10.20.30.40", "+", "-"]
)  # fmt: skip
documents = st.lists(st.one_of(st.text(max_size=40), st.lists(pieces, max_size=14).map("".join)), max_size=3)


@settings(max_examples=300)
@given(documents, st.sampled_from([*LANGUAGES, None, "xx"]))
def test_it_never_raises_and_a_second_pass_changes_nothing(texts: list[str], lang: str | None) -> None:
    cleaned, counts = deidentify(texts, lang)
    assert len(cleaned) == len(texts)
    assert set(counts) <= set(TYPES)
    assert deidentify(cleaned, lang) == (cleaned, Counter())
    before, after = (sum(len(PLACEHOLDER.findall(text)) for text in some) for some in (texts, cleaned))
    assert after == before + counts.total()


@settings(max_examples=200)
@given(st.lists(pieces, max_size=20).map("".join), st.sampled_from(LANGUAGES))
def test_spans_are_sorted_apart_and_off_the_placeholders(text: str, lang: str) -> None:
    spans = find(text, lang)
    taken = [match.span() for match in PLACEHOLDER.finditer(text)]
    assert all(0 <= s.start < s.end <= len(text) and s.type in TYPES for s in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    assert not any(s.start < end and start < s.end for s in spans for start, end in taken)


@pytest.mark.parametrize(
    "unit", ["1", "A", "Dr. Ab ", "@", ": ", "12-", "张某", "http://", "\0", "1 May 2020 ", "Name: "]
)
def test_long_monotonous_text_is_no_trap(unit: str) -> None:
    find(unit * (60_000 // len(unit)), None)


def test_an_engine_adds_to_the_rules_and_gives_way_to_them() -> None:
    class Finder:
        def find(self, text: str, lang: str | None) -> list[Span]:
            return [Span(m, m + 5, "NAME") for m in range(len(text)) if text.startswith("Nadia", m)] + [
                Span(0, len(text), "ADDRESS"),
                Span(-3, 2, "NAME"),
            ]

    cleaned, counts = deidentify(["Nadia, MRN 00482917", "and Nadia"], "en", Finder())
    assert cleaned == ["[NAME_1], MRN [RECORD_1]", "and [NAME_1]"]
    assert counts == Counter(NAME=2, RECORD=1)


def test_phonenumbers_and_stdnum_are_imported_at_first_need() -> None:
    code = (
        "import sys; from apollo_ray.corpus.deidentify import deidentify; deidentify(['A fever of 38.5, BP 120/80.'], 'en');"
        "sys.exit(any(m.split('.')[0] in ('phonenumbers', 'stdnum', 'transformers', 'torch') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_deidentify", ROOT / "benchmarks" / "deidentify.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("split", ["tune", "test"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_labelled_notes_are_found(benchmark: ModuleType, lang: str, split: str) -> None:
    score = benchmark.score_labelled(PHI / f"{lang}.jsonl", split)
    assert score.hit.total() >= 0.95 * score.gold.total() > 0
    assert score.right.total() >= 0.95 * score.found.total() > 0


def test_headers_of_spanish_records_are_found(benchmark: ModuleType, shared_data: Path) -> None:
    score = benchmark.score_headers(shared_data / "raw" / "meddocan_es.jsonl", 60)
    assert score.hit.total() >= 0.97 * score.gold.total() > 0
    assert score.right.total() >= 0.95 * score.found.total()
