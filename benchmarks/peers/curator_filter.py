"""NeMo Curator: eight of its heuristics on its Ray Data backend, read and written as JSON Lines."""

import sys

from nemo_curator.backends.ray_data import RayDataExecutor
from nemo_curator.core.client import RayClient
from nemo_curator.pipeline import Pipeline
from nemo_curator.stages.text.filters import ScoreFilter
from nemo_curator.stages.text.filters.heuristic import (
    BulletsFilter,
    EllipsisFilter,
    MeanWordLengthFilter,
    NonAlphaNumericFilter,
    NumbersFilter,
    SymbolsToWordsFilter,
    WordCountFilter,
    WordsWithoutAlphabetsFilter,
)
from nemo_curator.stages.text.io.reader import JsonlReader
from nemo_curator.stages.text.io.writer import JsonlWriter

if __name__ == "__main__":
    source, target = sys.argv[1:3]
    client = RayClient(num_cpus=2, num_gpus=0)
    client.start()
    filters = [
        WordCountFilter(),
        MeanWordLengthFilter(),
        NonAlphaNumericFilter(),
        SymbolsToWordsFilter(),
        NumbersFilter(),
        BulletsFilter(),
        EllipsisFilter(),
        WordsWithoutAlphabetsFilter(),
    ]
    stages = [JsonlReader(source), *[ScoreFilter(one, text_field="text") for one in filters], JsonlWriter(target)]
    Pipeline(name="heuristics", stages=stages).run(RayDataExecutor())
    client.stop()
