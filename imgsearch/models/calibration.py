"""An int8 form of an image tower, fitted to pictures.

Each matrix product with constant weights is computed in int8: weights with a scale for each output,
activations with one range. Before that, inputs with large values are scaled down and their weights
up (as in SmoothQuant), by the exponent, and with the range, that change the product least. All else
stays in floats. Products whose inputs come from one place (queries, keys, values) share one fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imgsearch import cpu_and_memory
from imgsearch.dataclass import dataclass
from imgsearch.models.base import Vectors
from imgsearch.models.runtimes import Inputs, OnnxRuntime

if TYPE_CHECKING:
    import openvino

Floats = npt.NDArray[np.float32]
Group = tuple[Any, Sequence[Any]]  # OpenVINO's: an output, and the products that it goes into

AT_ONCE = 2  # pictures: what goes into every layer is in memory at once
_ROWS = 192  # of a layer's inputs, by which its fit is chosen
_EXPONENTS = (0.0, 0.15, 0.3, 0.5)
_SHARES = (1.0, 0.8, 0.65)  # of the range that was seen; what lies outside is clipped
_TINY = 1e-6


@dataclass(slots=True)
class Seen:
    """Inputs of a group of products: (channels,) lowest and highest, and some rows of them."""

    lowest: Floats
    highest: Floats
    rows: list[Floats]


@dataclass(frozen=True, slots=True)
class Fit:
    """`scales`: (channels,), by which inputs are divided and weights multiplied. `low`, `high`: the
    range of inputs so divided that is kept. `error`: of the product, as a share of its variance."""

    scales: Floats
    low: float
    high: float
    error: float


class Observer:
    """The tower in f32, which tells what goes into each of its products. Its weights stay in their
    file: to have it in memory takes little more than the layers' inputs of `AT_ONCE` pictures."""

    def __init__(self, model_file: Path, threads: int, pictures: int) -> None:
        """`pictures`: how many there will be to fit an int8 form to. Raises RuntimeFailure."""
        import openvino

        self._read = openvino.Core().read_model(str(model_file))  # the weights are its memory
        self._groups = _groups(self._read)
        inputs = [source.get_any_name() for source, _ in self._groups]
        self._tower = OnnxRuntime(model_file, threads, inputs)
        self._rows = max(1, -(-_ROWS * AT_ONCE // pictures))  # of each batch
        self._chance = np.random.default_rng(0)
        self._seen: dict[str, Seen] = {}

    def exact(self, inputs: Inputs) -> Vectors:
        """Of pictures that the form is not fitted to."""
        return self._tower.run(inputs)

    def see(self, inputs: Inputs) -> Vectors:
        """Vectors of at most `AT_ONCE` pictures, to which the form is fitted. The same pictures in
        the same order always give the same fits."""
        vectors, found = self._tower.run_with_inner(inputs)
        for (source, _), rows in zip(self._groups, found, strict=True):
            self._keep(_name(source), rows)
        return vectors

    def _keep(self, name: str, inputs: Floats) -> None:
        flat = inputs.reshape(-1, inputs.shape[-1])
        lowest, highest = flat.min(axis=0), flat.max(axis=0)
        some = flat[self._chance.choice(len(flat), min(self._rows, len(flat)), replace=False)]
        seen = self._seen.get(name)
        if seen is None:
            self._seen[name] = Seen(lowest, highest, [some])
            return
        np.minimum(seen.lowest, lowest, out=seen.lowest)
        np.maximum(seen.highest, highest, out=seen.highest)
        seen.rows.append(some)

    def fits(self) -> Iterator[tuple[str, Fit]]:
        """For each group of products, one after the other."""
        for source, products in self._groups:
            weights = np.concatenate([_weights(product) for product in products], axis=1)
            yield _name(source), _best_fit(self._seen[_name(source)], weights)


def without_worst_kind(fits: Mapping[str, Fit]) -> dict[str, Fit]:
    """Those that are left when one kind of products stays in floats in all layers: the kind whose
    errors are largest. In CLIP's towers that is the last of each layer, whose inputs vary most."""
    kinds: dict[str, list[float]] = {}
    for name, fit in fits.items():
        kinds.setdefault(_kind(name), []).append(fit.error)
    layers = {kind: all for kind, all in kinds.items() if len(all) > 1} or kinds
    errors = {kind: float(np.mean(all)) for kind, all in layers.items()}
    worst = max(errors, key=errors.__getitem__, default="")
    return {name: fit for name, fit in fits.items() if _kind(name) != worst}


def _kind(name: str) -> str:
    """The same for all layers: "encoder/layers.7/mlp/Mul_7" without its numbers."""
    return re.sub(r"[._]\d+(?=/|$)", "", name)


def quantized(model_file: Path, fits: Mapping[str, Fit]) -> openvino.Model:
    """The tower with the products named in `fits` in int8. Raises KeyError for a product that this
    tower does not have, and OSError where its folder cannot be written.

    All weights lie (outputs, inputs) in a file, as OpenVINO wants them: else it makes a copy, and
    keeps that beside the packed one."""
    import openvino
    from openvino import opset13 as operations

    model = openvino.Core().read_model(str(model_file))
    groups = _groups(model)
    if unknown := fits.keys() - {_name(source) for source, _ in groups}:
        raise KeyError(*unknown)
    stored = iter(cpu_and_memory.on_disk(_factors(groups, fits), model_file.parent))
    for source, products in groups:
        fit = fits.get(_name(source))
        inputs = source if fit is None else _rounded(source, fit)
        for product in products:
            factor = operations.constant(next(stored), shared_memory=True)
            if fit is not None:
                step = operations.constant(next(stored), shared_memory=True)
                factor = operations.multiply(operations.convert(factor, "f32"), step)
            product.output(0).replace(operations.matmul(inputs, factor, False, True).output(0))
    return model


def _factors(
    groups: Iterable[Group], fits: Mapping[str, Fit]
) -> Iterator[npt.NDArray[np.float32 | np.int8]]:
    """For each product its weights (outputs, inputs): in int8, and the step of each output
    (outputs, 1), or in f32 alone where it has no fit."""
    for source, products in groups:
        fit = fits.get(_name(source))
        for weights in map(_weights, products):
            if fit is None:
                yield weights.T
            else:
                codes, step = _codes(weights * fit.scales[:, None])
                yield codes.T.astype(np.int8)
                yield step.T


def _rounded(source: Any, fit: Fit) -> Any:
    """The inputs of a group of products, divided by their scales, in 256 steps."""
    from openvino import opset13 as operations

    low, high = (operations.constant(np.float32(end)) for end in (fit.low, fit.high))
    divided = operations.multiply(source, operations.constant(1 / fit.scales))
    return operations.fake_quantize(divided, low, high, low, high, 256)


def _groups(model: openvino.Model) -> list[Group]:
    """Products with constant weights, by the output that goes into them."""
    groups: dict[str, tuple[Any, list[Any]]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and _is_plain(node):
            source = node.input(0).get_source_output()
            groups.setdefault(_name(source), (source, []))[1].append(node)
    return list(groups.values())


def _name(source: Any) -> str:
    name: str = source.get_node().get_friendly_name()
    return name


def _is_plain(product: Any) -> bool:
    """Whether its second factor is a constant matrix (inputs, outputs)."""
    weights = product.input(1).get_source_output().get_node()
    flags = product.get_attributes()
    return (
        weights.get_type_name() == "Constant"
        and len(weights.shape) == 2
        and not flags["transpose_a"]
        and not flags["transpose_b"]
    )


def _weights(product: Any) -> Floats:
    constant = product.input(1).get_source_output().get_node()
    return np.asarray(constant.data, np.float32)


def _codes(weights: Floats) -> tuple[Floats, Floats]:
    """Whole numbers in [-127, 127], and the step of each output (1, outputs)."""
    step = np.maximum(np.abs(weights).max(axis=0, keepdims=True), _TINY) / 127
    return np.rint(weights / step), step


def _best_fit(seen: Seen, weights: Floats) -> Fit:
    """The one with the least error in the product."""
    rows = np.concatenate(seen.rows)
    exact = rows @ weights
    largest = np.maximum(np.maximum(np.abs(seen.lowest), np.abs(seen.highest)), _TINY)
    middle = np.exp(np.log(largest).mean())
    best = Fit(np.ones_like(largest), -1.0, 1.0, np.inf)
    variance = max(float(np.square(exact - exact.mean(axis=0)).mean()), _TINY)
    for exponent in _EXPONENTS:
        scales = ((largest / middle) ** exponent).astype(np.float32)
        codes, step = _codes(weights * scales[:, None])
        rounded, inputs = codes * step, rows / scales
        lowest, highest = min((seen.lowest / scales).min(), 0.0), (seen.highest / scales).max()
        for share in _SHARES:
            most = share * max(-lowest, highest, _TINY)
            low, high = float(max(lowest, -most)), float(min(max(highest, _TINY), most))
            unit = (high - low) / 255
            kept = np.rint((np.clip(inputs, low, high) - low) / unit) * unit + low
            error = float(np.square(kept.astype(np.float32) @ rounded - exact).mean()) / variance
            if error < best.error:
                best = Fit(scales, low, high, error)
    return best
