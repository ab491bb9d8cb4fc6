"""The compare steps of a run: python jobs/compare.py FILE [STEP]... [KEY=VALUE]... (or by ray job submit)."""

from apollo_ray.cli import stage_job

if __name__ == "__main__":
    stage_job("compare")
