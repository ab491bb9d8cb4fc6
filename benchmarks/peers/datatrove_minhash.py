"""datatrove: near-duplicates by MinHash, its four stages, 14 bands of 8, word 5-grams."""

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from datatrove.utils.hashing import HashConfig

if __name__ == "__main__":
    source, target = sys.argv[1:3]
    config = MinhashConfig(hash_config=HashConfig(precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5)

    def run(name, pipeline, tasks, workers):
        LocalPipelineExecutor(
            pipeline=pipeline, tasks=tasks, workers=workers, logging_dir=f"{target}/logs/{name}", start_method="fork"
        ).run()

    def reader():
        return JsonlReader(source, glob_pattern="*.jsonl")

    run("sign", [reader(), MinhashDedupSignature(f"{target}/signatures", config=config, language="eng")], 2, 2)
    run("bucket", [MinhashDedupBuckets(f"{target}/signatures", f"{target}/buckets", config=config)], 14, 2)
    run("cluster", [MinhashDedupCluster(f"{target}/buckets", f"{target}/remove", config=config)], 1, 1)
    kept = JsonlWriter(f"{target}/kept", compression=None)
    run("filter", [reader(), MinhashDedupFilter(f"{target}/remove"), kept], 2, 2)
