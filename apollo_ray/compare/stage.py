"""Compare: the answers of evaluate steps to one table of arms. A few thousand rows, so it needs no Ray."""

import pyarrow as pa

from apollo_ray.compare.paired import cells, table
from apollo_ray.compare.settings import StageSettings
from apollo_ray.errors import UserError
from apollo_ray.records import COMPARISON, EVAL_ANSWER
from apollo_ray.step import Context, Result
from apollo_ray.store import Counts


def run(context: Context[StageSettings]) -> Result:
    """COMPARISON rows, which the summary repeats for the report. Raises UserError where an arm has no answers."""
    settings = context.settings
    answers = {
        name: pa.concat_tables(context.tables(name, EVAL_ANSWER)).to_pylist()
        for name in dict.fromkeys(arm.scores for arm in settings.arms)
    }
    arms = {}
    for place, arm in enumerate(settings.arms):
        arms[arm.name] = cells(row for row in answers[arm.scores] if row["model"] == arm.model)
        if not arms[arm.name]:
            known = ", ".join(dict.fromkeys(row["model"] for row in answers[arm.scores]))
            raise UserError(
                f"steps.{context.step}.arms[{place}].model: {arm.model!r} has no scored answers in step "
                f"{arm.scores!r}; models there: {known}"
            )
    rows = table(arms, {arm.name: settings.reference(arm) for arm in settings.arms})
    context.say(f"{len(arms)} arms, {len(rows)} numbers")
    entry = context.store.write_table(f"{context.directory}/data", pa.Table.from_pylist(rows, schema=COMPARISON))
    summary = {
        "question": settings.question,
        "limits": settings.limits,
        "arms": [{"name": arm.name, "scores": arm.scores, "model": arm.model} for arm in settings.arms],
        "rows": rows,
    }
    return Result(Counts("arm", len(arms), len(arms)), data=[entry], summary=summary)
