#!/usr/bin/env python3
"""One engine process: SmolLM2 by vLLM on the CPU, prompts in as JSON lines, results out.

Reads `{"prompt": [ids], "tokens": n, "salt": text?, "reset": true?}`, with what `forced.py` takes,
and writes `{"ids", "ttftMs", "cpuMs", "externalTokens", "finish", "kvtier"}`. A list of them is run
at once. With `--connector JSON`, vLLM's KVTransferConfig. `compare.py` drives it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # one process: 27 CPU-seconds to start instead of 60
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",  # threads that spin cost more than they give on shared machines
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}


def engine(model: str, connector: dict[str, Any] | None) -> Any:
    """The engine: float32, since CPUs without AVX-512 have no bfloat16 kernels."""
    from vllm import LLM
    from vllm.config import KVTransferConfig

    from forced import Forced

    options: dict[str, Any] = {"logits_processors": [Forced]}
    if connector is not None:
        options["kv_transfer_config"] = KVTransferConfig(**connector)
    return LLM(
        model=model, dtype="float32", max_model_len=4096, enforce_eager=True, max_num_seqs=8,
        max_num_batched_tokens=4096, disable_log_stats=False, enable_prefix_caching=True,
        distributed_executor_backend="uni", **options,
    )


def external_tokens(llm: Any) -> int:
    """Tokens that came over the connector so far, as the scheduler counts them."""
    name = "vllm:external_prefix_cache_hits"
    return int(sum(m.value for m in llm.get_metrics() if m.name == name))


def kvtier_counts(llm: Any) -> dict[str, float]:
    """The connector's own counters."""
    prefix = "vllm:kvtier_"
    return {
        m.name.removeprefix(prefix): m.value for m in llm.get_metrics() if m.name.startswith(prefix)
    }


def run(llm: Any, jobs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run jobs together and say what each took."""
    from vllm import SamplingParams

    if any(job.get("reset") for job in jobs):
        llm.reset_prefix_cache()
    before, cpu = external_tokens(llm), time.process_time()
    prompts = []
    for job in jobs:
        prompt: dict[str, Any] = {"prompt_token_ids": job["prompt"]}
        if job.get("salt"):
            prompt["cache_salt"] = job["salt"]
        prompts.append(prompt)
    params = [
        SamplingParams(
            max_tokens=job["tokens"], temperature=0, ignore_eos=True,
            extra_args={key: job[key] for key in ("force", "logits") if key in job} or None,
        )
        for job in jobs
    ]
    outputs = llm.generate(prompts, params, use_tqdm=False)
    cpu_ms = 1e3 * (time.process_time() - cpu)
    came = external_tokens(llm) - before
    return [
        {
            "ids": list(output.outputs[0].token_ids),
            "ttftMs": round(1e3 * output.metrics.first_token_latency, 1),
            "cpuMs": round(cpu_ms, 1),
            "externalTokens": came,
            "finish": output.outputs[0].finish_reason,
            "kvtier": kvtier_counts(llm),
        }
        for output in outputs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--connector", type=json.loads)
    args = parser.parse_args()
    os.environ.update({k: v for k, v in ENVIRONMENT.items() if k not in os.environ})
    results, sys.stdout = sys.stdout, sys.stderr  # vLLM prints, and results are alone on theirs
    llm = engine(args.model, args.connector)
    print(json.dumps({"ready": True}), file=results, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        jobs = job if isinstance(job, list) else [job]
        done = run(llm, jobs)
        print(json.dumps(done if isinstance(job, list) else done[0]), file=results, flush=True)
    llm.llm_engine.engine_core.shutdown()


if __name__ == "__main__":
    main()
