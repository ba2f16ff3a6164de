from __future__ import annotations

import numpy as np
import pytest

from learnlab.patterns import clusters as room
from learnlab.patterns.clusters import OUTLIER, clusters


def blobs(n_blobs, n_each, seed=0, spread=0.4, dimension=48):
    """Return points around directions drawn at random, all of length 1, and the blob of each."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_blobs, dimension))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    of = np.repeat(np.arange(n_blobs), n_each)
    points = centres[of] + spread / np.sqrt(dimension) * rng.standard_normal((len(of), dimension))
    order = rng.permutation(len(of))
    return (points / np.linalg.norm(points, axis=1, keepdims=True))[order], of[order]


def agree(labels, truth):
    """Return the share of points that are in a cluster whose points are all of their blob, and how many clusters."""
    pure = [len(set(truth[labels == one])) == 1 for one in range(labels.max() + 1)]
    return np.mean([one != OUTLIER and pure[one] for one in labels]), len(pure)


def test_blobs_are_found_each_whole():
    points, truth = blobs(6, 60)
    assert agree(clusters(points), truth) == (1.0, 6)


def test_blobs_that_touch_are_found_in_the_graph_that_joins_them():
    points, truth = blobs(8, 60, spread=1.0)
    share, n = agree(clusters(points), truth)
    assert share > 0.9
    assert 8 <= n <= 16


def test_the_same_vectors_and_seed_give_the_same_clusters_numbered_by_size():
    points, _ = blobs(5, 50, spread=1.5)
    labels = clusters(points, seed=3)
    assert np.array_equal(clusters(points, seed=3), labels)
    sizes = np.bincount(labels[labels >= 0])
    assert (np.diff(sizes) <= 0).all()


def test_whole_numbers_of_any_length_are_as_good():
    points, truth = blobs(5, 40)
    assert agree(clusters(np.rint(points * 511).astype(np.int16)), truth) == (1.0, 5)


def test_beyond_the_sample_each_goes_where_its_neighbours_are(monkeypatch):
    points, truth = blobs(5, 120)
    strangers = np.random.default_rng(9).standard_normal((1, 48))
    monkeypatch.setattr(room, "SAMPLE", 200)
    monkeypatch.setattr(room, "_PIECE", 64)
    labels = clusters(np.vstack([points, strangers / np.linalg.norm(strangers)]), seed=1)
    assert agree(labels[:-1], truth) == (1.0, 5)


def test_what_falls_apart_nowhere_is_one_cluster():
    points, _ = blobs(1, 200)
    assert clusters(points).tolist() == [0] * 200


def test_equal_vectors_are_one_cluster():
    points = np.repeat(blobs(3, 1)[0], 40, axis=0)
    assert sorted(np.bincount(clusters(points))) == [40, 40, 40]


@pytest.mark.parametrize("n", [0, 1, 9])
def test_a_few_vectors_are_no_cluster(n):
    assert clusters(np.ones((n, 48), dtype=np.float32)).tolist() == [OUTLIER] * n
