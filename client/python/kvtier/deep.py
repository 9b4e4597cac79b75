"""The deep transform (docs/format.md sections 3.1 and 4): one more KLT over all layer groups.

The first M components of every group, S in all, are *shared*: z `[tokens, S]`, group after group.
A linear prediction from the token ids is taken off, and the rest is transformed once more by rows
that are orthonormal, so that quantizing errors keep their meaning. A token has one class for all
layers.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kvtier.errors import require, trust
from kvtier.identity import token_array, token_digest
from kvtier.tables import TABLES

RANK_MAX = (1 << 16) - 1
LAGS_MAX = 8
_TRANSFORM = struct.Struct("<II")
_PREDICTION = struct.Struct("<IHBB")


@dataclass(frozen=True, eq=False)
class TokenPrediction:
    """What token ids say of z. Each id has F features; a token is predicted from its own and those
    of the `lags` - 1 tokens before it in its chunk.

    scale f32[F], table i8[vocabulary, F], matrix f32[S, lags * F] (float16 values).
    """

    lags: int
    scale: np.ndarray
    table: np.ndarray
    matrix: np.ndarray

    def features(self, tokens: np.ndarray) -> np.ndarray:
        """f32 `[tokens, lags * F]`; zeros before the chunk and for ids beyond the table."""
        count, vocabulary = len(tokens), len(self.table)
        ids = np.asarray(tokens, np.int64)
        own = self.table[np.minimum(ids, vocabulary - 1)].astype(np.float32) * self.scale
        own[ids >= vocabulary] = 0
        out = np.zeros((count, self.lags, len(self.scale)), np.float32)
        for lag in range(min(self.lags, count)):
            out[lag:, lag] = own[: count - lag]
        return out.reshape(count, -1)

    def predict(self, tokens: np.ndarray) -> np.ndarray:
        """f32 `[tokens, S]`."""
        return self.features(tokens) @ self.matrix.T


@dataclass(frozen=True, eq=False)
class DeepTransform:
    """The second transform of a deep profile.

    leading: M; sigma f32[R] falling, sigma_index u8[R], matrix f32[R, S] (float16 values) with
    orthonormal rows; prediction: None where token ids are not used.
    """

    leading: int
    sigma: np.ndarray
    sigma_index: np.ndarray
    matrix: np.ndarray
    prediction: TokenPrediction | None = None

    @property
    def rank(self) -> int:
        """Components that are coded."""
        return len(self.sigma_index)

    def check_tokens(
        self, tokens: Sequence[int] | np.ndarray | None, digest: bytes
    ) -> np.ndarray | None:
        """The chunk's token ids, which must be those that the frame was made of; None where they
        are not used."""
        if self.prediction is None:
            return None
        require(tokens is not None, "tokens", None, "the chunk's, which this profile predicts from")
        assert tokens is not None
        ids = token_array(tokens)
        actual = token_digest(ids)
        require(actual == digest, "digest of the tokens", actual.hex(), digest.hex())
        return ids

    def forward(self, z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """Shared components f32 `[tokens, R]` of z f32 `[tokens, S]`."""
        if self.prediction is not None:
            z = z - self.prediction.predict(tokens)
        return z @ self.matrix.T

    def inverse(self, components: np.ndarray, tokens: np.ndarray | None) -> np.ndarray:
        """z of the first components f32 `[tokens, active]`, the others being 0."""
        z = components @ self.matrix[: components.shape[1]]
        if self.prediction is not None:
            assert tokens is not None
            z += self.prediction.predict(tokens)
        return z


def pooled_octaves(octaves: np.ndarray) -> np.ndarray:
    """One step for all groups f64 `[tokens]`, by the arithmetic mean of their sensitivities.

    octaves `[groups, tokens]`: each group's own log2 of step, half of a sensitivity's, negated.
    """
    return -0.5 * np.log2(np.exp2(-2 * np.asarray(octaves, np.float64)).mean(axis=0))


def read(reader, groups: Sequence, head_groups: int) -> DeepTransform:
    """The section behind the groups of a deep profile; `reader` is the profile file's."""
    trust(head_groups == 1, "head groups of a deep profile", 1, head_groups)
    leading, rank = reader.take(_TRANSFORM.format)
    least = min(group.rank for group in groups)
    trust(1 <= leading <= least, "leading components of a deep profile", f"1..{least}", leading)
    shared = leading * len(groups)
    most = min(shared, RANK_MAX)
    trust(1 <= rank <= most, "rank of the deep transform", f"1..{most}", rank)
    where = "the deep transform"
    sigma = reader.array("<f4", rank, where)
    trust(bool((sigma > 0).all()), f"sigma of {where}", "positive", float(sigma.min()))
    tables = reader.array("u1", rank, where)
    trust(int(tables.max()) < TABLES, f"sigma index of {where}", "0..63", int(tables.max()))
    matrix = reader.array("<f2", rank * shared, where).reshape(rank, shared)
    return DeepTransform(leading, sigma, tables, matrix, _read_prediction(reader, shared))


def _read_prediction(reader, shared: int) -> TokenPrediction | None:
    vocabulary, features, lags, reserved = reader.take(_PREDICTION.format)
    trust(reserved == 0, "reserved field of the token prediction", 0, reserved)
    if vocabulary == 0:
        trust(features == lags == 0, "features without a vocabulary", 0, features)
        return None
    where = "the token prediction"
    trust(features >= 1, f"features of {where}", "1 or more", features)
    trust(1 <= lags <= LAGS_MAX, f"lags of {where}", f"1..{LAGS_MAX}", lags)
    scale = reader.array("<f4", features, where)
    table = reader.array("i1", vocabulary * features, where).reshape(vocabulary, features)
    matrix = reader.array("<f2", shared * lags * features, where).reshape(shared, lags * features)
    return TokenPrediction(lags, scale, table, matrix)


def to_bytes(deep: DeepTransform) -> bytes:
    """The section, as `read` reads it."""
    out = [_TRANSFORM.pack(deep.leading, deep.rank)]
    out += [_array(deep.sigma, "<f4"), _array(deep.sigma_index, "u1"), _array(deep.matrix, "<f2")]
    prediction = deep.prediction
    if prediction is None:
        return b"".join(out) + _PREDICTION.pack(0, 0, 0, 0)
    vocabulary, features = prediction.table.shape
    out.append(_PREDICTION.pack(vocabulary, features, prediction.lags, 0))
    out += [_array(prediction.scale, "<f4"), _array(prediction.table, "i1")]
    return b"".join((*out, _array(prediction.matrix, "<f2")))


def _array(values: np.ndarray, layout: str) -> bytes:
    out = values.astype(layout)
    finite = math.isfinite(float(np.abs(out.astype(np.float32)).max()))
    require(finite, f"deep transform as {layout}", "a value that is not finite", "finite numbers")
    return out.tobytes()
