"""The packaged model and small ones of random weights, loaded and run: the one module that imports torch for that."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from learnlab.errors import SearchError
from learnlab.search import encoders
from learnlab.search.encoders import onnx_export
from learnlab.search.encoders.onnx_encoder import OnnxEncoder
from learnlab.search.encoders.onnx_files import folder_of, kept
from learnlab.search.encoders.torch_encoder import TorchEncoder
from learnlab.search.encoders.weights import weights
from learnlab.settings import settings

QUERY = "timezone handling in date conversion"
KINDS = [
    QUERY,
    "",
    "  \n",
    "nul \x00 and ☃ 🐛 👩‍💻",
    "lone \ud800 surrogates \udfff",
    "在日期转换中处理时区 und часовые пояса",
    "KeyError in src/utils/dates.py:42 " * 3000,
    "x" * 100_000,
    " " * 100_000 + "end",
]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """A home for all tests of this module, so that the packaged model is exported once."""
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture
def in_cache(cache, monkeypatch) -> Path:
    """The same home, in force while a test runs."""
    monkeypatch.setenv("LEARNLAB_HOME", str(cache))
    settings.cache_clear()
    return cache


@pytest.fixture(scope="module")
def real(cache) -> OnnxEncoder:
    """The packaged model, exported without a network and loaded."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("loading the packaged model asked the network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEARNLAB_HOME", str(cache))
        patch.setattr(encoders, "_made", {})
        patch.setattr(socket, "getaddrinfo", refuse)
        patch.setattr(socket.socket, "connect", refuse)
        settings.cache_clear()
        found = encoders.encoder()
        assert encoders.encoder("") is found
    settings.cache_clear()
    assert isinstance(found, OnnxEncoder)
    return found


def test_the_packaged_model_gives_the_vectors_it_is_known_for(real):
    assert (real.key, real.dimension, real.runs_on) == (
        "all-MiniLM-L6-v2@53aa51172d14",
        384,
        "onnxruntime on the CPU",
    )
    found = real.encode([QUERY, "convert dates between time zones", "colour of the submit button"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found @ found[0], [1.0, 0.84147, -0.01101], atol=1e-4)
    np.testing.assert_allclose(found[0, :4], [0.04648, 0.06337, -0.04511, -0.00254], atol=1e-4)


def test_every_text_has_a_vector_of_unit_length_whatever_shares_its_batch(real):
    together = real.encode(KINDS)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for i in (0, 1, 3, 6):
        np.testing.assert_allclose(real.encode([KINDS[i]])[0], together[i], atol=1e-5)
    assert together[-1] @ real.encode(["end"])[0] == pytest.approx(1, abs=1e-6)


def test_onnxruntime_and_torch_give_the_same_vectors(real, in_cache):
    slow = TorchEncoder(weights("all-MiniLM-L6-v2"), "cpu")
    assert (slow.key, slow.dimension, slow.runs_on) == (real.key, real.dimension, "torch on the CPU")
    texts = [*KINDS[:6], KINDS[6][:5000]]
    assert (slow.encode(texts) * real.encode(texts)).sum(axis=1).min() > onnx_export.AGREES


def test_a_later_process_imports_no_torch(real, cache):
    program = (
        "import sys\n"
        "from learnlab.search.encoders import encoder\n"
        f"print(encoder('all-MiniLM-L6-v2').encode([{QUERY!r}])[0, :4].tolist())\n"
        "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))\n"
    )
    environment = {"LEARNLAB_HOME": str(cache), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    numbers, heavy = done.stdout.splitlines()
    np.testing.assert_allclose(json.loads(numbers), real.encode([QUERY])[0, :4], atol=1e-6)
    assert heavy == "[]"


def test_four_threads_share_an_encoder(real):
    texts = [f"{'retry the upload ' * (i % 7)}{i}" for i in range(24)]
    alone = real.encode(texts)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(real.encode, [texts] * 4):
            np.testing.assert_allclose(found, alone, atol=1e-5)


PIECES = [
    "a",
    " ",
    "naïve",
    "x" * 99,
    "y" * 100,
    "z" * 101,
    "日本",
    "é\u0301",
    "🐛",
    "[SEP]",
    "...",
    "\0",
    "un-do_it ",
]


@hypothesis_settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from(PIECES), st.integers(1, 400)), max_size=12))
def test_reading_only_the_beginning_of_a_long_text_changes_no_token(real, parts):
    import tokenizers

    text = "".join(piece * n for piece, n in parts)
    whole = tokenizers.Tokenizer.from_str(real._tokenizer.to_str())
    whole.enable_truncation(256)
    assert real.tokens(text) == whole.encode(text).ids


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A BERT of two layers and random weights, saved as sentence-transformers does."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("models") / "tiny"
    letters = [chr(i) for i in range(33, 127)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    numbers = {token: i for i, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "BertTokenizer", "model_max_length": 64}'
    )
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48, "do_lower_case": false}')
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    pool(folder, "mean")
    return folder


def pool(folder: Path, mode: str) -> None:
    names = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens"}
    config = {"word_embedding_dimension": 32} | {f"pooling_mode_{names[m]}": m == mode for m in names}
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(config))


@pytest.fixture
def own(tiny, tmp_path) -> Path:
    """A copy of the small model, to be changed."""
    return shutil.copytree(tiny, tmp_path / "tiny")


def anew(folder: Path):
    """Return the encoder of a folder as a new process would make it."""
    encoders._made.clear()
    return encoders.encoder(str(folder))


@pytest.fixture(autouse=True)
def nothing_made(monkeypatch):
    monkeypatch.setattr(encoders, "_made", {})


@pytest.mark.parametrize("mode", ["mean", "cls"])
def test_a_folder_is_exported_once_and_gives_torch_s_vectors(own, mode, monkeypatch):
    pool(own, mode)
    first = anew(own)
    slow = TorchEncoder(weights(str(own)), "cpu")
    assert (first.key, first.dimension, first.runs_on) == (slow.key, 32, "onnxruntime on the CPU")
    assert first.key.startswith("tiny@")
    assert (first.encode(KINDS[:6]) * slow.encode(KINDS[:6])).sum(axis=1).min() > onnx_export.AGREES
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    np.testing.assert_array_equal(anew(own).encode(KINDS[:6]), first.encode(KINDS[:6]))


def test_a_damaged_export_is_made_again_and_never_loaded(own):
    before = anew(own).encode([QUERY])
    export = kept(weights(str(own)))
    whole = export.model.read_bytes()
    middle = len(whole) // 2
    export.model.write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    assert kept(weights(str(own))) is None
    np.testing.assert_array_equal(anew(own).encode([QUERY]), before)
    assert kept(weights(str(own))) == export


def test_other_weights_in_the_same_folder_are_another_model(own):
    import torch
    from safetensors.torch import load_file, save_file

    first = anew(own)
    numbers = load_file(own / "model.safetensors")
    changed = {name: torch.flip(values, [0]) for name, values in numbers.items()}
    save_file(changed, own / "model.safetensors", metadata={"format": "pt"})
    second = anew(own)
    assert second.key != first.key
    assert folder_of(weights(str(own))).name == second.key
    assert abs((first.encode([QUERY]) * second.encode([QUERY])).sum()) < 0.99


def test_what_cannot_be_exported_runs_in_torch(own, monkeypatch, home):
    pool(own, "max")
    found = anew(own)
    assert (found.runs_on, found.dimension) == ("torch on the CPU", 32)
    np.testing.assert_allclose(np.linalg.norm(found.encode(KINDS[:6]), axis=1), 1, atol=1e-6)
    pool(own, "mean")
    monkeypatch.setattr(onnx_export, "AGREES", 1.1)
    assert anew(own).runs_on == "torch on the CPU"
    assert kept(weights(str(own))) is None
    monkeypatch.undo()
    monkeypatch.setenv("LEARNLAB_HOME", str(home))
    home.mkdir(exist_ok=True)
    shutil.rmtree(home / "models", ignore_errors=True)
    (home / "models").touch()
    assert anew(own).runs_on == "torch on the CPU"


def test_four_threads_share_torch(own):
    pool(own, "max")
    found = anew(own)
    alone = found.encode(KINDS[:6])
    with ThreadPoolExecutor(4) as threads:
        for again in threads.map(found.encode, [KINDS[:6]] * 8):
            np.testing.assert_allclose(again, alone, atol=1e-6)


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_weights_that_give_no_vector_are_refused(own, value):
    import torch
    from safetensors.torch import load_file, save_file

    numbers = {name: torch.full_like(v, value) for name, v in load_file(own / "model.safetensors").items()}
    save_file(numbers, own / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SearchError, match="zero or not finite"):
        anew(own).encode([QUERY])


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08" + bytes(7) + b'{"a":{}}'])
def test_weights_that_are_none_are_refused(own, content):
    (own / "model.safetensors").write_bytes(content)
    with pytest.raises(SearchError, match="cannot be loaded"):
        anew(own)
