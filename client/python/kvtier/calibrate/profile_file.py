"""From what calibration fitted to the profile that the codec uses (`docs/format.md`, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kvtier.dtype import Dtype
from kvtier.identity import Geometry, GeometryKind, Rope
from kvtier.profile import Level, LossPoint, Profile, ProfileGroup, ProfileKind

from .model import KvShape
from .simulate import CLASS_MAX, CLASS_MIN, CodecProfile, GroupCodec


@dataclass(frozen=True)
class ProfileText:
    """What a profile says about itself: its kind, how it was made, what its levels cost."""

    kind: str
    provenance: str
    class_centre: int
    class_table: int
    levels: list[Level]
    loss: list[LossPoint]


def geometry(shape: KvShape) -> Geometry:
    """The geometry of a calibrated model: profiles name its shape digest."""
    bases = sorted(set(shape.theta))
    return Geometry(
        query_heads=shape.query_heads,
        kv_heads=shape.heads,
        key_dim=shape.dim,
        value_dim=shape.dim,
        dtype=Dtype.F16,
        kind=GeometryKind.ATTENTION,
        opaque_bytes=0,
        ropes=tuple(Rope.rotate_half(shape.dim, theta) for theta in bases),
        rope_of=tuple(bases.index(theta) for theta in shape.theta),
        kv_source=tuple(range(shape.layers)),
        window=shape.window,
    )


def to_profile(fitted: CodecProfile, shape: KvShape, text: ProfileText) -> Profile:
    """The profile; `kvtier.profile.to_bytes` makes the file of it."""
    return Profile(
        kind=ProfileKind[text.kind.upper()],
        shape=geometry(shape).shape_digest,
        step=fitted.step,
        layer_groups=len(fitted.groups) // fitted.head_groups,
        head_groups=fitted.head_groups,
        groups=tuple(_group(group) for group in fitted.groups),
        centroids=fitted.centroids.numpy(),
        class_rows=True,
        class_min=CLASS_MIN,
        class_max=CLASS_MAX,
        class_centre=text.class_centre,
        class_table=text.class_table,
        provenance=text.provenance,
        levels=tuple(text.levels),
        loss=tuple(text.loss),
        curve=tuple(_curve_points(fitted)),
    )


def from_profile(profile: Profile, tokens: int) -> CodecProfile:
    """What the simulation needs of a profile, for contexts of up to `tokens` tokens."""
    groups = [
        GroupCodec(
            group.layers,
            group.heads,
            torch.tensor(group.mean),
            torch.tensor(group.analysis.astype(np.float32)),
            torch.tensor(group.synthesis.astype(np.float32)),
            torch.tensor(group.sigma),
            torch.tensor(group.sigma_index).long(),
            torch.tensor(group.probe),
        )
        for group in profile.groups
    ]
    curve = torch.tensor(profile.octaves(0, tokens))
    return CodecProfile(profile.step, groups, curve, torch.tensor(profile.centroids))


def _curve_points(profile: CodecProfile) -> list[tuple[int, float]]:
    """Positions where the curve changes, 0 from its end on."""
    curve = profile.curve.numpy().astype(np.float32)
    points = [(0, float(curve[0]))]
    for position in range(1, len(curve)):
        if curve[position] != curve[position - 1]:
            points.append((position, float(curve[position])))
    if points[-1][1] != 0:
        points.append((len(curve), 0.0))
    return points


def _group(group: GroupCodec) -> ProfileGroup:
    return ProfileGroup(
        layers=group.layers,
        heads=group.heads,
        width=group.analysis.shape[1],
        mean=group.mean.numpy(),
        sigma=group.sigma.numpy(),
        sigma_index=group.sigma_index.numpy(),
        probe=group.probe.numpy(),
        analysis=group.analysis.numpy(),
        synthesis=group.synthesis.numpy(),
    )
