"""Elastic weight consolidation: what a network has learned is held the faster, the more was learned from it.

Sources: J. Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 114 (2017), 3521-3526
(EWC: a Fisher information and an anchor for each domain); A. Chaudhry et al., "Riemannian Walk for Incremental
Learning: Understanding Forgetting and Intransigence", ECCV 2018 (EWC++: one running average and one anchor).
Parameters are dictionaries of tensors by name, as `dict(network.named_parameters())` gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnlab.errors import RoutingError
from learnlab.routing.extra import extra

Tensors = Mapping[str, Any]
"""Tensors by the names of a network's parameters."""


def bernoulli(log_odds: Any, is_known: Any) -> Any:
    """Return what one label tells of its log odds z, p(1−p), and 0 where no label is known: (rows, outputs)."""
    chance = log_odds.sigmoid()
    return chance * (1 - chance) * is_known


def fisher(network: Any, inputs: Any, information: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the diagonal of the Fisher information of each parameter, a mean over the rows of `inputs`.

    F = mean of Σₖ wₖ (∂oₖ/∂θ)², with oₖ the outputs (rows, outputs) and wₖ what `information(outputs)` says that a
    label tells of each: p(1−p) for log odds (`bernoulli`), 1/σ² for the mean of a Gaussian, 0 where there is none.
    This is E[(∂ log p(y)/∂θ)²] with labels y drawn from the network's own prediction (the true Fisher information,
    not the empirical one), and that expectation is exact: no label is drawn.
    Rows must not meet within the network (no batch norm), and no layer is passed twice. Linear layers take their
    short way: the gradient of a row is the product of the layer's input and the gradient of its output, so its square
    is the product of their squares.

    Raises:
        RoutingError: when torch is not installed.
    """
    torch = extra("torch")
    parameters = {name: value for name, value in network.named_parameters() if value.requires_grad}
    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, torch.nn.Linear)}
    of_layers = {f"{name}.{kind}".lstrip(".") for name in layers for kind in ("weight", "bias")}
    way = _by_layers if parameters.keys() <= of_layers else _by_rows
    summed = {name: torch.zeros_like(value) for name, value in parameters.items()}
    way(network, inputs, information, summed, layers)
    return {name: value / max(1, len(inputs)) for name, value in summed.items()}


def _told(outputs: Any, information: Callable[[Any], Any]) -> tuple[Any, Any]:
    """Return which outputs of each row are told of, as places and weights: (rows, the most that a row has)."""
    weights = information(outputs.detach())
    most = int((weights > 0).sum(1).max()) if len(weights) else 0
    weights, places = weights.topk(most, dim=1)
    return places, weights


def _by_layers(
    network: Any, inputs: Any, information: Callable[[Any], Any], summed: dict[str, Any], layers: Tensors
) -> None:
    torch = extra("torch")
    passed: dict[str, tuple[Any, Any]] = {}
    hooks = [
        layer.register_forward_hook(
            lambda _layer, given, made, name=name: passed.update({name: (given[0], made)})
        )
        for name, layer in layers.items()
    ]
    try:
        with torch.enable_grad():
            outputs = network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    places, weights = _told(outputs, information)
    made = [output for _, output in passed.values()]
    for place, weight in zip(places.T, weights.T, strict=True):
        score = outputs.gather(1, place[:, None]).sum()
        slopes = torch.autograd.grad(score, made, retain_graph=True, allow_unused=True)
        for (name, (given, _)), slope in zip(passed.items(), slopes, strict=True):
            if slope is None:
                continue
            squared, prefix = slope.square() * weight[:, None], f"{name}." if name else ""
            told = {"weight": squared.T @ given.detach().square(), "bias": squared.sum(0)}
            for kind, value in told.items():
                if f"{prefix}{kind}" in summed:
                    summed[f"{prefix}{kind}"] += value


def _by_rows(
    network: Any, inputs: Any, information: Callable[[Any], Any], summed: dict[str, Any], _: Tensors
) -> None:
    torch = extra("torch")
    parameters = {name: network.get_parameter(name).detach() for name in summed}

    def score(values: Tensors, row: Any, place: Any) -> Any:
        return torch.func.functional_call(network, values, (row[None],))[0].gather(0, place[None])[0]

    slope = torch.func.vmap(torch.func.grad(score), in_dims=(None, 0, 0))
    with torch.no_grad():
        places, weights = _told(network(inputs), information)
    for place, weight in zip(places.T, weights.T, strict=True):
        for name, value in slope(parameters, inputs, place).items():
            summed[name] += torch.tensordot(weight, value.square(), 1)


class Elastic:
    """EWC++: a running average of the Fisher information, one anchor θ*, and the penalty λ/2 Σ F (θ−θ*)².

    `strength` is λ; `decay` is how much of the running average stays when a batch is observed (Chaudhry's 1−α).
    While a domain is learned, `observe` each batch and add the `penalty` to the loss; at its end, `anchor`.

    Raises:
        RoutingError: when λ is negative or no number, or the decay is not from 0 to less than 1.
    """

    def __init__(self, strength: float, decay: float = 0.9) -> None:
        if not (np.isfinite(strength) and strength >= 0 and 0 <= decay < 1):
            raise RoutingError(
                f"EWC++ takes a strength from 0 and a decay from 0 to below 1, not {strength}, {decay}"
            )
        self.strength, self.decay = float(strength), float(decay)
        self._running: dict[str, Any] = {}
        self._fisher: dict[str, Any] = {}
        self._anchor: dict[str, Any] = {}

    def observe(self, information: Tensors) -> None:
        """Take a batch's Fisher information (`fisher`) into the running average; the first one begins it."""
        for name, value in information.items():
            new = value.detach()
            past = self._running.get(name)
            self._running[name] = new.clone() if past is None else past.to(new).lerp(new, 1 - self.decay)

    def anchor(self, parameters: Tensors) -> None:
        """End a domain: the anchor moves to these parameters, and the running information is what holds them."""
        self._anchor = {name: parameters[name].detach().clone() for name in self._running}
        self._fisher = {name: value.clone() for name, value in self._running.items()}

    def penalty(self, parameters: Tensors) -> Any:
        """Return λ/2 Σ F (θ−θ*)², a tensor to add to the loss; 0 before the first anchor."""
        held = (
            (self._fisher[name].to(value) * (value - at.to(value)).square()).sum()
            for name, at, value in ((name, at, parameters[name]) for name, at in self._anchor.items())
        )
        return self.strength / 2 * sum(held, 0.0)

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Return all of it as arrays, named `running.…`, `fisher.…` and `anchor.…` after the parameters."""
        return {
            f"{part}.{name}": value.cpu().numpy().astype(np.float32)
            for part in _PARTS
            for name, value in getattr(self, f"_{part}").items()
        }

    def restore(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Take back what `arrays` gave.

        Raises:
            RoutingError: when a name is none of `arrays`' names, or something in it is not finite.
        """
        torch = extra("torch")
        parts: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
        for key, value in arrays.items():
            part, _, name = key.partition(".")
            if part not in parts or not name or not np.isfinite(value).all():
                raise RoutingError(
                    "these are no arrays of EWC++: names or values are not those that it keeps"
                )
            parts[part][name] = torch.tensor(np.asarray(value))
        if parts["fisher"].keys() != parts["anchor"].keys():
            raise RoutingError("these are no arrays of EWC++: there is not one anchor to each information")
        self._running, self._fisher, self._anchor = (parts[part] for part in _PARTS)


_PARTS = ("running", "fisher", "anchor")


class Anchors:
    """Plain EWC, to compare with: each domain keeps its own Fisher information and anchor, and all of them hold.

    `strength` is λ.
    """

    def __init__(self, strength: float) -> None:
        self.strength = float(strength)
        self._domains: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def anchor(self, parameters: Tensors, information: Tensors) -> None:
        """End a domain with its parameters and the Fisher information of all its rows."""
        kept = {name: parameters[name].detach().clone() for name in information}
        self._domains.append((kept, {name: value.detach().clone() for name, value in information.items()}))

    def penalty(self, parameters: Tensors) -> Any:
        """Return λ/2 Σ over domains Σ F (θ−θ*)², a tensor to add to the loss; 0 before the first domain's end."""
        held = (
            (information[name] * (parameters[name] - at).square()).sum()
            for at_end, information in self._domains
            for name, at in at_end.items()
        )
        return self.strength / 2 * sum(held, 0.0)
