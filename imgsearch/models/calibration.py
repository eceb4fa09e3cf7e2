"""An int8 form of an image tower, fitted to pictures.

Each matrix product with constant weights is computed in int8: weights with a scale for each output,
activations with one range. Before that, inputs with large values are scaled down and their weights
up (as in SmoothQuant), by the exponent, and with the range, that change the product least. All else
stays in floats. Products whose inputs come from one place (queries, keys, values) share one fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imgsearch.dataclass import dataclass
from imgsearch.models.base import Pixels

if TYPE_CHECKING:
    import openvino

Floats = npt.NDArray[np.float32]

_AT_ONCE = 4  # pictures: what every layer answers is in memory at once
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
    """The tower in bf16 (f32 where the processor has none), that tells what goes into each of its
    products."""

    def __init__(self, model_file: Path, threads: int) -> None:
        import openvino

        core = openvino.Core()
        self._read = core.read_model(str(model_file))  # the weights are its memory
        self._weights: dict[str, list[Floats]] = {}
        inputs = []
        for source, products in _groups(self._read):
            self._weights[source.get_node().get_friendly_name()] = [_weights(p) for p in products]
            inputs.append(source)
        if inputs:
            self._read.add_outputs(inputs)
        settings = {"INFERENCE_NUM_THREADS": str(threads)}
        self._model = core.compile_model(self._read, "CPU", settings)
        self._seen: dict[str, Seen] = {}

    def see(self, pixels: Pixels) -> Iterator[None]:
        """Run all pictures, some at a time. The same pictures always give the same fits."""
        chance = np.random.default_rng(0)
        rows = max(1, -(-_ROWS * _AT_ONCE // len(pixels)))
        for first in range(0, len(pixels), _AT_ONCE):
            answers = self._model(pixels[first : first + _AT_ONCE])
            for number, name in enumerate(self._weights, 1):
                self._keep(name, answers[number], chance, rows)
            yield

    def _keep(self, name: str, inputs: Floats, chance: np.random.Generator, rows: int) -> None:
        flat = inputs.reshape(-1, inputs.shape[-1])
        lowest, highest = flat.min(axis=0), flat.max(axis=0)
        some = flat[chance.choice(len(flat), min(rows, len(flat)), replace=False)]
        seen = self._seen.get(name)
        if seen is None:
            self._seen[name] = Seen(lowest, highest, [some])
            return
        np.minimum(seen.lowest, lowest, out=seen.lowest)
        np.maximum(seen.highest, highest, out=seen.highest)
        seen.rows.append(some)

    def fits(self) -> Iterator[tuple[str, Fit]]:
        """For each group of products, one after the other."""
        for name, weights in self._weights.items():
            yield name, _best_fit(self._seen[name], np.concatenate(weights, axis=1))


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
    tower does not have."""
    import openvino
    from openvino import opset13 as operations

    model = openvino.Core().read_model(str(model_file))
    found = {source.get_node().get_friendly_name(): (source, all) for source, all in _groups(model)}
    for name, fit in fits.items():
        source, products = found[name]
        constant = operations.constant
        inputs = operations.multiply(source, constant(1 / fit.scales))
        low, high = constant(np.float32(fit.low)), constant(np.float32(fit.high))
        inputs = operations.fake_quantize(inputs, low, high, low, high, 256)
        for product in products:
            codes, step = _codes(_weights(product) * fit.scales[:, None])
            floats = operations.convert(constant(codes.astype(np.int8)), "f32")
            product.input(0).replace_source_output(inputs.output(0))
            weights = operations.multiply(floats, constant(step))
            product.input(1).replace_source_output(weights.output(0))
    return model


def _groups(model: openvino.Model) -> list[tuple[Any, Sequence[Any]]]:
    """Products with constant weights, by the output that goes into them."""
    groups: dict[str, tuple[Any, list[Any]]] = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and _is_plain(node):
            source = node.input(0).get_source_output()
            groups.setdefault(source.get_node().get_friendly_name(), (source, []))[1].append(node)
    return list(groups.values())


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
