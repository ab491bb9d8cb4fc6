"""Packing on lengths: against a plain packer of the same rule, and within its bounds on anything."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apollo_ray.mix.pack import ROOM_FOR_MORE, TOLERATED, TRIED, pack


def plain(lengths: list[int], capacity: int, window: int) -> list[int]:
    """The rule of pack.py on lists that are searched from end to end."""
    found = [-1] * len(lengths)
    waiting = list(range(len(lengths)))[:window]  # oldest first
    entered = len(waiting)
    sequence = 0
    while waiting:
        room = capacity
        more = ROOM_FOR_MORE * sum(lengths[place] for place in waiting) // len(waiting)
        while fitting := [place for place in waiting if lengths[place] <= room]:
            chosen = waiting[0]
            if room < capacity and lengths[chosen] > room - more:
                chosen = closing(lengths, waiting, fitting, room, more, int(capacity * TOLERATED))
            waiting.remove(chosen)
            found[chosen] = sequence
            room -= lengths[chosen]
            if entered < len(lengths):
                waiting.append(entered)
                entered += 1
        sequence += 1
    return found


def closing(lengths: list[int], waiting: list[int], fitting: list[int], room: int, more: int, tolerated: int) -> int:
    def longest(places: list[int], limit: int) -> int:
        return max((lengths[place] for place in places if lengths[place] <= limit), default=0)

    best = next(place for place in fitting if lengths[place] == longest(fitting, room))
    least = room - lengths[best]
    for place in waiting[:TRIED]:
        if least <= tolerated:
            break
        left = room - lengths[place]
        if left >= more:
            return place
        if left >= 0:
            left -= longest([other for other in waiting if other != place], left)
            if left < least:
                best, least = place, left
    return best


LENGTHS = st.lists(st.integers(1, 2_048), max_size=60) | st.lists(st.integers(1, 40), max_size=150)


@given(LENGTHS, st.integers(1, 40), st.sampled_from([2_048, 3_000, 10_000]))
def test_it_packs_as_a_plain_packer_does(lengths: list[int], window: int, capacity: int) -> None:
    assert pack(np.array(lengths, np.int32), capacity, window).tolist() == plain(lengths, capacity, window)


@given(LENGTHS, st.integers(1, 40))
def test_every_example_is_in_one_sequence_that_holds_it(lengths: list[int], window: int) -> None:
    found = pack(np.array(lengths, np.int32), 2_048, window)
    assert len(found) == len(lengths)
    if lengths:
        assert sorted(set(found.tolist())) == list(range(found.max() + 1)), "none is empty"
        assert np.bincount(found, np.array(lengths)).max() <= 2_048


@given(LENGTHS, st.integers(1, 40))
def test_the_order_bends_by_no_more_than_the_window(lengths: list[int], window: int) -> None:
    found = pack(np.array(lengths, np.int32), 2_048, window)
    first = [int(np.flatnonzero(found == sequence)[0]) for sequence in range(found.max(initial=-1) + 1)]
    assert first == sorted(first), "sequences begin in the order of the stream"
    for place, sequence in enumerate(found):
        older = int((found[:place] > sequence).sum())
        assert older < window, "taken only while it is among the oldest that are left"
        passed = sum(start > place for start in first[:sequence])
        assert passed == 0, "no sequence begins with an example while an older one waits"


def test_one_at_a_time_keeps_the_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 500).astype(np.int32)
    found = pack(lengths, 300, 1)
    assert (np.diff(found) >= 0).all()


def test_lengths_that_fit_no_sequence_are_refused() -> None:
    for wrong in ([0], [301], [5, -1]):
        with pytest.raises(ValueError, match="allowed are 1 to 300"):
            pack(np.array(wrong, np.int32), 300, 8)
    assert pack(np.zeros(0, np.int32), 300, 8).tolist() == []


def padding(lengths: np.ndarray, capacity: int, window: int) -> float:
    return 1 - lengths.sum() / ((pack(lengths, capacity, window).max() + 1) * capacity)


def test_little_is_padded() -> None:
    rng = np.random.default_rng(0)
    for lengths in (rng.integers(2, 1_500, 20_000), np.minimum(4_096, rng.lognormal(5.5, 1, 20_000)) + 1e-9):
        assert padding(lengths.astype(np.int32), 4_096, 256) < 0.002


def test_less_than_a_hundredth_is_padded_on_real_data(shared_data: Path) -> None:
    """Questions and answers and plain text, by UTF-8 bytes at three a token, in sequences of 4,096 tokens."""
    lengths = []
    for file in sorted((shared_data / "starter").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            text = row.get("text") or "".join(map(str, row.get("conversations", [])))
            tokens = len(text.encode()) // 3 + 1
            lengths += [4_096] * (tokens // 4_096) + [tokens % 4_096 or 1]
    shuffled = np.random.default_rng(0).permutation(np.array(lengths, np.int32))
    assert len(shuffled) > 1_000
    assert padding(shuffled, 4_096, 256) < 0.01
