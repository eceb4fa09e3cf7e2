"""int8 on trial: `--precision auto` takes it where it is shown, with pictures of the very index
that is being made, to rank them as bf16 and f32 do.

The trial takes place during an ingest, a step with each batch, so that nothing waits for it. Of the
pictures that are embedded one in 32 is kept, until there are 256. With half of them an int8
form is fitted, and with all of them it is held against f32 and against the runtime that serves.
If it fails, another form is tried, with the products that suffer most left in floats. What was
found is kept beside the model: for this index, model, processor and OpenVINO. A trial that was cut
short leaves nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
import zipfile
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from imgsearch import cpu_and_memory
from imgsearch.dataclass import dataclass
from imgsearch.models import calibration, preprocessing
from imgsearch.models.base import Pixels, Vectors, unit
from imgsearch.models.calibration import Fit
from imgsearch.models.runtimes import OpenVino, Runtime, RuntimeFailure
from imgsearch.models.towers import Tower

PICTURES = 256
# After 8,192 pictures: a trial of ViT-B/32 takes a minute of one core, and int8 from the first
# would have saved as much by then. So whoever has fewer pays nothing, and nobody much in vain
ONE_IN = 32
CENTRED, WORST, OVERLAP, SPEED = 0.99, 0.97, 0.98, 1.1  # that int8 has to reach
NEIGHBOURS = 10
_AT_ONCE = 8  # pictures


@dataclass(frozen=True, slots=True)
class Figures:
    """How int8 did. Each is the lower of two comparisons: with f32, and with what served before.

    `centred`, `worst`: mean and lowest cosine of pictures' vectors less the mean vector.
    `overlap`: share of the ten nearest pictures that stay the same. `mixed`: the same where int8
    vectors are held against those of before, as in an index that has both. `speed`: times that
    of before."""

    pictures: int
    centred: float
    worst: float
    overlap: float
    mixed: float
    speed: float

    @property
    def passed(self) -> bool:
        return (
            self.centred >= CENTRED
            and self.worst >= WORST
            and self.overlap >= OVERLAP
            and self.mixed >= OVERLAP
            and self.speed >= SPEED
        )

    @property
    def said(self) -> str:
        """For people, in a line."""
        return (
            f"{'used on this machine' if self.passed else 'not used'}: of {self.pictures} photos,"
            f" {self.overlap:.1%} of the ten nearest stay the same; centred cosine"
            f" {self.centred:.4f}, lowest {self.worst:.4f}; {self.speed:.2f} times as fast"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with the verdict."""
        return {**asdict(self), "passed": self.passed}


def figures_of(
    found: Vectors, exact: Vectors, served: Vectors, speed: float = float("nan")
) -> Figures:
    """All three of the same pictures: int8, f32, and what served before. (n, dims), n > 10."""
    both = [_compared(found, other) for other in (exact, served)]
    centred, worst, overlap, mixed = (float(min(pair)) for pair in zip(*both, strict=True))
    return Figures(len(found), centred, worst, overlap, mixed, speed)


def _compared(found: Vectors, other: Vectors) -> tuple[float, float, float, float]:
    """centred, worst, overlap, mixed; zeros for what are no vectors."""
    if not all(np.isfinite(each).all() and each.any(axis=1).all() for each in (found, other)):
        return 0.0, 0.0, 0.0, 0.0
    found, other = unit(found), unit(other)
    middle = other.mean(axis=0)
    # what all but equals the middle (a model that answers the same to all) agrees with nothing
    lengths = [np.linalg.norm(each - middle, axis=1) for each in (found, other)]
    cosines = ((found - middle) * (other - middle)).sum(axis=1) / np.maximum(
        lengths[0] * lengths[1], 1e-6
    )
    nearest = _nearest(other, other)
    overlaps = [
        np.mean([len(set(a) & set(b)) for a, b in zip(nearest, ours, strict=True)]) / NEIGHBOURS
        for ours in (_nearest(found, found), _nearest(found, other))
    ]
    return float(cosines.mean()), float(cosines.min()), float(overlaps[0]), float(overlaps[1])


def _nearest(queries: Vectors, among: Vectors) -> list[list[int]]:
    scores = queries @ among.T
    np.fill_diagonal(scores, -2)
    order: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :NEIGHBOURS].tolist()
    return order


# --- what was found


def figures(tower: Tower, index_id: str) -> Figures | None:
    """Of this index's trial on this machine; None where there was none, or not with these
    versions."""
    kept = _read(tower, index_id)
    return None if kept is None else kept[0]


def _file(tower: Tower, index_id: str) -> Path:
    name = hashlib.blake2b(index_id.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return tower.folder / f"int8-{name}.npz"


def _circumstances(tower: Tower) -> str:
    """All that the outcome depends on but for the pictures."""
    import openvino

    processor = openvino.Core().get_property("CPU", "FULL_DEVICE_NAME")
    return f"1; {tower.identity.digest}; openvino {openvino.__version__}; {processor}"


def _read(tower: Tower, index_id: str) -> tuple[Figures, dict[str, Fit]] | None:
    path = _file(tower, index_id)
    if not path.exists():  # nearly always: OpenVINO need not be asked
        return None
    try:
        with path.open("rb") as opened, np.load(opened) as file:
            said = json.loads(str(file["said"]))
            scales = np.split(file["scales"], np.cumsum(said["channels"])[:-1])
            ranges = file["ranges"]
        found = Figures(**said["figures"])
        fits = {
            name: Fit(each, float(low), float(high), float(error))
            for name, each, (low, high, error) in zip(said["products"], scales, ranges, strict=True)
        }
        same = said["circumstances"] == _circumstances(tower)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None  # damaged: as if there had been no trial
    return (found, fits) if same else None


def _keep(tower: Tower, index_id: str, found: Figures, fits: Mapping[str, Fit]) -> None:
    path = _file(tower, index_id)
    building = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    said = {
        "circumstances": _circumstances(tower),
        "figures": asdict(found),
        "products": list(fits),
        "channels": [len(fit.scales) for fit in fits.values()],
    }
    with contextlib.suppress(OSError):  # a read-only cache: there is a trial again next time
        np.savez(
            building,
            said=np.array(json.dumps(said)),
            scales=np.concatenate([fit.scales for fit in fits.values()]),
            ranges=np.array([(fit.low, fit.high, fit.error) for fit in fits.values()]),
        )
        building.replace(path)


def worth_it(tower: Tower, index_id: str) -> bool:
    """Whether the processor computes in int8, and there was no trial yet."""
    import openvino

    able = "INT8" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return able and _read(tower, index_id) is None


def runtime(
    tower: Tower, fits: Mapping[str, Fit], streams: int, threads: int | None = None
) -> OpenVino:
    """The tower in int8. Raises RuntimeFailure, and OSError where its folder cannot be written."""
    model = calibration.quantized(tower.model_file, fits)
    return OpenVino(model, "int8", streams, tower.folder, threads)


def proven(tower: Tower, index_id: str, streams: int) -> OpenVino | None:
    """int8, where an earlier trial has found it good for this index."""
    kept = _read(tower, index_id)
    if kept is None or not kept[0].passed:
        return None
    try:
        return runtime(tower, kept[1], streams)
    except (RuntimeFailure, KeyError, OSError):
        return None


# --- the trial


class Trial:
    """Sees the pictures that an ingest embeds, on whichever thread, until it knows.

    `served`: the runtime that embeds them meanwhile. `over`: nothing more will come of it.
    `outcome`: int8, once it has passed."""

    def __init__(
        self,
        tower: Tower,
        index_id: str,
        served: Runtime,
        streams: int,
    ) -> None:
        self.outcome: OpenVino | None = None
        self._tower, self._index_id, self._streams = tower, index_id, streams
        self._served = served
        self._prepared = preprocessing.from_manifest(tower.preprocessing)
        self._kept: dict[int, npt.NDArray[np.uint8]] = {}
        self._steps = self._all_steps()
        self._busy = threading.Lock()
        self.over = False

    def see(self, pixels: Pixels) -> None:
        """Keep some of them, or do the next step of the trial; nothing while another thread does
        one, and when it is over."""
        if self.over or not self._busy.acquire(blocking=False):
            return
        try:
            if len(self._kept) < PICTURES:
                self._take(pixels)
            else:
                with cpu_and_memory.letting_go_of(self._tower.folder):  # of the weights' file
                    self.over = next(self._steps, True)
                cpu_and_memory.give_back_freed_memory()
        except (RuntimeFailure, RuntimeError, OSError):  # of OpenVINO or the disk: all stays
            self.over = True
        finally:
            if self.over:
                self._kept.clear()
                self._steps.close()
            self._busy.release()

    def _take(self, pixels: Pixels) -> None:
        """By the row in their middle, so that it is neither the order nor the threads that choose,
        and none twice; to go by all rows would take half a millisecond a picture."""
        for one in pixels:
            key = zlib.crc32(one[:, one.shape[1] // 2].tobytes())
            if key % ONE_IN == 0 and len(self._kept) < PICTURES:
                self._kept[key] = self._prepared.bytes_of(one[None])[0]

    def _all_steps(self) -> Generator[bool]:
        """A second or two each at most. True: that was the last."""
        order = sorted(self._kept)  # whatever came first
        stacked = np.stack([self._kept[key] for key in order])
        [pixels] = cpu_and_memory.on_disk([stacked], self._tower.folder)
        del stacked
        self._kept = dict(zip(order, pixels, strict=True))  # not in memory either
        with cpu_and_memory.giving_back_freed_memory():
            exact, fits = yield from self._fitted(pixels)
            forms = [form for form in (fits, calibration.without_worst_kind(fits)) if form]
            for tried in forms:
                found = yield from self._compared(tried, pixels, exact)
                if found.passed:
                    self.outcome = runtime(self._tower, tried, self._streams)
                    break
            if forms:
                _keep(self._tower, self._index_id, found, tried)
        yield True

    def _fitted(
        self, pixels: npt.NDArray[np.uint8]
    ) -> Generator[bool, None, tuple[Vectors, dict[str, Fit]]]:
        """What all of them are in f32, and an int8 form that is fitted to half of them."""
        half = len(pixels) // 2
        observer = calibration.Observer(self._tower.model_file, 1, half)
        exact: list[Vectors] = []
        for part, answer in ((pixels[:half], observer.see), (pixels[half:], observer.exact)):
            for inputs in self._batches(part, calibration.AT_ONCE):
                exact.append(answer(inputs))
                yield False
        fits = {}
        for name, fit in observer.fits():
            fits[name] = fit
            yield False
        return np.concatenate(exact), fits

    def _compared(
        self, fits: Mapping[str, Fit], pixels: npt.NDArray[np.uint8], exact: Vectors
    ) -> Generator[bool, None, Figures]:
        """How this form does, on one stream with as many threads as each stream of `served` has:
        more would take memory, and this one is gone afterwards."""
        threads = max(1, cpu_and_memory.cores() // self._streams)
        faster = runtime(self._tower, fits, 1, threads)
        yield False
        runs = []
        for inputs in self._batches(pixels, _AT_ONCE):
            runs.append((_timed(faster, inputs), _timed(self._served, inputs)))
            yield False
        return _figures_of_runs(runs, exact)

    def _batches(self, pixels: npt.NDArray[np.uint8], size: int) -> Iterator[dict[str, Pixels]]:
        for first in range(0, len(pixels), size):
            some = pixels[first : first + size]
            yield {self._tower.inputs[0]: self._prepared.of_bytes(some)}


def fitted(tower: Tower, pixels: Pixels) -> dict[str, Fit]:
    """An int8 form of a tower that is fitted to all these pictures."""
    observer = calibration.Observer(tower.model_file, 1, len(pixels))
    for first in range(0, len(pixels), calibration.AT_ONCE):
        observer.see({tower.inputs[0]: pixels[first : first + calibration.AT_ONCE]})
    return dict(observer.fits())


Run = tuple[Vectors, float]  # seconds


def _figures_of_runs(runs: Sequence[tuple[Run, Run]], exact: Vectors) -> Figures:
    """`runs`: of int8, and of what served before, with the same pictures."""
    seconds = np.array([(ours[1], theirs[1]) for ours, theirs in runs])
    best = seconds.min(axis=0)  # other work on the machine disturbs that least
    found = np.concatenate([ours[0] for ours, _ in runs])
    served = np.concatenate([theirs[0] for _, theirs in runs])
    return figures_of(found, exact, served, float(best[1] / best[0]))


def _timed(runtime: Runtime, inputs: Mapping[str, Any]) -> Run:
    begun = time.perf_counter()
    vectors = runtime.run(inputs)
    return vectors, time.perf_counter() - begun
