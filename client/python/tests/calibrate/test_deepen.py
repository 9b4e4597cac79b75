"""The deep transform fitted to a tiny model's caches, and its command line."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from kvtier.calibrate import __main__ as command
from kvtier.calibrate import deepen
from kvtier.calibrate.evaluate import Simulation
from kvtier.calibrate.frames import FrameCoder
from kvtier.calibrate.judge import Case
from kvtier.calibrate.losses import LEVELS
from kvtier.calibrate.model import kv_shape
from kvtier.calibrate.profile_file import from_profile, geometry
from kvtier.calibrate.tables import read_tables
from kvtier.decoder import decode_chunk, frame_segments
from kvtier.encoder import ChunkId, encode_chunk
from kvtier.frame import verify
from kvtier.identity import Namespace, chunk_keys
from kvtier.profile import Profile, ProfileGroup, ProfileKind, parse, sigma_index, to_bytes
from kvtier.tables import load

LAYERS, VOCABULARY = 2, 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, its joint profile (of random orthogonal axes) and texts."""
    path = tmp_path_factory.mktemp("deepen")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=2048,
    )
    LlamaForCausalLM(config).save_pretrained(path)
    rng = np.random.default_rng(0)
    texts = {f"train_{i}": rng.integers(0, VOCABULARY, 1300).astype(np.int32) for i in range(3)}
    np.savez(path / "texts.npz", **texts)
    (path / "joint.kvp").write_bytes(to_bytes(joint(path)))
    return path


def joint(path) -> Profile:
    shape = geometry(kv_shape(path))
    rng, groups = np.random.default_rng(1), []
    for layer in range(LAYERS):
        basis = np.linalg.qr(rng.normal(size=(32, 32)))[0] * 50
        sigma = np.linspace(2, 1, 32)
        groups.append(
            ProfileGroup(
                (layer,),
                (0, 1),
                32,
                np.zeros(32),
                sigma,
                sigma_index(sigma, 0.1),
                rng.normal(size=33) * 0.05,
                basis,
                basis / 2500,
            )
        )
    return Profile(
        ProfileKind.LAYER,
        shape.shape_digest,
        0.1,
        LAYERS,
        1,
        tuple(groups),
        load().centroids,
        class_rows=True,
        class_min=-6,
        class_max=6,
        provenance="random",
        curve=((0, -0.5), (64, 0.0)),
    )


def test_command_writes_a_deep_profile_whose_tokens_tell_the_first_layer(folder):
    out = folder / "deep.kvp"
    files = {"model": folder, "joint": folder / "joint.kvp", "texts": folder / "texts.npz"}
    arguments = [f"--{name}={path}" for name, path in files.items()]
    deepen.main(
        [*arguments, f"--out={out}", "--leading=30", "--features=32"]
        + ["--step=0.2", "--held-out=0"]
    )
    shape = geometry(kv_shape(folder))
    profile = parse(out.read_bytes(), shape)
    deep = profile.deep
    assert deep is not None and deep.prediction is not None
    assert (deep.leading, deep.rank, deep.prediction.table.shape) == (30, 60, (VOCABULARY, 32))
    assert np.allclose(deep.matrix @ deep.matrix.T, np.eye(60), atol=2e-3)
    assert (np.diff(deep.sigma) <= 0).all() and profile.step == np.float32(0.2)
    assert "deep from joint" in profile.provenance

    ids = np.random.default_rng(5).integers(0, VOCABULARY, 200)
    model = deepen.CausalModel(folder)
    k, v = (tensor.numpy() for tensor in model.prefill(ids))
    context = deepen.Context.of(profile, shape, ids, k, v)
    first = context.components[0][4:, :30]  # layer 0 is linear in the normalized embedding
    rest = first - deep.prediction.predict(ids)[4:, :30]
    assert np.square(rest).sum() < 0.05 * np.square(first).sum()

    space = Namespace(bytes(32), shape)
    chunk = ChunkId(chunk_keys(space, ids, with_rest=True)[0], ids, 0)
    frame = encode_chunk(space, profile, chunk, k, v)
    header = verify(frame, space)
    k_out, v_out = np.zeros_like(k), np.zeros_like(v)
    decode_chunk(header, frame_segments(header, frame), profile, shape, k_out, v_out, ids)
    error = np.square(v_out.astype(np.float32) - v).sum() / np.square(v.astype(np.float32)).sum()
    assert error < 0.02


def test_levels_areMeasuredByFramesOfTheCodec(folder):
    out, rows = folder / "measured.kvp", folder / "rows.jsonl"
    command.run_command(
        [f"--model={folder}", f"--texts={folder / 'texts.npz'}", f"--out={out}", "--threads=1"]
        + ["--kind=deep", f"--joint={folder / 'joint.kvp'}", "--held-out=1", f"--rows={rows}"]
        + ["--leading=30", "--step=0.2"]
    )
    profile = parse(out.read_bytes(), geometry(kv_shape(folder)))
    assert profile.kind == ProfileKind.DEEP
    assert [level.name for level in profile.levels] == [level.name for level in LEVELS]
    bits = [level.bits_per_element for level in profile.levels]
    left = [level.distortion for level in profile.levels]
    assert bits == sorted(bits, reverse=True) and left == sorted(left)
    assert not any(np.isnan(level.kl) for level in profile.levels)
    assert profile.loss[0].distortion == 0 and profile.loss[-1].distortion > left[-1]
    assert len(rows.read_text().splitlines()) == len(LEVELS)


def test_frames_ofAnOrdinaryProfile_costAndLeaveWhatTheSimulationSays(folder):
    shape, model = kv_shape(folder), deepen.CausalModel(folder)
    profile = parse((folder / "joint.kvp").read_bytes(), geometry(shape))
    ids = np.random.default_rng(6).integers(0, VOCABULARY, 512)
    case = Case("x", "x", *model.prefill(ids), following=ids[:0], tokens=ids)
    coders = (
        Simulation(from_profile(profile, 1024), read_tables(), shape),
        FrameCoder(profile, geometry(shape)),
    )
    simulated, framed = (coder.encode(case) for coder in coders)
    for level in LEVELS:
        assert framed.distortion(level) == pytest.approx(simulated.distortion(level), rel=1e-4)
        bits = simulated.bits_per_element(level)
        assert bits < framed.bits_per_element(level) < 1.15 * bits  # small frames, small segments
        a, b = (c.decode(case, x, level) for c, x in zip(coders, (simulated, framed)))
        assert all(torch.allclose(x.float(), y.float(), atol=2e-3) for x, y in zip(a, b))
    assert framed.stored_bits_per_element > framed.bits_per_element(LEVELS[0])


def test_more_leading_components_than_there_are_is_refused(folder):
    files = {"model": folder, "joint": folder / "joint.kvp", "texts": folder / "texts.npz"}
    arguments = [f"--{name}={path}" for name, path in files.items()]
    with pytest.raises(SystemExit, match="at least 32 components a group"):
        deepen.main([*arguments, f"--out={folder / 'no.kvp'}", "--leading=33"])
