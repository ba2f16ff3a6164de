"""Clusters of similar texts: a graph of neighbours, drawn into few dimensions, where HDBSCAN finds what is dense."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.search.extra import extra

Floats = NDArray[np.floating[Any]]
Numbers = NDArray[np.integer[Any] | np.floating[Any]]
Ints = NDArray[np.int64]

SAMPLE = 10_000
"""Texts that are clustered; of more, a sample is, and the others go where most of their neighbours in it are."""

SMALLEST = 5
"""Texts that a cluster has at least, in a small store; 25 from 2,000 texts on."""

LARGEST_FLOOR, SHARE = 25, 80
NEIGHBOURS, REDUCED, DRAWN, LOOSE = 15, 64, 20, 0.8
VOTES, ROUNDS = 1 / 3, 5
OUTLIER = -1
_PIECE = 1000


def clusters(vectors: Numbers, *, seed: int = 0) -> Ints:
    """Return the cluster of each vector, numbered from 0 by size; -1 for one that is in none.

    Vectors are projected onto their 64 leading directions and joined to their 15 nearest neighbours. Each
    connected part of that graph is drawn by Laplacian eigenmaps in up to 20 dimensions and clustered there by
    HDBSCAN (R. Campello, D. Moulavi and J. Sander, PAKDD 2013). Whoever is left outside joins the cluster of
    most of its neighbours, where more than a third of them are in it. The same vectors in the same order and
    the same seed give the same clusters. Eigenmaps: M. Belkin and P. Niyogi, Neural Computation 15 (2003),
    1373-1396. Why not HDBSCAN on the projection itself, with figures: docs/decisions/0023-patterns.md.

    Raises:
        SearchError: when scikit-learn is not installed.
    """
    n = len(vectors)
    if n < 2 * SMALLEST:
        return np.full(n, OUTLIER, dtype=np.int64)
    rng = np.random.default_rng(seed)
    sample = np.sort(rng.permutation(n)[:SAMPLE])
    basis = _basis(_unit(vectors[sample]))
    points = _projected(vectors[sample], basis)
    near, weight = _nearest(points, points, is_same=True)
    smallest = max(SMALLEST, min(LARGEST_FLOOR, len(points) // SHARE))
    labels = np.full(n, OUTLIER, dtype=np.int64)
    found = _of_graph(near, weight, smallest, rng)
    labels[sample] = _voted(found, near)
    others = np.setdiff1d(np.arange(n), sample)
    for piece in _pieces(others):
        near, _ = _nearest(_projected(vectors[piece], basis), points, is_same=False)
        labels[piece] = _voted(np.full(len(piece), OUTLIER), near, labels[sample])
    return _by_size(labels)


def _unit(vectors: Numbers) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1))


def _basis(points: Floats) -> Floats:
    """Return the leading directions of vectors, one a column."""
    moments = points.T.astype(np.float64) @ points / len(points)
    return np.linalg.eigh(moments)[1][:, -REDUCED:].astype(np.float32)


def _projected(vectors: Numbers, basis: Floats) -> Floats:
    return _unit(vectors.astype(np.float32) @ basis)


def _pieces(rows: Ints) -> Iterator[Ints]:
    return (rows[at : at + _PIECE] for at in range(0, len(rows), _PIECE))


def _nearest(points: Floats, among: Floats, *, is_same: bool) -> tuple[Ints, Floats]:
    """Return the nearest of `among` for each point, and their cosines; never the point itself."""
    k = min(NEIGHBOURS, len(among) - 1)
    near, weight = [], []
    for piece in _pieces(np.arange(len(points))):
        cosine = points[piece] @ among.T
        if is_same:
            cosine[np.arange(len(piece)), piece] = -np.inf
        nearest = np.argpartition(cosine, -k, axis=1)[:, -k:]
        near.append(nearest)
        weight.append(np.take_along_axis(cosine, nearest, axis=1))
    return np.concatenate(near), np.concatenate(weight)


def _of_graph(near: Ints, weight: Floats, smallest: int, rng: np.random.Generator) -> Ints:
    """Return the clusters of the graph of neighbours, each connected part on its own."""
    sparse, csgraph = extra("scipy.sparse"), extra("scipy.sparse.csgraph")
    n, k = near.shape
    rows = np.repeat(np.arange(n), k)
    graph = sparse.csr_matrix((np.maximum(weight.ravel(), 1e-6), (rows, near.ravel())), shape=(n, n))
    graph = graph.maximum(graph.T)
    n_parts, part_of = csgraph.connected_components(graph, directed=False)
    labels = np.full(n, OUTLIER, dtype=np.int64)
    for part in range(n_parts):
        members = np.flatnonzero(part_of == part)
        if len(members) < smallest:
            continue
        found = _of_part(graph[members][:, members], smallest, rng)
        labels[members] = np.where(found >= 0, found + labels.max() + 1, OUTLIER)
    return labels


def _of_part(graph: Any, smallest: int, rng: np.random.Generator) -> Ints:
    """Return the clusters of a connected graph; one that falls apart nowhere is one cluster."""
    n = graph.shape[0]
    one = np.zeros(n, dtype=np.int64)
    drawn = _drawn(graph, rng) if n >= 2 * smallest else np.zeros((n, 0))
    if not drawn.shape[1]:
        return one
    hdbscan = extra("sklearn.cluster").HDBSCAN(min_cluster_size=smallest, min_samples=5, copy=True)
    found = np.asarray(hdbscan.fit_predict(drawn), dtype=np.int64)
    return found if found.max() >= 0 else one


def _drawn(graph: Any, rng: np.random.Generator) -> Floats:
    """Return Laplacian eigenmaps of a connected graph, one row a point, of length 1; no column where it is well knit.

    A direction of the normalised graph with the eigenvalue λ stands for a cut, and every cut of a graph whose
    second eigenvalue is λ has a conductance of (1 - λ)/2 at least (Cheeger's inequality: F. Chung, "Spectral
    Graph Theory", 1997, chapter 2). Directions below 0.8 are left out.
    """
    sparse = extra("scipy.sparse")
    n = graph.shape[0]
    scale = sparse.diags(np.asarray(graph.sum(axis=1)).ravel() ** -0.5)
    normal = (scale @ graph @ scale).astype(np.float64)
    if n <= 10 * DRAWN:
        values, directions = np.linalg.eigh(normal.toarray())
    else:
        eigsh = extra("scipy.sparse.linalg").eigsh
        values, directions = eigsh(normal, k=DRAWN, which="LA", v0=rng.standard_normal(n), tol=1e-4)
    order = np.argsort(-values)[1:DRAWN]
    return _unit(directions[:, order[values[order] >= LOOSE]])


def _voted(labels: Ints, near: Ints, of_near: Ints | None = None) -> Ints:
    """Return labels in which an outlier has the cluster of most of its neighbours, where more than a third have it.

    `of_near` are the labels of those who vote; without them outliers who got a cluster vote in the next round.
    """
    for _ in range(ROUNDS if of_near is None else 1):
        known = labels if of_near is None else of_near
        n_clusters = int(known.max(initial=OUTLIER)) + 1
        out = np.flatnonzero(labels == OUTLIER)
        if not n_clusters or not len(out):
            break
        votes = np.zeros((len(out), n_clusters + 1), dtype=np.int64)
        np.add.at(votes, (np.arange(len(out))[:, None], known[near[out]]), 1)  # -1 is the last column
        chosen = votes[:, :-1].argmax(axis=1)
        is_most = votes[np.arange(len(out)), chosen] > VOTES * near.shape[1]
        labels = labels.copy()
        labels[out] = np.where(is_most, chosen, OUTLIER)
    return labels


def _by_size(labels: Ints) -> Ints:
    """Return labels numbered from the largest cluster on; of two of a size, the one that comes first."""
    known, first, size = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    place = np.full(int(labels.max(initial=OUTLIER)) + 2, OUTLIER, dtype=np.int64)
    place[known[np.lexsort((first, -size))]] = np.arange(len(known))
    return place[labels]
