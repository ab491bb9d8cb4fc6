import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.evaluate.score import choose, continuation_logprob, continuation_start

LETTERS = ("A", "B", "C", "D")


def test_only_tokens_of_the_continuation_count():
    assert continuation_logprob([None, -1.0, -2.0, -4.0], [0, 4, 8, 10], 8) == (-6.0, 2)


def test_a_token_over_the_border_counts_whole():
    assert continuation_logprob([None, -1.0, -2.0, -4.0], [0, 4, 8, 10], 9) == (-6.0, 2)
    assert continuation_logprob([None, -1.0], [0, 4], 9) == (-1.0, 1)


def test_pieces_of_one_character_share_an_offset_and_all_count():
    assert continuation_logprob([None, -1.0, -2.0, -4.0], [0, 3, 3, 3], 3) == (-7.0, 3)
    assert continuation_logprob([None, -1.0, -2.0, -4.0, -8.0], [0, 3, 3, 3, 4], 4) == (-8.0, 1)


@pytest.mark.parametrize(
    ("logprobs", "offsets", "border"),
    [([None], [0], 0), ([None, math.nan], [0, 3], 3), ([None, -math.inf], [0, 3], 3), ([], [], 0), ([-1.0], [0, 1], 0)],
)
def test_what_has_no_log_probability_is_an_error(logprobs, offsets, border):
    with pytest.raises(ValueError, match=r"log probabilit|no token"):
        continuation_logprob(logprobs, offsets, border)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=20), st.data())
def test_the_two_sides_of_a_border_between_tokens_make_the_whole(lengths, data):
    offsets = [sum(lengths[:at]) for at in range(len(lengths))]
    logprobs = [-float(at + 1) for at in range(len(lengths))]
    place = data.draw(st.integers(0, len(lengths) - 1))
    total, number = continuation_logprob(logprobs, offsets, offsets[place])
    assert number == len(lengths) - place
    assert total == sum(logprobs[place:])


@pytest.mark.parametrize(
    ("tokens", "offsets", "start"),
    [
        (["User:é", ":", "x", "y"], [0, 6, 7, 8], 7),
        (["<s>", "User:é", ":", "x", "y"], [0, 3, 9, 10, 11], 10),  # a start token that is counted
        (["User:é", ":x", "y"], [0, 6, 8], 7),  # a token over the border
        (["User:", "\ufffd", "\ufffd", ":", "x", "y"], [0, 5, 6, 7, 8, 9], None),  # a character counted twice
        (["User:", "id:7", "id:8", ":", "x", "y"], [0, 5, 9, 13, 14, 15], None),
        (["User:", "\ufffd", "\ufffd", ":", "x", "y"], [0, 5, 5, 6, 7, 8], 7),
        (["User:é", ":", "x", "y"], [0, 6, 7], None),
        (["User:é", ":", "x", "y"], [1, 6, 7, 8], None),
        (["User:é", ":", "x", "y"], [0, 7, 6, 8], None),
        ([], [], None),
    ],
)
def test_offsets_that_do_not_count_characters_are_noticed(tokens, offsets, start):
    assert continuation_start("User:é:", "xy", tokens, offsets) == start


def test_the_likeliest_letter_is_chosen_and_the_first_of_equals():
    assert choose([-3.0, -1.0, -2.0, -4.0], LETTERS) == "B"
    assert choose([-3.0, -1.0, -1.0, -4.0], LETTERS) == "B"
