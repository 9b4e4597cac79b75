"""Text files to token ids by a tokenizer whose ids are known."""

from __future__ import annotations

import gzip

import make_texts
import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

LETTERS = "abcdefgh "


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(LETTERS)}, []))
    tokenizer.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    return folder


def run(model, out, *texts) -> dict[str, np.ndarray]:
    where = ["--model", str(model), "--out", str(out), "--prefix", "fresh_", "--tokens", "6"]
    make_texts.main(where + list(texts))
    with np.load(out) as arrays:
        return dict(arrays)


def test_texts_plainAndCompressed_beginWhereAsked(model, tmp_path):
    (tmp_path / "a.txt").write_text("abcabc abc")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"habcdefgh"))
    texts = run(model, tmp_path / "t.npz", f"a={tmp_path}/a.txt", f"b={tmp_path}/b.gz@1")
    assert {name: ids.tolist() for name, ids in texts.items()} == {
        "fresh_a": [0, 1, 2, 0, 1, 2],
        "fresh_b": [0, 1, 2, 3, 4, 5],
    }
    assert all(ids.dtype == np.int32 for ids in texts.values())


def test_texts_thatDoNotFit_areRefusedByName(model, tmp_path):
    short, binary = tmp_path / "short.txt", tmp_path / "binary.txt"
    short.write_text("abcabc abc")
    binary.write_bytes(b"\xff\xfe\x00")
    for text, reason in (
        (f"a={short}@5", "short.txt has 5 tokens from there on, expected 6"),
        (f"a={binary}", "binary.txt: .*UTF-8 is expected"),
        (f"a={tmp_path}/none", "none: .*text file"),
        (f"{short}", "expected NAME=FILE"),
        (f"a={short}@x", "expected NAME=FILE"),
    ):
        with pytest.raises(SystemExit, match=reason):
            run(model, tmp_path / "t.npz", text)
