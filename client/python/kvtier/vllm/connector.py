"""`KvtierConnector`: vLLM's KV connector V1 over a kvtier node.

    --kv-transfer-config '{"kv_connector": "KvtierConnector", "kv_role": "kv_both",
      "kv_connector_module_path": "kvtier.vllm.connector", "kv_load_failure_policy": "recompute",
      "kv_connector_extra_config": {"node": "grpc://127.0.0.1:7420", "mode": "exact"}}'

vLLM makes one for the scheduler and one for each worker. They share only what is pickled: each
step's tasks, the workers' namespaces at the start, and what workers measured.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.base import (
    KVConnectorBase_V1,
    KVConnectorHandshakeMetadata,
    KVConnectorMetadata,
    KVConnectorRole,
    KVConnectorWorkerMetadata,
)

from kvtier.config import TierConfig
from kvtier.errors import require
from kvtier.identity import Namespace
from kvtier.models import weights_digest
from kvtier.tier import Tier
from kvtier.vllm.blocks import Blocks, OpaqueBlocks, tensor_blocks
from kvtier.vllm.llvmlite_guard import guard
from kvtier.vllm.namespaces import Engine, chunk_tokens, namespace_of
from kvtier.vllm.scheduler import SchedulerSide
from kvtier.vllm.stats import KvtierPromMetrics, KvtierStats
from kvtier.vllm.tasks import Report, Step
from kvtier.vllm.worker import WorkerSide

logger = logging.getLogger("vllm.kvtier")
guard()


@dataclass
class StepMetadata(KVConnectorMetadata):
    """One step's tasks."""

    step: Step = field(default_factory=Step)


@dataclass
class Handshake(KVConnectorHandshakeMetadata):
    """The namespace of a rank's chunks, canonical bytes."""

    namespace: bytes


@dataclass
class WorkerReport(KVConnectorWorkerMetadata):
    """What workers measured."""

    report: Report

    def aggregate(self, other: KVConnectorWorkerMetadata) -> WorkerReport:
        """The slower rank counts."""
        assert isinstance(other, WorkerReport)
        return WorkerReport(self.report.merge(other.report))


class KvtierConnector(KVConnectorBase_V1):
    """Loads and saves KV caches by content, best effort: whatever goes wrong is a miss.

    Raises InvalidRequestError when the engine starts, for a configuration that cannot be meant.
    """

    def __init__(self, vllm_config: Any, role: KVConnectorRole, kv_cache_config: Any) -> None:
        super().__init__(vllm_config=vllm_config, role=role, kv_cache_config=kv_cache_config)
        settings = self._kv_transfer_config.kv_connector_extra_config
        self._config = TierConfig.load(settings=settings)
        parallel = vllm_config.parallel_config
        stages = parallel.pipeline_parallel_size
        require(stages == 1, "pipeline-parallel stages", stages, "1")
        self._scheduler: SchedulerSide | None = None
        self._worker: WorkerSide | None = None
        self._space: Namespace | None = None
        self._tier: Tier | None = None
        groups = kv_cache_config.kv_cache_groups
        self._enabled = len(groups) == 1 and hasattr(groups[0].kv_cache_spec, "head_size")
        if not self._enabled:
            logger.warning(
                "kvtier is off: %d groups of KV caches (%s), expected one of attention layers",
                len(groups), ", ".join(type(g.kv_cache_spec).__name__ for g in groups),
            )
            return
        self._block = groups[0].kv_cache_spec.block_size
        hashed = kv_cache_config.hash_block_size or self._block
        self._chunk = chunk_tokens(self._config, self._block, hashed)
        if self._kv_transfer_config.kv_load_failure_policy != "recompute":
            logger.warning(
                'kvtier: kv_load_failure_policy is "%s": a request whose load fails ends with an '
                'error; set it to "recompute"', self._kv_transfer_config.kv_load_failure_policy,
            )
        self._tier = Tier.connect(self._config)
        if role == KVConnectorRole.SCHEDULER:
            self._scheduler = SchedulerSide(
                self._tier, self._chunk, self._block, hashed, _adapter_of, self._config.async_load
            )

    @property
    def requires_kv_delivery(self) -> bool:
        """A save that is dropped is a miss later, and nothing else."""
        return False

    # ---- worker

    def register_kv_caches(self, kv_caches: dict[str, Any]) -> None:
        """Find out what the blocks are, and name it."""
        if not self._enabled:
            return
        caches = list(kv_caches.values())
        vllm, hf = self._vllm_config, self._vllm_config.model_config.hf_config
        engine = _engine_of(vllm, next(iter(kv_caches)), caches[0], self._block)
        count = self._kv_cache_config.num_blocks
        spec = self._kv_cache_config.kv_cache_groups[0].kv_cache_spec
        opaque = OpaqueBlocks(caches, count)
        layer_bytes = opaque.block_bytes * (self._chunk // self._block)
        space = namespace_of(self._config, engine, hf, layer_bytes, len(caches), self._chunk)
        blocks: Blocks = opaque
        assert self._tier is not None
        if self._config.mode == "adaptive":
            heads, dim = spec.num_kv_heads, spec.head_size
            blocks = tensor_blocks(caches, count, heads, dim, engine.backend)
            profile = self._tier.profile_of_config
            if profile is not None:
                profile.check_geometry(space.geometry)
            self._tier.grade(space)  # refuses a level that the profile does not have
        on_cpu = caches[0].device.type == "cpu"
        self._space = space
        self._worker = WorkerSide(self._tier, space, blocks, engine.rank, on_cpu)
        self._worker.warm_up()
        logger.info("kvtier: namespace %s, %s", space.digest.hex()[:16], engine)

    def get_handshake_metadata(self) -> KVConnectorHandshakeMetadata | None:
        """The namespace, for the scheduler."""
        return Handshake(self._space.to_bytes()) if self._space else None

    def bind_connector_metadata(self, connector_metadata: KVConnectorMetadata) -> None:
        """A step begins."""
        super().bind_connector_metadata(connector_metadata)
        if self._worker is not None:
            self._worker.begin(self._step())

    def _step(self) -> Step:
        metadata = self._get_connector_metadata()
        assert isinstance(metadata, StepMetadata)
        return metadata.step

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None:
        """Start the step's loads; without asyncLoad, end them."""
        if self._worker is not None:
            self._worker.load(self._step(), wait=not self._config.async_load)

    def wait_for_layer_load(self, layer_name: str) -> None:
        """Loads are of whole requests: nothing to wait for."""

    def save_kv_layer(
        self, layer_name: str, kv_layer: Any, attn_metadata: Any, **kwargs: Any
    ) -> None:
        """Saves are of whole blocks: see `wait_for_save`."""

    def wait_for_save(self) -> None:
        """Copy what the step completed."""
        if self._worker is not None:
            self._worker.save(self._step())

    def get_finished(self, finished_req_ids: set[str]) -> tuple[set[str] | None, set[str] | None]:
        """Loads that ended."""
        if self._worker is None:
            return None, None
        received = self._worker.received(self._step().is_idle)
        return None, (received if self._config.async_load else None) or None

    def get_block_ids_with_load_errors(self) -> set[int]:
        """Blocks of loads that ended which hold nothing."""
        return self._worker.failed_blocks() if self._worker is not None else set()

    def get_kv_connector_stats(self) -> KvtierStats | None:
        """Sums since the last call."""
        if self._worker is not None:
            counts = self._worker.counts()
        elif self._scheduler is not None:
            counts = self._scheduler.counts()
        else:
            counts = {}
        return KvtierStats(data=dict(counts)) if counts else None

    def build_connector_worker_meta(self) -> KVConnectorWorkerMetadata | None:
        """Speeds, for the scheduler."""
        return WorkerReport(self._worker.report()) if self._worker is not None else None

    def shutdown(self) -> None:
        """End loads, send what waits, disconnect."""
        if self._worker is not None:
            self._worker.close()
        if self._scheduler is not None:
            self._scheduler.close()

    # ---- scheduler

    def set_xfer_handshake_metadata(
        self, metadata: dict[int, KVConnectorHandshakeMetadata]
    ) -> None:
        """The namespaces of the ranks."""
        if self._scheduler is not None:
            ranks = [metadata[rank] for rank in sorted(metadata)]
            self._scheduler.set_spaces([Namespace.parse(r.namespace) for r in ranks])

    def get_num_new_matched_tokens(
        self, request: Any, num_computed_tokens: int
    ) -> tuple[int | None, bool]:
        """Tokens that can be loaded behind those that are here."""
        if self._scheduler is None:
            return 0, False
        return self._scheduler.matched(request, num_computed_tokens)

    def on_new_request(self, request: Any) -> None:
        """Watch it, so that it is saved even if it is never looked up."""
        if self._scheduler is not None:
            self._scheduler.seen(request)

    def update_state_after_alloc(
        self, request: Any, blocks: Any, num_external_tokens: int
    ) -> None:
        """Plan the load of what was promised."""
        if self._scheduler is not None and num_external_tokens > 0:
            ids = blocks.get_block_ids()[0]
            self._scheduler.allocated(request, ids, num_external_tokens)

    def build_connector_meta(self, scheduler_output: Any) -> KVConnectorMetadata:
        """The step's tasks."""
        if self._scheduler is None:
            return StepMetadata()
        resolve = scheduler_output.kv_connector_block_state.resolve_block_ids
        scheduled = scheduler_output.num_scheduled_tokens
        return StepMetadata(self._scheduler.step(scheduled, lambda name: resolve(name)[0]))

    def update_connector_output(self, connector_output: Any) -> None:
        """What became of loads."""
        if self._scheduler is None:
            return
        meta = connector_output.kv_connector_worker_meta
        self._scheduler.received(
            connector_output.finished_recving or set(),
            connector_output.invalid_block_ids or set(),
            meta.report if isinstance(meta, WorkerReport) else None,
        )

    def request_finished(
        self, request: Any, block_ids: list[int]
    ) -> tuple[bool, dict[str, Any] | None]:
        """Forget it; its blocks may go, since saves copied them."""
        if self._scheduler is not None:
            self._scheduler.finished(request)
        return False, None

    @classmethod
    def build_kv_connector_stats(cls, data: dict[str, Any] | None = None) -> KvtierStats | None:
        """Stats out of what was pickled."""
        return KvtierStats(data=dict(data)) if data else KvtierStats()

    @classmethod
    def build_prom_metrics(
        cls,
        vllm_config: Any,
        metric_types: Any,
        labelnames: list[str],
        per_engine_labelvalues: dict[int, list[object]],
    ) -> KvtierPromMetrics:
        """Counters `vllm:kvtier_*`."""
        return KvtierPromMetrics(vllm_config, metric_types, labelnames, per_engine_labelvalues)


def _adapter_of(request: Any) -> bytes:
    """What names a request's LoRA: the weights behind its path, else its name and path."""
    lora = getattr(request, "lora_request", None)
    if lora is None:
        return b""
    folder = Path(lora.lora_path)
    if folder.is_dir():
        return weights_digest(folder.resolve())
    return f"{lora.lora_name} {lora.lora_path}".encode()


def _engine_of(vllm_config: Any, layer: str, cache: Any, block_tokens: int) -> Engine:
    import vllm

    model, parallel = vllm_config.model_config, vllm_config.parallel_config
    cache_config = vllm_config.cache_config
    dtype = str(cache.dtype).removeprefix("torch.")
    if cache.device.type == "cpu":
        from vllm.v1.attention.backends.cpu_attn import _get_attn_isa

        head = model.get_head_size()
        isa = _get_attn_isa(model.dtype, block_tokens, head, cache_config.cache_dtype)
        backend = f"cpu:{isa}"
    else:
        context = vllm_config.compilation_config.static_forward_context
        backend = context[layer].get_attn_backend().get_name().lower()
        backend += f":{tuple(cache.shape[2:])}:{cache.stride()[1:]}"
    ranks = parallel.tensor_parallel_size
    return Engine(
        model.model,
        str(model.dtype).removeprefix("torch."),
        dtype if cache_config.cache_dtype == "auto" else f"{cache_config.cache_dtype}:{dtype}",
        backend,
        block_tokens,
        cache_config.prefix_caching_hash_algo,
        parallel.rank % ranks,
        ranks,
        model.quantization or "",
        vllm.__version__,
    )
