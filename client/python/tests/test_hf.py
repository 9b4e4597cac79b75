"""Hugging Face caches into the tier and back, with tiny random models."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", "5.0", reason="transformers 5 is not installed")

from memory_node import MemoryNode  # noqa: E402
from transformers import DynamicCache, StaticCache  # noqa: E402

from kvtier import InvalidRequestError, Stop, Tier  # noqa: E402
from kvtier import hf  # noqa: E402

CHUNK, PROMPT = 16, 70
DIGEST = hashlib.sha256(b"random weights").digest()
SIZES: dict[str, Any] = dict(
    vocab_size=200, hidden_size=32, intermediate_size=48, num_hidden_layers=3, head_dim=16,
    num_attention_heads=4, num_key_value_heads=2, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)


@pytest.fixture(scope="module")
def llama() -> Any:
    torch.manual_seed(1)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)).eval()


@pytest.fixture(scope="module")
def gemma() -> Any:
    torch.manual_seed(2)
    config = transformers.Gemma3TextConfig(
        **SIZES, sliding_window=24, query_pre_attn_scalar=16,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    )
    return transformers.Gemma3ForCausalLM(config).eval()


@pytest.fixture
def node() -> Iterator[MemoryNode]:
    server = MemoryNode()
    yield server
    server.released.set()
    server.shutdown()


@pytest.fixture
def tier(node: MemoryNode) -> Iterator[Tier]:
    with Tier.connect(node.location) as connected:
        yield connected


@pytest.fixture
def ids() -> Any:
    torch.manual_seed(5)
    return torch.randint(3, 200, (1, PROMPT))


def plain(model: Any, ids: Any) -> list[int]:
    return model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
    )[0].tolist()


class Counted:
    """How many tokens a model's forward passes computed."""

    def __init__(self, model: Any) -> None:
        self.tokens, self._model = 0, model

    def __enter__(self) -> Counted:
        def count(module: Any, args: Any, named: Any) -> None:
            given = named.get("input_ids", args[0] if args else None)
            self.tokens += given.shape[1]

        self._hook = self._model.register_forward_pre_hook(count, with_kwargs=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._hook.remove()


@pytest.mark.parametrize("kind", ["dynamic", "dynamic of the model", "static"])
@pytest.mark.parametrize("name", ["llama", "gemma"])
def test_second_worker_computes_only_the_rest_and_says_the_same(
    request: pytest.FixtureRequest, tier: Tier, ids: Any, name: str, kind: str
) -> None:
    model = request.getfixturevalue(name)
    space = hf.namespace_for(model, digest=DIGEST, chunk_tokens=CHUNK, exact=True)
    expected = plain(model, ids)
    caches = {
        "dynamic": DynamicCache, "dynamic of the model": lambda: DynamicCache(config=model.config),
        "static": lambda: StaticCache(config=model.config, max_cache_len=PROMPT + 16),
    }
    options = dict(namespace=space, max_new_tokens=8, do_sample=False)
    first = hf.generate(model, tier, ids, cache=DynamicCache(), **options)
    assert first[0].tolist() == expected
    with Counted(model) as counted:
        second = hf.generate(model, tier, ids, cache=caches[kind](), **options)
    assert second[0].tolist() == expected
    assert counted.tokens == PROMPT - 64 + 7  # four chunks came


def test_adaptive_prefix_is_close_and_its_level_is_the_tiers(
    llama: Any, tier: Tier, ids: Any
) -> None:
    space = hf.namespace_for(llama, digest=DIGEST, chunk_tokens=CHUNK)
    cache = DynamicCache()
    with torch.no_grad():
        llama(ids, past_key_values=cache)
    assert hf.save_prefix(tier, space, ids, cache) == 4
    loaded = hf.load_prefix(tier, space, ids)
    assert (loaded.tokens, loaded.stop) == (64, Stop.COMPLETE)
    a, _ = hf.export_cache(cache, 64)
    b, _ = hf.export_cache(loaded.cache)
    assert (a - b).square().sum() < 0.01 * a.square().sum()


def test_prompt_that_is_held_to_its_end_leaves_a_token_to_compute(
    llama: Any, tier: Tier, ids: Any
) -> None:
    space = hf.namespace_for(llama, digest=DIGEST, chunk_tokens=CHUNK, exact=True)
    short = ids[:, :64]
    options = dict(namespace=space, max_new_tokens=8, do_sample=False)
    for _ in range(2):
        assert hf.generate(llama, tier, short, **options)[0].tolist() == plain(llama, short)


def test_dead_node_is_a_miss(llama: Any, tier: Tier, node: MemoryNode, ids: Any) -> None:
    space = hf.namespace_for(llama, digest=DIGEST, chunk_tokens=CHUNK, exact=True)
    node.shutdown()
    out = hf.generate(llama, tier, ids, namespace=space, max_new_tokens=8, do_sample=False)
    assert out[0].tolist() == plain(llama, ids)


def test_damaged_chunk_leaves_the_rest_to_compute(
    llama: Any, tier: Tier, node: MemoryNode, ids: Any
) -> None:
    space = hf.namespace_for(llama, digest=DIGEST, chunk_tokens=CHUNK, exact=True)
    options = dict(namespace=space, max_new_tokens=8, do_sample=False)
    hf.generate(llama, tier, ids, **options)
    third = list(node.frames)[2]
    node.frames[third] = node.frames[third][:-1] + bytes([node.frames[third][-1] ^ 1])
    loaded = hf.load_prefix(tier, space, ids)
    assert (loaded.tokens, loaded.stop) == (32, Stop.CORRUPT)
    assert hf.generate(llama, tier, ids, **options)[0].tolist() == plain(llama, ids)


def test_sliding_layer_that_has_moved_on_is_refused(gemma: Any, ids: Any) -> None:
    cache = DynamicCache(config=gemma.config)
    with torch.no_grad():
        gemma(ids, past_key_values=cache)
    with pytest.raises(InvalidRequestError, match="holds the last .* of 70 tokens"):
        hf.export_cache(cache)


def test_mistakes_are_named(llama: Any, tier: Tier, ids: Any) -> None:
    space = hf.namespace_for(llama, digest=DIGEST)
    with pytest.raises(InvalidRequestError, match="folder of the model"):
        hf.namespace_for(llama)
    with pytest.raises(InvalidRequestError, match=r"shape of input_ids is \(2, 70\)"):
        hf.load_prefix(tier, space, torch.cat([ids, ids]))
    cache = DynamicCache()
    with torch.no_grad():
        llama(ids, past_key_values=cache)
    with pytest.raises(InvalidRequestError, match="tokens of the cache is 70"):
        hf.import_cache(cache, *hf.export_cache(cache))
