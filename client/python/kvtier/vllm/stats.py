"""What a connector counts, as vLLM's log lines and Prometheus metrics `vllm:kvtier_*`."""

from __future__ import annotations

from typing import Any

from prometheus_client import Counter
from vllm.distributed.kv_transfer.kv_connector.v1.metrics import (
    KVConnectorPromMetrics,
    KVConnectorStats,
)

HELP = {
    "loads": "Loads that ended, in whatever way.",
    "failed_loads": "Loads of which some blocks had to be computed.",
    "loaded_chunks": "Chunks that were put into blocks.",
    "loaded_bytes": "Bytes received for loads.",
    "load_ms": "Milliseconds that loads took, all together.",
    "failed_blocks": "Blocks that were promised and had to be computed.",
    "saved_chunks": "Chunks that a node took.",
    "saved_bytes": "Bytes of their frames.",
    "dropped_chunks": "Chunks that were not saved: too many waiting, or the node is away.",
    "failed_lookups": "Lookups that failed or took too long.",
    "gated_loads": "Loads that were not begun, since computing is faster.",
}


class KvtierStats(KVConnectorStats):
    """Sums of one interval, by the names of `HELP`."""

    def reset(self) -> None:
        """Forget all."""
        self.data = {}

    def aggregate(self, other: KVConnectorStats) -> KVConnectorStats:
        """Add another's sums."""
        for name, value in other.data.items():
            self.data[name] = self.data.get(name, 0) + value
        return self

    def reduce(self) -> dict[str, int | float]:
        """The sums, and the mean time of a load."""
        out = {f"kvtier_{name}": round(value, 4) for name, value in sorted(self.data.items())}
        if self.data.get("loads"):
            mean = self.data.get("load_ms", 0) / self.data["loads"]
            out["kvtier_load_ms_mean"] = round(mean, 1)
        return out

    def is_empty(self) -> bool:
        """Whether nothing happened."""
        return not any(self.data.values())


class KvtierPromMetrics(KVConnectorPromMetrics):
    """A counter for each name of `HELP`."""

    def __init__(
        self,
        vllm_config: Any,
        metric_types: Any,
        labelnames: list[str],
        per_engine_labelvalues: dict[int, list[object]],
    ) -> None:
        super().__init__(vllm_config, metric_types, labelnames, per_engine_labelvalues)
        self._counters = {
            name: metric_types[Counter](
                name=f"vllm:kvtier_{name}", documentation=text, labelnames=labelnames
            )
            for name, text in HELP.items()
        }

    def observe(self, transfer_stats_data: dict[str, Any], engine_idx: int = 0) -> None:
        """Add one interval's sums."""
        labels = self.per_engine_labelvalues[engine_idx]
        for name, value in transfer_stats_data.items():
            if name in self._counters and value:
                self._counters[name].labels(*labels).inc(value)
