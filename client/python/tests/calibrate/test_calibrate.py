"""Calibration: each step on data with a known answer, and the whole of it on a tiny model."""

from __future__ import annotations

import hashlib
import math
import struct

import numpy as np
import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

from kvtier.calibrate import __main__ as command
from kvtier.calibrate.errors import CalibrationError
from kvtier.calibrate.evaluate import FLAT, RECENT, Level, decode, encode
from kvtier.calibrate.gather import cache_file, gather, gradient_file, read_texts
from kvtier.calibrate.losses import LEVELS
from kvtier.calibrate.model import CausalModel, KvShape, kv_shape, rotate
from kvtier.calibrate.probe import features, fit_probe
from kvtier.calibrate.profile_file import from_profile, geometry
from kvtier.calibrate.simulate import CodecProfile, GroupCodec, quantize, reconstruct, sigma_index
from kvtier.calibrate.tables import read_tables
from kvtier.calibrate.transform import fisher_blocks, fit_transform
from kvtier.crc import crc32c
from kvtier.profile import ProfileKind, parse


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_rotate_undone_isIdentity():
    keys = noise(2, 50, 3, 8)
    back = rotate(rotate(keys, (1e4, 1e6), 1, 7), (1e4, 1e6), -1, 7)
    assert torch.allclose(back, keys, atol=1e-5)


def test_rotate_everyLayer_hasItsOwnBase():
    keys = noise(2, 50, 3, 8)
    both = rotate(keys, (1e4, 1e6), 1)
    assert torch.equal(both[:1], rotate(keys[:1], (1e4,), 1))
    assert torch.equal(both[1:], rotate(keys[1:], (1e6,), 1))
    assert not torch.allclose(both[1:], rotate(keys[1:], (1e4,), 1), atol=1e-2)


def test_rotate_gradient_keepsInnerProduct():
    keys, gradient = noise(1, 20, 2, 8), noise(1, 20, 2, 8, seed=1)
    before = (rotate(keys, (1e4,), -1) * rotate(gradient, (1e4,), -1)).sum()
    assert torch.allclose(before, (keys * gradient).sum(), atol=1e-4)


def test_transform_fullRank_invertsAndMeasuresFisherError():
    x = noise(500, 12) @ noise(12, 12, seed=1)
    blocks = fisher_blocks([noise(500, 12, seed=2) * torch.arange(1, 13)], None, 6, 0.3)
    transform = fit_transform(x, blocks)
    assert torch.allclose(transform.inverse(transform.forward(x)), x, atol=1e-3)
    error = noise(12, seed=3)
    expected = error.double() @ torch.block_diag(*blocks) @ error.double()
    assert torch.allclose((transform.analysis @ error).square().sum().double(), expected, rtol=1e-4)
    assert (transform.sigma.diff() <= 0).all()
    assert torch.allclose(transform.forward(x).std(0, correction=0), transform.sigma, rtol=1e-3)


def test_fitProbe_gammaPowers_findsTheWeights():
    y = noise(20000, 4)
    z = features(y, torch.ones(4))
    truth = torch.tensor([1.0, -0.5, 0.0, 0.25, 0.0])
    power = torch.exp2(z @ truth) * noise(20000, seed=1).square()
    probe = fit_probe(z, power, ridge=1.0, shrink=1.0)
    assert torch.allclose(probe[:4], truth[:4], atol=0.08)
    assert abs((z @ probe).mean().item()) < 1e-4


def tiny_profile(rank: int = 6, width: int = 6, step: float = 0.1) -> CodecProfile:
    sigma = torch.linspace(2, 0.1, rank)
    basis = torch.linalg.qr(noise(width, width))[0][:rank]
    group = GroupCodec(
        (0,),
        (0,),
        torch.zeros(width),
        basis,
        basis,
        sigma,
        sigma_index(sigma, step),
        torch.zeros(rank + 1),
    )
    return CodecProfile(step, [group], torch.zeros(0), torch.zeros(64, 4))


def test_quantize_rungs_areEmbeddedAndWithinTheirStep():
    profile = tiny_profile()
    y = 3 * noise(200, 6)
    symbols = quantize(profile, profile.groups[0], y)
    for coarse, fine in zip(symbols.q, symbols.q[1:]):
        assert (fine - 3 * coarse).abs().max() <= 1
    for rung in range(3):
        error = y - reconstruct(profile, symbols, torch.full((200,), rung))
        assert error.abs().max() <= 0.5 * 0.1 / 3**rung * 1.0001


def test_tables_codeLengths_sumToOne():
    tables = read_tables()
    total = (2.0 ** -tables.symbols.double()).sum(1) + 2.0 ** -tables.escape.double()
    assert torch.allclose(total, torch.ones(64, dtype=torch.float64), atol=1e-5)
    assert torch.allclose(
        (2.0 ** -tables.refinement.double()).sum(-1),
        torch.ones(64, 4, dtype=torch.float64),
        atol=1e-5,
    )
    q = torch.tensor([0, 1, -1, 500])
    bits = tables.base_bits(q, torch.full((4,), 24))
    assert bits[0] < bits[1] and bits[1] == bits[2] and bits[3] > 64


def test_crc32c_checkValue_andEveryLength():
    assert crc32c(b"123456789") == 0xE3069283
    data = np.random.default_rng(0).bytes(70001)
    whole = crc32c(data)
    assert whole != crc32c(data[:-1] + bytes([data[-1] ^ 1])) and whole == crc32c(bytes(data))
    assert crc32c(bytes(70000)) == slow_crc32c(bytes(70000))


def slow_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_geometryBytes_smollm_hasTheFormatsLength():
    data = geometry(KvShape(30, 9, 3, 64, (1e5,) * 30, (-1,) * 30)).to_bytes()
    assert len(data) == 10 + 1 + 1 + 4 + 1 + 46 + 30 + 60 + 120
    assert struct.unpack_from("<5H", data) == (30, 9, 3, 64, 64)
    assert struct.unpack_from("<d", data, 17 + 6)[0] == 1e5


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=2048,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gemma")
    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        sliding_window=512,
        layer_types=["sliding_attention", "sliding_attention", "full_attention"]
        + ["sliding_attention"],
    )
    Gemma3ForCausalLM(config).save_pretrained(folder)
    return folder


def run(model, texts, out, *options, held_out=True):
    """The command on one thread, one text held out."""
    command.run_command(
        ["--model", str(model), "--texts", str(texts), "--out", str(out), "--threads", "1"]
        + (["--held-out", "1"] if held_out else [])
        + list(options)
    )


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "tokens.npz"
    rng = np.random.default_rng(0)
    np.savez(
        path,
        **{f"train_{i}": rng.integers(0, 64, 1300).astype(np.int32) for i in range(4)},
        test_x=np.arange(10, dtype=np.int32),
    )
    return path


def test_readTexts_shortText_saysWhichAndHowMany(texts):
    with pytest.raises(CalibrationError, match="test_x has 10 tokens, 1280"):
        read_texts(texts, "test_")
    with pytest.raises(CalibrationError, match="starts with 'none_'"):
        read_texts(texts, "none_")


def test_gather_stoppedAndResumed_writesOnlyWhatIsMissing(tiny_model, texts, tmp_path):
    model, ids = CausalModel(tiny_model), read_texts(texts, "train_")
    gather(model, ids, tmp_path, draws=1)
    kept, lost = cache_file(tmp_path, "train_0"), gradient_file(tmp_path, "train_1", 0)
    before, expected = kept.stat().st_mtime_ns, lost.read_bytes()
    lost.unlink()
    gather(model, ids, tmp_path, draws=2)
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == expected
    assert gradient_file(tmp_path, "train_1", 1).read_bytes() != expected


def test_gather_otherTextOfTheSameName_isRefused(tiny_model, texts, tmp_path):
    model, ids = CausalModel(tiny_model), read_texts(texts, "train_")
    gather(model, {"train_0": ids["train_0"]}, tmp_path, draws=0)
    with pytest.raises(CalibrationError, match="another text"):
        gather(model, {"train_0": ids["train_1"]}, tmp_path, draws=0)


def test_gradients_ofTheCache_matchFiniteDifferences(tiny_model):
    model = CausalModel(tiny_model)
    ids = np.arange(40) % 64
    keys, values = model.prefill(ids[:30])
    grad_keys, _ = model.gradients(ids[30:], keys, values, torch.Generator().manual_seed(0))
    logits = model.logits(ids[30:], keys.float(), values.float())
    labels = torch.multinomial(logits.softmax(-1), 1, generator=torch.Generator().manual_seed(0))[
        :, 0
    ]

    def loss(shift: float) -> float:
        moved = keys.float().clone()
        moved[1, 5, 1, 3] += shift
        return torch.nn.functional.cross_entropy(
            model.logits(ids[30:], moved, values.float()), labels, reduction="sum"
        ).item()

    slope = (loss(0.5) - loss(-0.5)) / 1.0
    assert math.isclose(grad_keys[1, 5, 1, 3].item(), slope, rel_tol=0.05, abs_tol=2e-5)


@pytest.mark.parametrize("kind, groups", [("layer", 3), ("joint", 1)])
def test_command_tinyModel_writesAProfileThatCodes(
    tiny_model, texts, tmp_path, kind, groups, capsys
):
    out, arrays = tmp_path / "p.kvp", tmp_path / "p.npz"
    run(tiny_model, texts, out, "--kind", kind, "--arrays", str(arrays))
    data = out.read_bytes()
    assert data[:4] == b"KVP1" and hashlib.sha256(data).hexdigest() in capsys.readouterr().out
    assert struct.unpack_from("<I", data, len(data) - 4)[0] == crc32c(data[:-4])
    assert struct.unpack_from("<HH", data, 46) == (groups, 1)
    with np.load(arrays) as saved:
        analysis, synthesis = (
            saved["0/analysis"].astype(np.float32),
            saved["0/synthesis"].astype(np.float32),
        )
        width = 2 * 16 * (3 // groups)
        assert analysis.shape == (width, width)
        assert np.allclose(analysis @ synthesis.T, np.eye(width), atol=0.05)
        assert data[-4 - synthesis.nbytes // 2 : -4] == saved[f"{groups - 1}/synthesis"].tobytes()


def test_command_kindHead_codesEachHeadApart(tiny_model, texts, tmp_path):
    out, shape = tmp_path / "p.kvp", kv_shape(tiny_model)
    run(tiny_model, texts, out, "--kind", "head", "--layers", "2", "--step", "0.05")
    profile = parse(out.read_bytes())
    assert profile.kind == ProfileKind.HEAD
    assert (profile.layer_groups, profile.head_groups) == (2, 2)
    assert [(g.layers, g.heads) for g in profile.groups] == [
        ((0, 1), (0,)),
        ((0, 1), (1,)),
        ((2,), (0,)),
        ((2,), (1,)),
    ]
    half = next(level for level in profile.levels if level.name == "half")
    assert len(half.far_groups) == 1  # of two layer groups, whatever the heads
    keys, values = CausalModel(tiny_model).prefill(np.arange(512) % 64)
    codec = from_profile(profile, 1024)
    coded = encode(codec, read_tables(), shape, keys, values)
    fine = decode(codec, shape, coded, Level("fine", 2, 2, 2))
    for exact, back in zip((keys, values), fine):
        error = (back.float() - exact.float()).square().mean()
        assert error < 0.02 * exact.float().square().mean()
    # A head's group tells nothing of another's.
    spoiled = keys.clone()
    spoiled[:, :, 1] = 0
    alone = decode(codec, shape, encode(codec, read_tables(), shape, spoiled, values), FLAT)
    flat = decode(codec, shape, coded, FLAT)
    assert torch.equal(alone[0][:, :, 0], flat[0][:, :, 0])
    assert torch.equal(alone[1][:, :, 0], flat[1][:, :, 0])


def test_command_slidingWindows_groupsByAttention(gemma, texts, tmp_path):
    out = tmp_path / "p.kvp"
    run(gemma, texts, out, "--kind", "joint", "--layers", "2")
    profile = parse(out.read_bytes())
    assert [group.layers for group in profile.groups] == [(0, 1), (2,), (3,)]
    assert profile.shape == geometry(kv_shape(gemma)).shape_digest
    assert profile.loss[0].distortion == 0 and profile.loss[-1].kl > 0


def test_command_withoutGradients_needsNone(tiny_model, texts, tmp_path):
    out = tmp_path / "p.kvp"
    run(tiny_model, texts, out, "--kind", "layer", "--no-gradients", "--work", str(tmp_path / "w"))
    profile = parse(out.read_bytes())
    assert not list((tmp_path / "w").glob("*gradients*"))
    assert all(not group.probe.any() for group in profile.groups)
    assert {level.name for level in profile.levels} > {level.name for level in LEVELS}
    half = next(level for level in profile.levels if level.name == "half")
    assert half.far_rung == 1 and len(half.far_groups) == round(0.5 * profile.layer_groups)
    assert profile.octaves(0, 1024)[0] < profile.octaves(0, 1024)[30] < 0


def test_command_tooLittleText_saysHowMuch(tiny_model, tmp_path):
    texts = tmp_path / "t.npz"
    rng = np.random.default_rng(0)
    np.savez(texts, **{f"train_{i}": rng.integers(0, 64, 1290).astype(np.int32) for i in range(2)})
    with pytest.raises(SystemExit, match="group fewer layers"):
        monkey = ["--kind", "joint", "--layers", "3", "--held-out", "1"]
        wide = LlamaConfig.from_pretrained(tiny_model)
        wide.head_dim, wide.num_key_value_heads = 64, 2
        folder = tmp_path / "wide"
        LlamaForCausalLM(wide).save_pretrained(folder)
        run(folder, texts, tmp_path / "p.kvp", *monkey, held_out=False)


def test_kvShape_unsupportedAttention_isRefusedByName(tmp_path):
    config = Gemma3TextConfig(
        num_hidden_layers=2, hidden_size=32, num_attention_heads=2, num_key_value_heads=1
    )
    config.layer_types = ["chunked_attention", "full_attention"]
    config.save_pretrained(tmp_path / "chunked")
    with pytest.raises(CalibrationError, match="chunked_attention"):
        kv_shape(tmp_path / "chunked")
    scaled = {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}
    LlamaConfig(hidden_size=32, num_attention_heads=2, rope_parameters=scaled).save_pretrained(
        tmp_path / "scaled"
    )
    with pytest.raises(CalibrationError, match="linear"):
        kv_shape(tmp_path / "scaled")
    with pytest.raises(CalibrationError, match="not a model folder"):
        kv_shape(tmp_path / "nowhere")


def test_kvShape_gemma_hasWindowsAndBasesOfEveryLayer(gemma):
    shape = kv_shape(gemma)
    assert shape.window == (512, 512, -1, 512)
    assert shape.theta == (1e4, 1e4, 1e6, 1e4)
    assert shape.groups(3) == [(0, 1, 3), (2,)]
    assert (shape.seen_from(0, 1024), shape.seen_from(2, 1024)) == (513, 0)


def test_prefill_modelThatOverflows_isRefusedByLayer(tiny_model, tmp_path):
    model = LlamaForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        model.model.layers[1].self_attn.v_proj.weight.mul_(1e6)
    model.save_pretrained(tmp_path)
    with pytest.raises(CalibrationError, match="values of layer 1 are not finite in float16"):
        CausalModel(tmp_path).prefill(np.arange(20))


def test_slidingLayer_gradients_endAtTheWindow(gemma):
    model = CausalModel(gemma)
    ids = np.arange(600) % 64
    keys, values = model.prefill(ids[:580])
    _, grad_values = model.gradients(ids[580:], keys, values, torch.Generator().manual_seed(0))
    seen = model.shape.seen_from(0, 580)
    assert not grad_values[0, :seen].any() and grad_values[0, seen:].flatten(1).any(1).all()
    assert grad_values[2].flatten(1).any(1).all()


def test_encode_finerLevel_costsMoreAndDistortsLess():
    shape = KvShape(1, 2, 1, 4, (1e4,), (-1,))
    profile, tables = tiny_profile(8, 8), read_tables()
    keys, values = noise(1, 512, 1, 4).half(), noise(1, 512, 1, 4, seed=1).half()
    coded = encode(profile, tables, shape, keys, values)
    levels = (FLAT, RECENT, Level("fine", 1, 1, 2))
    bits = [coded.bits_per_element(level) for level in levels]
    assert bits == sorted(bits) and bits[2] < coded.stored_bits_per_element
    left = [coded.distortion(level) for level in levels]
    assert left == sorted(left, reverse=True)
    fine_keys, fine_values = decode(profile, shape, coded, levels[2])
    assert torch.equal(fine_keys[:, 0], keys[:, 0])
    assert (fine_values.float() - values.float()).abs().max() < 0.2


def test_level_farGroups_refineTheirHeadsAlone():
    some = Level("some", 1, 1, 2, (1,))
    assert some.rungs(512, 1).unique_consecutive().tolist() == [1, 2]
    others = some.rungs(512, 0).unique_consecutive(return_counts=True)
    assert others[0].tolist() == [0, 1, 2] and others[1].tolist() == [224, 256, 32]
    assert some.sends(1, "head", False, 1) and not some.sends(1, "head", False, 0)
    assert some.sends(1, "tail", False, 0) and some.sends(2, "tail", True, 0)
    even = some.without_recency()
    assert even.rungs(512, 0).tolist() == [*[0] * 224, *[1] * 32] * 2
    assert not even.sends(1, "head", True, 0) and not even.sends(2, "tail", True, 1)


def test_encode_tokensOutOfTheWindow_costNothing():
    tables, profile = read_tables(), tiny_profile(8, 8)
    keys, values = noise(1, 1024, 1, 4).half(), noise(1, 1024, 1, 4, seed=1).half()
    whole, near = (
        encode(profile, tables, KvShape(1, 2, 1, 4, (1e4,), (window,)), keys, values)
        for window in (-1, 512)
    )
    assert (whole.elements, near.elements) == (8192, 4096)
    assert near.needed.tolist() == [[False, False, True, True]]
    total = (whole.bits[0, 2:, 0].sum() / 4096).item()
    assert math.isclose(near.bits_per_element(FLAT), total, rel_tol=1e-9)
