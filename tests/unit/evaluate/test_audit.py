import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from apollo_ray.cli import app
from apollo_ray.errors import UserError
from apollo_ray.evaluate import repeats
from apollo_ray.evaluate.audit import audit
from apollo_ray.evaluate.reading import read
from apollo_ray.evaluate.settings import StageSettings
from apollo_ray.evaluate.shots import choose_shots

WORDS = [f"{start}{end}" for start in "bcdfgklmnprst" for end in ("ano", "eri", "itu", "osa", "ume", "yxi")]


def item(name, question=None, options=None, answer="A", lang="en", **more):
    words = random.Random(f"{name}").sample(WORDS, 40)
    made = {"id": name, "benchmark": "mini", "lang": lang, "task": "choice", "context": None, "fault": None}
    made["question"] = question or " ".join(words[:12]) + "?"
    made["options"] = options or [" ".join(words[at : at + 3]) for at in range(12, 24, 3)]
    return made | {"letters": list("ABCDE"[: len(made["options"])]), "answer": answer} | more


def reasons(found):
    return {one.id: one.reason for one in found.findings}


def spoofed(number, answer):
    """One item in other words each time, as a broken translation gives it."""
    verb = ["detected", "found", "noticed", "discovered"][number % 4]
    options = ["an intrusion detection system that reads the header", "comparing values of real and spoofed addresses"]
    options += [f"a firewall on the {'local ' * (number % 2)}network", "sessions that were begun and never completed"]
    return item(f"s{number}", f"How is address spoofing {verb}?", options, answer)


def test_one_item_that_stands_in_the_place_of_many_is_corrupted():
    rows = [item(str(number)) for number in range(40)] + [spoofed(at, "ABCD"[at % 4]) for at in range(9)]
    found = audit(rows).by_reason("corrupted")
    assert {name for _, _, name in found} == {f"s{at}" for at in range(9)}
    assert "one of 9 tellings" in next(iter(found.values())).detail


def test_a_pattern_of_questions_is_no_corruption():
    few = [spoofed(at, "ABCD"[at % 4]) for at in range(7)]
    same_answer = [spoofed(at, "A") for at in range(20)]
    assert not audit(few).by_reason("corrupted")
    assert not audit(same_answer).by_reason("corrupted")


def test_repetition_contradiction_and_shared_stems_are_told_apart():
    first = item("1")
    turned = first | {"id": "2", "options": first["options"][::-1], "answer": "D"}  # the same text is right
    stem = item("3", first["question"])
    other = item("4")
    rows = [first, turned, stem, other, other | {"id": "5", "answer": "B"}]
    found = audit(rows)
    expected = {"2": "repeated_item", "3": "shared_stem", "4": "contradicting_golds", "5": "contradicting_golds"}
    assert reasons(found) == expected
    assert {name for _, _, name in found.unfit("strict")} == {"2", "4", "5"}
    assert found.unfit("paper") == {}


def test_dev_in_test_ranges_lengths_and_cut_golds_are_reported():
    five = item("5", options=["a b", "c d", "e f", "g h", "i j"])
    rows = [item("1"), five, item("6", fault="several_answers: 'AB' names more"), item("7", "word " * 900)]
    found = audit(rows, [item("1") | {"id": "dev"}, item("other")])
    assert reasons(found) == {"1": "in_dev", "5": "range_denied", "6": "several_answers", "7": "too_long"}
    assert {name for _, _, name in found.unfit("strict")} == {"6"}
    assert {name for _, _, name in found.unfit("paper")} == {"7"}
    assert not audit([five | {"lang": "fr"}]).findings


def test_figures_are_those_of_fit_items_by_language_and_benchmark():
    rows = [item(str(at), answer="B" if at < 6 else "C") for at in range(10)]
    rows += [item("x", fault="several_answers: 'AB'"), item("f", lang="fr"), item("t") | {"task": "ask"}]
    english, french = audit(rows).cells
    assert (english.lang, english.items, english.unfit, english.golds) == ("en", 11, 1, {"B": 6, "C": 4})
    assert (english.majority_letter, english.majority, english.chance) == ("B", 0.6, 0.25)
    assert (french.lang, french.items) == ("fr", 1)


@given(st.lists(st.text("ab字典语 ", max_size=12), max_size=12))
def test_groups_are_disjoint_and_hold_every_repetition(texts):
    groups = repeats.groups(texts)
    places = [place for group in groups for place in group]
    assert len(places) == len(set(places))
    for one, text in enumerate(texts):
        for other in range(one):
            if texts[other] == text and any(len(word) > 1 for word in text.split()) and text.isascii():
                assert any({one, other} <= set(group) for group in groups)


def test_shots_are_fixed_whatever_the_order_and_share_nothing_with_the_test():
    test = [item(f"t{at}", answer="ABCD"[at % 4]) for at in range(10)]
    dev = [item(f"d{at}", answer="ABCD"[at % 4]) for at in range(12)]
    leaked = test[0] | {"id": "leak"}
    near = item("near", f"Please answer: {test[1]['question']} Be brief.", answer="B")
    long = item("long", "word " * 200)
    pool = [*dev, leaked, near, long, item("cut", fault="several_answers: 'AB'")]
    shots = choose_shots(test, pool, 5)
    assert shots == choose_shots(test, random.Random(1).sample(pool, len(pool)), 5)
    chosen = shots["mini", "en"]
    assert {one["id"] for one in chosen} <= {one["id"] for one in dev}
    assert sorted(one["answer"] for one in chosen[:4]) == list("ABCD")
    assert choose_shots(test, pool, 3)["mini", "en"] == chosen[:3]
    assert choose_shots(test, [], 0) == {("mini", "en"): []}


def test_a_dev_file_that_is_part_of_the_test_gives_no_shots():
    test = [item(f"t{at}") for at in range(10)]
    with pytest.raises(UserError, match="'mini', en: dev has 0 of 4 items that are fit and not in test"):
        choose_shots(test, [one | {"id": f"d{one['id']}"} for one in test[:4]], 3)


@pytest.fixture
def settings(tmp_path):
    def made(test, dev=(), **changes):
        benchmark = {"name": "mini", "task": "choice", "lang": "en", "path": str(tmp_path / "test.jsonl")}
        for name, rows in (("test", test), ("dev", dev)):
            plain = [{key: row[key] for key in ("id", "question", "options")} | {"answer": row["gold"]} for row in rows]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, plain)), encoding="utf-8")
        if dev:
            benchmark["dev"] = str(tmp_path / "dev.jsonl")
        values = {"endpoint": "http://host/v1", "models": ["m"], "benchmarks": [benchmark]} | changes
        return StageSettings.model_validate(values)

    return made


def raw(name, gold="A"):
    return item(name) | {"gold": gold}


def test_strict_leaves_unfit_items_out_and_paper_asks_them(settings):
    test = [raw("1"), raw("1") | {"id": "2"}, raw("3", "AB"), raw("4")]
    strict = read(settings(test))
    assert [one["id"] for one in strict.items] == ["1", "4"]
    assert [(one["id"], one["reason"]) for one in strict.excluded()] == [
        ("2", "repeated_item"),
        ("3", "several_answers"),
    ]
    paper = read(settings(test, protocol="paper"))
    assert [(one["id"], one["answer"]) for one in paper.items] == [(name, "A") for name in "1234"]
    everything = read(settings(test, exclude_unfit=False))
    assert [one["id"] for one in everything.items] == ["1", "2", "4"]  # a cut gold is wrong, so never asked
    assert strict.summary()["mode"] == "strict"


def test_the_limit_counts_items_that_are_asked_and_shots_do_not_depend_on_it(settings):
    test = [raw("1"), raw("1") | {"id": "2"}, raw("3"), raw("4")]
    dev = [raw(f"d{at}", "ABCD"[at % 4]) for at in range(6)]
    reading = read(settings(test, dev, limit=2, shots=3))
    assert [one["id"] for one in reading.items] == ["1", "3"]
    (record,) = reading.summary()["protocol"]["shot_ids"]
    assert record["ids"] == [one["id"] for one in reading.shots_of(reading.items[0])]
    assert reading.chosen == read(settings(test, dev, shots=3)).chosen


def test_paper_shots_come_from_the_test_set(settings):
    reading = read(settings([raw(str(at)) for at in range(9)], protocol="paper", shots=3))
    shots = reading.shots_of(reading.items[0])
    assert len(shots) == 3
    assert reading.items[0] not in shots


def test_strict_shots_need_a_dev_file(settings):
    with pytest.raises(ValueError, match=r"shots: 3 needs benchmarks\.mini\.dev"):
        settings([raw("1")], shots=3)


def test_the_command_prints_the_figures_and_writes_the_findings(settings, tmp_path):
    made = settings([raw("1"), raw("1") | {"id": "2"}, raw("3", "AB")])
    step = {"stage": "evaluate"} | made.model_dump(mode="json", include={"endpoint", "models", "benchmarks"})
    config = {"run": "try", "store": str(tmp_path / "store"), "steps": {"exam": step}}
    (tmp_path / "run.yaml").write_text(json.dumps(config), encoding="utf-8")  # JSON is YAML
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "run.yaml"), "exam", "--findings", "1"])
    assert done.exit_code == 0, done.output
    assert "exam: 1 of 3 items are asked" in done.output
    assert "repeated_item: mini, en, 2: as 1" in done.output
    written = json.loads((tmp_path / "store" / "audits" / "try-exam.json").read_text())
    assert [one["id"] for one in written["excluded"]] == ["2", "3"]
    assert written["cells"][0]["unfit"] == 2
    assert CliRunner().invoke(app, ["audit", str(tmp_path / "run.yaml"), "other"]).exit_code != 0


COUNTS = {  # of the part of the files that is here, a good 80 %
    "ar": {"corrupted": 163, "in_dev": 44},
    "hi": {"in_dev": 43},
    "es": {"in_dev": 105},
    "fr": {"in_dev": 14},
    "zh": {"in_dev": 132},
}


@pytest.mark.parametrize("lang", COUNTS)
def test_what_is_known_of_the_published_benchmark_is_found(shared_data, lang):
    folder = shared_data / "eval"
    benchmark = {"name": "xmed", "task": "choice", "path": f"{folder}/xmedbench_test_{lang}.jsonl", "per_source": True}
    benchmark["dev"] = f"{folder}/xmedbench_dev_{lang}.jsonl"
    values = {"endpoint": "http://host/v1", "models": ["m"], "benchmarks": [benchmark]}
    found = read(StageSettings.model_validate(values)).audit
    (cell,) = found.cells
    expected = {"corrupted": 0, **COUNTS[lang]}
    assert {reason: cell.reasons.get(reason, 0) for reason in expected} == expected
    rows = [json.loads(line) for line in (folder / f"xmedbench_test_{lang}.jsonl").open(encoding="utf-8")]
    assert {name for *_, name in found.by_reason("corrupted")} == {row["id"] for row in rows if row.get("suspect")}
    with pytest.raises(UserError, match="dev has 0 of"):
        read(StageSettings.model_validate(values | {"shots": 3}))
