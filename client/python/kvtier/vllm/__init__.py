"""The vLLM connector (V1), loaded by `kv_connector_module_path: kvtier.vllm.connector`.

Only `connector`, `messages` and `stats` import vLLM; the rest works, and is tested, without it.
docs/workers.md says how to configure and observe it.
"""
