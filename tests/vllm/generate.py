"""vLLM engines one after another in a process of its own: reads JSON, writes tokens, log-probabilities, counters.

In: name -> {"engine", "prompts", "tokens"}; out: name -> {"answers", "counters"}. Importing vLLM takes many times as long
as a tiny engine does, so they share it.
"""

import json
import os
import sys
from typing import Any

os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", VLLM_CPU_OMP_THREADS_BIND="nobind")

from vllm import LLM, SamplingParams
from vllm.distributed import cleanup_dist_env_and_memory


def run(asked: dict[str, Any]) -> dict[str, Any]:
    engine = LLM(disable_log_stats=False, **asked["engine"])
    greedy = SamplingParams(temperature=0, max_tokens=asked["tokens"], ignore_eos=True, prompt_logprobs=0, logprobs=0)
    answers = []
    prompts = [{"prompt_token_ids": prompt} for prompt in asked["prompts"]]
    # Its progress bar divides by the time passed, which may be 0.
    for one in engine.generate(prompts, greedy, use_tqdm=False):
        places = zip(one.prompt_token_ids[1:], one.prompt_logprobs[1:], strict=True)
        new = one.outputs[0]
        answers.append(
            {
                "tokens": list(new.token_ids),
                "prompt_logprobs": [place[token].logprob for token, place in places],
                "logprobs": [place[token].logprob for token, place in zip(new.token_ids, new.logprobs, strict=True)],
            }
        )
    counters = {metric.name: getattr(metric, "value", None) for metric in engine.get_metrics() if "spec" in metric.name}
    engine.llm_engine.engine_core.shutdown()
    return {"answers": answers, "counters": counters}


if __name__ == "__main__":
    found = {}
    for name, asked in json.load(sys.stdin).items():
        found[name] = run(asked)
        cleanup_dist_env_and_memory()
    print(json.dumps(found))
