"""SONA's network: what is expected by lookup, corrected by what else is known of a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.extra import extra
from learnlab.routing.keeping.kept import Arrays, taken

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Shape:
    """How large a network is: columns of a task, candidates, and units of the hidden layer (0 for none).

    Its input has 2 · candidates columns of what is expected without it (log odds of quality, logarithm of cost)
    before those of the task; its output is the same two expectations, corrected.
    """

    n_columns: int
    n_candidates: int
    n_hidden: int

    @property
    def n_outputs(self) -> int:
        """Two for each candidate: the log odds of its quality, and the logarithm of its cost."""
        return 2 * self.n_candidates


def network(shape: Shape, seed: int) -> Any:
    """Return a torch network of a shape; new, it corrects nothing.

    offset + skip(x) + out(silu(hidden(x))): without a hidden layer it is a regression on the columns. The hidden
    weights come from the seed, those of the two layers that lead to the outputs are 0.

    Raises:
        RoutingError: when torch is not installed.
    """
    torch = extra("torch")

    class Correction(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.skip = torch.nn.Linear(shape.n_columns, shape.n_outputs)
            torch.nn.init.zeros_(self.skip.weight)
            torch.nn.init.zeros_(self.skip.bias)
            if shape.n_hidden:
                self.hidden = torch.nn.Linear(shape.n_columns, shape.n_hidden)
                self.out = torch.nn.Linear(shape.n_hidden, shape.n_outputs, bias=False)
                drawn = torch.Generator().manual_seed(seed)
                with torch.no_grad():
                    for value in (self.hidden.weight, self.hidden.bias):
                        value.copy_(torch.randn(value.shape, generator=drawn) / shape.n_columns**0.5)
                torch.nn.init.zeros_(self.out.weight)

        def forward(self, inputs: Any) -> Any:
            offset, columns = inputs[:, : shape.n_outputs], inputs[:, shape.n_outputs :]
            whole = offset + self.skip(columns)
            if shape.n_hidden:
                whole = whole + self.out(torch.nn.functional.silu(self.hidden(columns)))
            return whole

    return Correction()


def weights_of(arrays: Arrays, shape: Shape) -> dict[str, Singles]:
    """Return the weights of a network of a shape, after checking theirs.

    Raises:
        RoutingError: when an array is missing or of another shape.
    """
    wanted: dict[str, tuple[int, ...]] = {
        "skip.weight": (shape.n_outputs, shape.n_columns),
        "skip.bias": (shape.n_outputs,),
    }
    if shape.n_hidden:
        wanted["hidden.weight"] = (shape.n_hidden, shape.n_columns)
        wanted["hidden.bias"] = (shape.n_hidden,)
        wanted["out.weight"] = (shape.n_outputs, shape.n_hidden)
    if surplus := arrays.keys() - wanted.keys():
        raise RoutingError(f"such a network has no {sorted(surplus)[0][:100]!r}")
    return {name: taken(arrays, name, at) for name, at in wanted.items()}


def outputs(weights: dict[str, Singles], inputs: Singles) -> Singles:
    """Return what a network of these weights gives, computed by numpy: for one task several times as quick as torch.

    `weights` are by the names of the network's parameters; `inputs` and the answer as in `Shape`.
    """
    n_outputs = len(weights["skip.weight"])
    columns = inputs[:, n_outputs:]
    whole = inputs[:, :n_outputs] + columns @ weights["skip.weight"].T + weights["skip.bias"]
    if "hidden.weight" in weights:
        hidden = columns @ weights["hidden.weight"].T + weights["hidden.bias"]
        whole = whole + (hidden / (1 + np.exp(-np.clip(hidden, -60, 60)))) @ weights["out.weight"].T
    return np.asarray(whole, dtype=np.float32)
