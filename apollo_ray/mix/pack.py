"""Best-fit packing in a bounded window: documents keep their borders, and the order bends by at most the window."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apollo_ray.records import IGNORED


@dataclass
class Sequence:
    """One packed row: ids, labels (-100: no loss) and positions, which start again at 0 with every document."""

    input_ids: list[int] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)

    def add(self, ids: list[int], labels: list[int]) -> None:
        self.input_ids += ids
        self.labels += [IGNORED, *labels[1:]]  # nothing before a document's first token may predict it
        self.position_ids += range(len(ids))


def pack(examples: Iterable[tuple[list[int], list[int]]], length: int, window: int) -> Iterator[Sequence]:
    """Sequences of at most `length` tokens from (ids, labels) examples that fit each by itself.

    An example goes where the least room is left after it. At most `window` sequences are open; the oldest closes first,
    so sequences come out in the order in which they were opened.
    """
    opened: list[Sequence] = []
    for ids, labels in examples:
        assert 0 < len(ids) <= length, f"an example of {len(ids)} tokens does not fit into {length}"
        room = length - len(ids)
        fitting = [sequence for sequence in opened if len(sequence.input_ids) <= room]
        if fitting:
            target = max(fitting, key=lambda sequence: len(sequence.input_ids))
        else:
            target = Sequence()
            opened.append(target)
        target.add(ids, labels)
        if len(opened) > window:
            yield opened.pop(0)
    yield from opened
