"""The train steps of a run: python jobs/train.py FILE [STEP]... [KEY=VALUE]... (or by ray job submit)."""

from apollo_ray.cli import stage_job

if __name__ == "__main__":
    stage_job("train")
