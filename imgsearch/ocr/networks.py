"""The two networks that read text: one finds where it is, one reads a line.

Their weights lie in rapidocr's package; a network is data, which onnxruntime computes, and no code
of its file runs."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgsearch.errors import ModelError
from imgsearch.escaping import shown
from imgsearch.models.runtimes import RuntimeFailure, onnx_door

Pixels = npt.NDArray[np.uint8]  # (height, width, 3), blue first, as the networks have learnt it
Heat = npt.NDArray[np.float32]  # (height, width): from 0 to 1, how likely text is there

_DETECTOR, _RECOGNISER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
_HEIGHT, _NARROWEST, _WIDEST = 48, 320, 3200  # pixels of a line as it is read
_TOGETHER = 6  # lines
_MOST_MEGABYTES = 1000  # of a network


def missing() -> bool:
    """Whether the extra is not here."""
    there = all(importlib.util.find_spec(name) is not None for name in ("rapidocr", "cv2"))
    return not (there and _weights(_DETECTOR).is_file() and _weights(_RECOGNISER).is_file())


def _weights(name: str) -> Path:
    """Found without importing rapidocr."""
    found = importlib.util.find_spec("rapidocr")
    folders = [] if found is None else list(found.submodule_search_locations or ())
    return Path(folders[0] if folders else "", "models", name)


class _Network:
    def __init__(self, file: Path) -> None:
        """Raises ModelError."""
        import cv2
        import onnxruntime

        cv2.setNumThreads(1)  # each of an ingest's threads has its own pictures
        self._file = file
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # it would keep the memory of the largest picture
        options.log_severity_level = 4
        try:
            size = file.stat().st_size
        except OSError as problem:
            raise self._unusable(problem.strerror or str(problem)) from None
        if size > _MOST_MEGABYTES << 20:
            raise self._unusable(f"it is larger than {_MOST_MEGABYTES} MB")
        try:
            with onnx_door():
                self._session = onnxruntime.InferenceSession(
                    str(file), options, providers=["CPUExecutionProvider"]
                )
        except RuntimeFailure as failure:
            raise self._unusable(str(failure)) from None
        self._input: str = self._session.get_inputs()[0].name

    def _run(self, pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        try:
            with onnx_door():
                found: Any = self._session.run(None, {self._input: pixels})[0]
        except RuntimeFailure as failure:
            raise self._unusable(str(failure)) from None
        return np.asarray(found, np.float32)

    def _unusable(self, why: str) -> ModelError:
        return ModelError(
            f"{shown(self._file)} cannot read text: {why}.",
            "Name a recogniser of PaddleOCR as ONNX in IMGSEARCH_OCR_MODEL, or none.",
        )


class Detector(_Network):
    """Where text is."""

    def __init__(self) -> None:
        super().__init__(_weights(_DETECTOR))

    def heat(self, pixels: Pixels) -> Heat:
        """Of a picture whose sides are multiples of 32."""
        heat: Heat = self._run(_scaled(pixels)[None])[0, 0]
        return heat


class Recogniser(_Network):
    """What a line says."""

    def __init__(self, file: Path | None = None) -> None:
        super().__init__(file or _weights(_RECOGNISER))
        written = self._session.get_modelmeta().custom_metadata_map.get("character", "")
        # CTC: the first class is that of no character; a space is the last
        self._characters = ["", *written.splitlines(), " "]
        if not written:
            raise self._unusable("it names no characters")
        probe = self._run(np.zeros((1, 3, _HEIGHT, _NARROWEST), np.float32))
        if probe.ndim != 3 or probe.shape[2] != len(self._characters):
            raise self._unusable("what it answers is not one class for each of its characters")

    def read(self, lines: Sequence[Pixels]) -> list[tuple[str, float]]:
        """Of each line its text, and the mean probability of its characters."""
        read = [("", 0.0)] * len(lines)
        by_length = sorted(range(len(lines)), key=lambda at: _width(lines[at]))
        for first in range(0, len(lines), _TOGETHER):
            some = by_length[first : first + _TOGETHER]
            width = max(_NARROWEST, *(_width(lines[at]) for at in some))
            batch = np.zeros((len(some), 3, _HEIGHT, width), np.float32)
            for place, at in enumerate(some):
                line = _resized(lines[at])
                batch[place, :, :, : line.shape[1]] = _scaled(line)
            for at, answer in zip(some, self._run(batch), strict=True):
                read[at] = self._decoded(answer)
        return read

    def _decoded(self, answer: npt.NDArray[np.float32]) -> tuple[str, float]:
        """`answer`: (steps, classes). What repeats is one character."""
        classes, sure = answer.argmax(1), answer.max(1)
        new = np.append(True, classes[1:] != classes[:-1]) & (classes != 0)
        if not new.any():
            return "", 0.0
        return "".join(self._characters[each] for each in classes[new]), float(sure[new].mean())


def _width(line: Pixels) -> int:
    height, width = line.shape[:2]
    return int(min(_WIDEST, -(-width * _HEIGHT // height)))


def _resized(line: Pixels) -> Pixels:
    import cv2

    return np.asarray(cv2.resize(np.ascontiguousarray(line), (_width(line), _HEIGHT)), np.uint8)


def _scaled(pixels: Pixels) -> npt.NDArray[np.float32]:
    """From -1 to 1, (3, height, width)."""
    scaled: npt.NDArray[np.float32] = pixels.transpose(2, 0, 1).astype(np.float32) / 127.5 - 1
    return scaled
