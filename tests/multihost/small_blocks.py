"""`apollo run FILE [STEP]... [KEY=VALUE]...` with tiny parts and a task for each, so that little text has many tasks."""

import sys

import apollo_ray.corpus.parts
import apollo_ray.dataset
from apollo_ray.cli import main

if __name__ == "__main__":
    apollo_ray.corpus.parts.CHARACTERS_PER_PART = 10_000
    apollo_ray.dataset.BYTES_PER_BLOCK = 1
    sys.argv.insert(1, "run")
    main()
