"""How a worker reaches the tier: one configuration from a file, the environment and keywords.

What is nearer to the call wins: keyword, then `KVTIER_…` variable, then YAML file, then default.
Names are written as their place wants them: `loadTimeout` in YAML (as in a node's file),
`KVTIER_LOAD_TIMEOUT` in the environment, `load_timeout` as a keyword. Sizes take B, KiB, MiB, GiB
or TiB; times take ms, s, min or h, and a bare number is seconds.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from kvtier.errors import InvalidRequestError, require
from kvtier.identity import CHUNK_TOKENS_MAX
from kvtier.wire import Durability

PREFIX = "KVTIER_"
FILE_VARIABLE = "KVTIER_CONFIG"
_UNITS = {
    unit: 1024**power for power, unit in enumerate(("B", "KiB", "MiB", "GiB", "TiB"))
}
_TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_AMOUNT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$")
MODES = ("adaptive", "exact")


@dataclass(frozen=True)
class TierConfig:
    """One worker's view of the tier.

    node: `grpc://host:port`. mode: `adaptive` (a codec and a plan for each read) or `exact` (an
    engine's blocks bit for bit). profile: file of a calibrated profile, empty for the data-free
    codec. model: 64 hex digits that name the weights, empty to take a fingerprint of their files.
    chunk_tokens: tokens of a chunk, 0 = the connector's choice. level: best level that a read asks
    for, by its name in the profile, or `best`. lookup_timeout, load_timeout, save_timeout,
    retry_after: seconds; a node that failed is left alone for retry_after.
    prefill_tokens_per_second: what computing costs, 0 = measured where the engine lets it be.
    save_bytes: most bytes of chunks that wait to be sent; more are dropped. durability: `memory`
    or `disk`. token_file: file of the bearer token. tls_ca: PEM file of the
    authorities that vouch for `grpc+tls://` nodes, empty for the system's; tls_cert, tls_key: PEM
    files of the worker's own certificate, where nodes ask for one. save: whether chunks are put at
    all. async_load: whether loads go on beside steps.
    """

    node: str = "grpc://127.0.0.1:7420"
    mode: str = "adaptive"
    profile: str = ""
    model: str = ""
    chunk_tokens: int = 0
    level: str = "best"
    lookup_timeout: float = 0.25
    load_timeout: float = 10.0
    save_timeout: float = 30.0
    retry_after: float = 1.0
    prefill_tokens_per_second: float = 0.0
    save_bytes: int = 512 << 20
    durability: str = "memory"
    token_file: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    save: bool = True
    async_load: bool = True

    def __post_init__(self) -> None:
        good = re.fullmatch(r"grpc(\+tls)?://[^/\s]+:\d+", self.node) is not None
        require(good, "node", repr(self.node), "grpc://host:port")
        require(self.mode in MODES, "mode", repr(self.mode), " or ".join(MODES))
        require(
            re.fullmatch(r"(?:[0-9a-fA-F]{64})?", self.model) is not None,
            "model", repr(self.model), "64 hex digits, or empty for a fingerprint of the weights",
        )
        size = self.chunk_tokens
        require(0 <= size <= CHUNK_TOKENS_MAX, "chunk_tokens", size, f"0..{CHUNK_TOKENS_MAX}")
        for name in ("lookup_timeout", "load_timeout", "save_timeout"):
            require(getattr(self, name) > 0, name, getattr(self, name), "more than 0 s")
        for name in ("retry_after", "prefill_tokens_per_second", "save_bytes"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        both = bool(self.tls_cert) == bool(self.tls_key)
        require(both, "tls_cert and tls_key", "one of them", "both or none")
        names = [kind.name.lower() for kind in Durability]
        require(self.durability in names, "durability", repr(self.durability), " or ".join(names))

    @property
    def put_durability(self) -> Durability:
        """The durability as the wire has it."""
        return Durability[self.durability.upper()]

    @staticmethod
    def load(
        file: str | Path | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        **keywords: Any,
    ) -> TierConfig:
        """The configuration of file (by default `$KVTIER_CONFIG`, if set), environment, keywords.

        settings: an engine's, which rank with the keywords and have the names of YAML. Raises
        InvalidRequestError that names what is wrong and where it stands.
        """
        environment = os.environ if environment is None else environment
        path = file or environment.get(FILE_VARIABLE)
        values: dict[str, Any] = {}
        if path:
            values |= _checked(_read(Path(path)), {_camel(n): n for n in _NAMES}, f"{path}")
        named = {PREFIX + name.upper(): name for name in _NAMES}
        present = {key: environment[key] for key in named if key in environment}
        values |= _checked(present, named, "the environment")
        values |= _checked(settings or {}, {_camel(n): n for n in _NAMES}, "the engine's settings")
        values |= _checked(keywords, {n: n for n in _NAMES}, "the arguments")
        return TierConfig(**values)


_NAMES = tuple(field.name for field in fields(TierConfig))
_TYPES = get_type_hints(TierConfig)
_SECONDS = ("lookup_timeout", "load_timeout", "save_timeout", "retry_after")


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """Variables that begin like ours and are not read: mistyped, or of another program."""
    known = {PREFIX + name.upper() for name in _NAMES} | {FILE_VARIABLE}
    return sorted(key for key in environment if key.startswith(PREFIX) and key not in known)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequestError(f"configuration {path} cannot be read: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"configuration {path} is no YAML: {error}") from None
    content = {} if content is None else content
    require(isinstance(content, dict), f"content of {path}", type(content).__name__, "keys")
    return content


def _checked(given: Mapping[Any, Any], names: Mapping[str, str], where: str) -> dict[str, Any]:
    out = {}
    for key, value in given.items():
        if key not in names:
            near = difflib.get_close_matches(str(key), names, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}"
            raise InvalidRequestError(f"key in {where} is {key!r}, expected another: {hint}")
        out[names[key]] = _value(names[key], value, f"{key} in {where}")
    return out


def _value(name: str, value: Any, where: str) -> Any:
    kind = _TYPES[name]
    if kind is str:
        require(isinstance(value, str), where, repr(value), "text")
        return value
    if kind is bool:
        text = str(value).lower()
        require(text in ("true", "false", "1", "0"), where, repr(value), "true or false")
        return text in ("true", "1")
    match = None if isinstance(value, bool) else _AMOUNT.match(str(value))
    number, unit = match.groups() if match else ("", "")
    units = _TIMES if name in _SECONDS else _UNITS if name == "save_bytes" else {}
    expected = f"a number{', with ' + ', '.join(units) if units else ''}"
    require(match is not None and (not unit or unit in units), where, repr(value), expected)
    amount = float(number) * units.get(unit, 1)
    require(kind is float or amount.is_integer(), where, repr(value), "a whole number")
    return kind(amount)
