"""Turns and texts to tokens: what is trained, and what a chat template must be to be used."""

import functools
from collections.abc import Callable

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.mix.template import (
    PROBE,
    Apollo,
    Chat,
    Exchange,
    TemplateError,
    check_chat,
    cut_text,
    encode_conversations,
)

END, CLOSED = 0, 1  # special tokens of the tokenizer below
CHATML = (
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def encode(texts: list[str]) -> list[list[int]]:
    """A token a character, but one for `</s>`."""
    return [[ord(character) for character in text.replace("</s>", chr(CLOSED))] for text in texts]


def words(ids: list[int]) -> str:
    return "".join("<end>" if i == END else "</s>" if i == CLOSED else chr(i) for i in ids)


def chat(template: str) -> Chat:
    compiled = jinja2.Environment(autoescape=False).from_string(template)
    render = lambda messages, asking: compiled.render(messages=messages, add_generation_prompt=asking)  # noqa: E731
    return Chat(render, frozenset({END, CLOSED}))


def encoded(turns: list[str], template: Apollo | Chat) -> list[Exchange]:
    found = encode_conversations([turns], template, encode)[0]
    assert isinstance(found, list)
    return found


def trained(exchanges: list[Exchange]) -> list[str]:
    return [words(exchange.ids[exchange.start : exchange.end]) for exchange in exchanges]


def test_apollo_trains_answers_and_the_end_of_every_turn() -> None:
    found = encoded(["q1", "a1", "q2", "a2"], Apollo(END))
    assert "".join(words(e.ids) for e in found) == "User:q1\nAssistant:a1<end>\nUser:q2\nAssistant:a2<end>"
    assert trained(found) == ["a1<end>", "a2<end>"]


def test_chat_trains_answers_and_what_closes_them() -> None:
    found = encoded(["q1", "a1", "q2", "a2"], chat(CHATML))
    assert "".join(words(e.ids) for e in found) == (
        "<s>user\nq1</s>\n<s>assistant\na1</s>\n<s>user\nq2</s>\n<s>assistant\na2</s>\n"
    )
    assert trained(found) == ["a1</s>", "a2</s>"], "the line feed after it is not the model's to write"


@given(st.lists(st.text(max_size=9), min_size=1, max_size=5), st.sampled_from(["apollo", "chat"]))
def test_the_beginning_of_a_conversation_is_written_as_the_whole(turns: list[str], name: str) -> None:
    """What splitting rests on: the first exchanges alone have the tokens that they have in the whole."""
    template = Apollo(END) if name == "apollo" else chat(CHATML)
    turns = [turn for text in turns for turn in (text, text[::-1])]
    whole = encoded(turns, template)
    for number in range(1, len(whole) + 1):
        assert encoded(turns[: 2 * number], template) == whole[:number]


def test_no_token_straddles_the_border_of_a_mask() -> None:
    """A tokenizer that would merge the colon with the answer's bracket is never shown both at once."""
    shown: list[str] = []

    def merging(texts: list[str]) -> list[list[int]]:
        shown.extend(texts)
        return [[ord(character) for character in text.replace(":(", "\x7f")] for text in texts]

    found = encode_conversations([["q", "(B)"]], Apollo(END), merging)[0]
    assert isinstance(found, list)
    assert trained(found) == ["(B)<end>"]
    assert not [text for text in shown if ":(" in text]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        # Qwen3 strips what it calls thinking from all answers but the last.
        (
            CHATML.replace("{{ m.content }}", "{{ '<think></think>' if loop.last else '' }}{{ m.content }}"),
            "begin with",
        ),
        (CHATML + "The end.", "begin with"),
        (CHATML.replace("<s>assistant\n{% endif", "<s>model\n{% endif"), "begin with"),
        (CHATML.replace("</s>", "."), "no special token closes"),
    ],
)
def test_templates_that_cannot_be_trained_on_are_refused(template: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        check_chat(chat(template), encode)


def test_templates_that_can_are_not() -> None:
    begun = "<b>" + CHATML.replace("</s>\n", "</s>")
    for template in (CHATML, begun):
        check_chat(chat(template), encode)
    assert len(PROBE) == 4


def test_one_conversation_that_a_template_refuses_does_not_stop_the_others() -> None:
    def render(plain: Callable[..., str], messages: list[dict[str, str]], asking: bool) -> str:
        if "no" in messages[0]["content"]:
            raise TemplateError("it refuses these turns")
        return plain(messages, asking)

    template = Chat(functools.partial(render, chat(CHATML).render), frozenset({CLOSED}))
    found = encode_conversations([["q", "a"], ["no", "b"], ["r", "c"]], template, encode)
    assert [isinstance(item, TemplateError) for item in found] == [False, True, False]
    assert trained(found[2]) == ["c</s>"]


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(2, 12))
def test_plain_text_is_cut_without_loss(ids: list[int], length: int) -> None:
    pieces = cut_text(ids, END, length)
    assert [token for piece in pieces for token in piece] == [*ids, END]
    assert all(len(piece) <= length for piece in pieces)
    assert pieces[-1][-1] == END
    assert len(pieces) == 1 or len(pieces[-1]) > 1, "an end token alone would be lost: nothing predicts it"
