"""The int8 form of an image tower, made the first time that `--precision int8` asks for it.

Static: the ranges of activations are fixed by pictures that are the same on every machine, so that
a photo's vector depends neither on its batch mates nor on who ingested it.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from imgsearch.models import preprocessing, verification
from imgsearch.models.towers import Tower

_FILE = "model.int8.onnx"
_PICTURES = 24
_OPERATORS = ["MatMul", "Gemm", "Conv"]


def model_file(tower: Tower) -> Path:
    """The quantised graph beside the exact one; a minute to make for ViT-B/32."""
    path = tower.folder / _FILE
    if not path.exists():
        _quantize(tower, path)
    return path


def _quantize(tower: Tower, path: Path) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
        def __init__(self) -> None:
            self._left = _calibration(tower)

        def get_next(self) -> dict[str, Any] | None:
            return next(self._left, None)

    building = path.with_name(f".{_FILE}.{os.getpid()}")
    with _muted():
        quantize_static(
            str(tower.model_file),
            str(building),
            Pictures(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"MatMulConstBOnly": True},  # attention's own products stay exact
        )
    building.replace(path)


@contextlib.contextmanager
def _muted() -> Iterator[None]:
    """Silence the quantiser's advice on the root logger, about a step that the export has already
    done."""
    logger = logging.getLogger()
    logger.disabled, was = True, logger.disabled
    try:
        yield
    finally:
        logger.disabled = was


def _calibration(tower: Tower) -> Iterator[dict[str, Any]]:
    prepared = preprocessing.from_manifest(tower.preprocessing)
    for picture in verification.pictures(_PICTURES):
        yield {tower.inputs[0]: prepared.pixels(picture)}
