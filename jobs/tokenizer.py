"""The tokenizer steps of a run: ray job submit --working-dir . -- python jobs/tokenizer.py FILE [STEP]... [KEY=VALUE]..."""

from apollo_ray.cli import stage_job

if __name__ == "__main__":
    stage_job("tokenizer")
