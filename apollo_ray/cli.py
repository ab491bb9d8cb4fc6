"""apollo: the commands by name, and a stage as a job. `apollo COMMAND --help` says what each does."""

import os
from typing import Annotated

import typer

from apollo_ray import __version__
from apollo_ray.commands import chatting, checking, evaluating, runs, serving, tuning
from apollo_ray.commands.common import File, Words, guarded, load_words, say
from apollo_ray.errors import UserError
from apollo_ray.planning import STAGES, plan
from apollo_ray.run import execute
from apollo_ray.session import connect

HELP = """Medical, many-language language models on Ray: from raw text to a proxy-tuned endpoint.

A run is one YAML file of named steps. Start with:

  apollo plan jobs/configs/starter.yaml      what would run, what is there

  apollo run jobs/configs/starter.yaml       run it, finished steps are kept

  apollo serve jobs/configs/starter.yaml     the ensemble as an OpenAI-compatible endpoint

Settings are overridden by key=value, e.g. expert.learning_rate=1e-4 or store=s3://bucket/folder. Exit codes: 0 done,
2 a mistake in what was given, 75 a service failed and running again goes on, 1 anything else.

A research tool, not a medical device.
"""

app = typer.Typer(help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("plan")(runs.plan_command)
app.command("run")(runs.run_command)
app.command("report")(runs.report)
app.command("serve")(serving.serve)
app.command("chat")(chatting.chat)
app.command("export-ensemble")(serving.export_ensemble_command)
app.command("inspect")(runs.inspect)
app.command("audit")(evaluating.audit)
app.command("tune-alpha")(tuning.tune_alpha_command)
app.command("doctor")(checking.doctor)

IN_A_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray in the driver of a submitted job


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit


def stage_job(stage: str) -> None:
    """`python jobs/STAGE.py FILE [STEP]... [KEY=VALUE]...`: the steps of one stage, whose inputs must be finished."""
    assert stage in STAGES

    @guarded
    def job(file: File, words: Words = None) -> None:
        config, only = load_words(file, words)
        steps = plan(config, only)
        if IN_A_JOB in os.environ and "://" not in config.store and not os.path.isabs(config.store):
            say(f"warning: store {config.store!r} lies in this job's own copy of the working directory; give store=...")
        mine = [step for step in steps if step.stage == stage and (not only or step.name in only)]
        if not mine:
            raise UserError(f"{file}: no step of stage {stage!r}{f' among {only}' if only else ''}")
        wanted = {step.name for step in mine}
        missing = {need for step in mine for need in step.steps} - wanted
        missing = {step.name for step in steps if step.name in missing and not step.finished}
        if missing:
            raise UserError(f"{', '.join(sorted(missing))}: not finished in {config.store}; run these steps first")
        needed = wanted | {need for step in mine for need in step.steps}
        execute(config, [step for step in steps if step.name in needed], say, lambda: connect(say))

    typer.run(job)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
