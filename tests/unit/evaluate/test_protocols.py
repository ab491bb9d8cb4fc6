import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate import protocols, published


def item(lang="en", number=4, name="1", answer="B", **more):
    letters = list("ABCDE"[:number])
    texts = ["one", "two", "three", "four", "five"][:number]
    made = {"id": name, "benchmark": "mini", "lang": lang, "context": None, "question": f"Q{name}?"}
    return made | {"letters": letters, "options": texts, "answer": answer} | more


@given(st.integers(2, 5), st.integers(0, 9), st.sampled_from(["strict", "paper"]))
def test_a_rotation_moves_the_options_and_every_letter_finds_its_own_back(number, rotation, protocol):
    one = item(number=number)
    ask = protocols.choice_ask(one, protocol, rotation=rotation)
    assert sorted(ask.order) == list(range(number))
    for place, letter in enumerate(ask.letters):
        shown = f"{letter}. {one['options'][ask.order[place]]}" if protocol == "strict" else None
        assert shown is None or f"\n{shown}\n" in ask.prompt
        text = f"The answer is ({letter})."
        own = protocols.read_letter(text, ask, one, protocol)
        assert one["options"][one["letters"].index(own)] == one["options"][ask.order[place]]
        assert letter in ask.continuations[place]


def test_all_rotations_show_each_option_at_each_place_once():
    orders = [protocols.choice_ask(item(), "strict", rotation=rotation).order for rotation in range(4)]
    assert orders[0] == (0, 1, 2, 3)
    for place in range(4):
        assert {order[place] for order in orders} == {0, 1, 2, 3}


def test_strict_reads_a_restated_option_as_it_is_displayed():
    ask = protocols.choice_ask(item(), "strict", rotation=1)
    assert protocols.read_letter("two", ask, item(), "strict") == "B"
    assert protocols.read_letter("A. two", ask, item(), "strict") == "B"
    assert protocols.read_letter("A. one", ask, item(), "strict") is None


def test_paper_asks_chinese_in_english_after_chinese_shots():
    prompt = published.prompt(item("zh"), [item("zh", name="2")])
    shot, asked = prompt.split("<|endoftext|>\n")
    options = "(A) one\n(B) two\n(C) three\n(D) four\nAssistant:"
    assert shot.startswith("User:您是一名医生")
    assert shot.endswith(f"\n问题: Q2?\n选项:\n{options}正确答案是(B).")
    assert asked.startswith("User:You are a medical doctor")
    assert asked.endswith(f"\nQuestion: Q1?\nOptions:\n{options}")


def test_paper_puts_the_arabic_gold_before_the_phrase_and_asks_for_arabic_letters():
    prompt = published.prompt(item("ar"), [item("ar", name="2")], end_of_shot="<eos>")
    assert "\nAssistant:(B)الإجابة الصحيحة هي.<eos>\n" in prompt
    assert "من أ إلى د" in prompt


def test_paper_knows_the_wording_of_each_language_and_of_pubmedqa():
    for lang, part in {"es": "pregunta: Q1?\nOpciones:\n", "fr": "Possibilités:\n", "hi": "सवाल: Q1?\n"}.items():
        assert part in published.prompt(item(lang))
    assert "सही उत्तर है(B)." in published.prompt(item("hi"), [item("hi")])
    assert "‘maybe’ if" in published.prompt(item(context="A trial."))
    assert "\nContext: A trial. \nQuestion: Q1?\n" in published.prompt(item(context="A trial."))


def test_paper_drops_shots_that_do_not_fit():
    long = item(name="2", question="x" * 3800)
    assert published.prompt(item(), [long, item(name="3")]) == published.prompt(item(), [item(name="3")])


def test_paper_draws_shots_from_the_test_set_without_the_item():
    items = [item(name=str(number)) for number in range(20)]
    drawn = [published.draw_shots(one, items, 3) for one in items]
    assert all(len(shots) == 3 and one not in shots for one, shots in zip(items, drawn, strict=True))
    assert drawn == [published.draw_shots(one, items, 3) for one in items]
    assert len({shot["id"] for shots in drawn for shot in shots}) > 10
    assert published.draw_shots(items[0], items[:2], 3) == [items[1]]


@pytest.mark.parametrize(
    ("text", "letter"),
    [  # what the published function answered for these
        ("Answer: B", "A"),
        ("I Cannot answer, but D", "C"),
        ("As an AI I do not know", "A"),
        ("Clearly option (a) is incorrect; the answer is (b).", "A"),
        ("Desafortunadamente no puedo", "D"),
        ("(b) or (c), rather (c)", "C"),
        ("\n\nThe answer is (D).\n(A)", "D"),
        ("（Ｂ）", None),
        ("（B）", "B"),
        ("F", "F"),
        ("Yes.", "A"),
        ("No.", "B"),
        ("ب", None),
        ("", None),
    ],
)
def test_paper_reads_as_the_published_scripts(text, letter):
    assert published.read_letter(text) == letter
