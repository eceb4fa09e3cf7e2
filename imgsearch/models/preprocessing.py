"""From an upright RGB image to the pixels that a vision tower sees: resize, crop, normalise.

The parameters are the model's own (`preprocessor_config.json`, as transformers reads it); the
pixels equal those of the transformers image processor but for rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imgsearch.dataclass import dataclass
from imgsearch.models.base import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image

_UNSUPPORTED = ("do_pad", "do_thumbnail", "do_align_long_axis", "do_flip_channel_order")


@dataclass(frozen=True)
class Preprocessing:
    """`shortest_edge` 0: the whole image is squeezed into width × height; else it is scaled until
    its shorter edge has that many pixels, and the middle width × height is kept."""

    width: int
    height: int
    shortest_edge: int
    resample: int  # Pillow's number
    scale: npt.NDArray[np.float32]  # (3,): pixel = byte * scale + offset
    offset: npt.NDArray[np.float32]  # (3,)

    def pixels(self, image: Image) -> Pixels:
        """Turn an upright RGB image into pixels (1, 3, height, width)."""
        small = np.asarray(self._fitted(image))  # (height, width, 3), bytes
        pixels = np.empty((1, 3, self.height, self.width), np.float32)
        for channel in range(3):
            np.multiply(small[:, :, channel], self.scale[channel], out=pixels[0, channel])
        pixels += self.offset[:, None, None]
        return pixels

    def bytes_of(self, pixels: Pixels) -> npt.NDArray[np.uint8]:
        """What `pixels` were made of (n, 3, height, width): a quarter of the memory."""
        found = (pixels - self.offset[:, None, None]) / self.scale[:, None, None]
        rounded: npt.NDArray[np.uint8] = np.clip(np.rint(found), 0, 255).astype(np.uint8)
        return rounded

    def of_bytes(self, found: npt.NDArray[np.uint8]) -> Pixels:
        """The pixels that `bytes_of` was given."""
        pixels: Pixels = found * self.scale[:, None, None] + self.offset[:, None, None]
        return pixels

    def _fitted(self, image: Image) -> Image:
        from PIL.Image import Resampling

        resample = Resampling(self.resample)
        if not self.shortest_edge:
            return image.resize((self.width, self.height), resample)
        width, height = _scaled(image.size, self.shortest_edge)
        left, top = (width - self.width) // 2, (height - self.height) // 2
        if left < 0 or top < 0:
            whole = image.resize((width, height), resample)
            # where the crop is larger than the image, Pillow fills it with black
            return whole.crop((left, top, left + self.width, top + self.height))
        # Only what is kept is made: a quarter of the time of an ordinary photo, and a strip of
        # 1 × 10,000 pixels would be scaled to gigabytes. Pillow rounds one value in ten thousand by
        # one step of 255 otherwise than if it made all of it
        across, down = image.width / width, image.height / height
        box = (left * across, top * down, (left + self.width) * across, (top + self.height) * down)
        return image.resize((self.width, self.height), resample, box=box)


def _scaled(size: tuple[int, int], shortest_edge: int) -> tuple[int, int]:
    """The size after scaling. As in transformers, the longer edge is rounded down to whole
    pixels."""
    width, height = size
    if width <= height:
        return shortest_edge, int(shortest_edge * height / width)
    return int(shortest_edge * width / height), shortest_edge


def from_processor(config: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters for the manifest out of `image_processor.to_dict()`.

    Raises ValueError for steps that are not known here.
    """
    for step in _UNSUPPORTED:
        if config.get(step):
            raise ValueError(f"the image processor wants {step}")
    if not config.get("do_resize", True):
        raise ValueError("the image processor does not resize")
    size = config["size"]
    edge = 0
    if "shortest_edge" in size and "longest_edge" not in size:
        edge = int(size["shortest_edge"])
        if not config.get("do_center_crop"):
            raise ValueError("the image processor gives images of many shapes")
    elif set(size) != {"height", "width"}:
        raise ValueError(f"the image processor resizes to {dict(size)}")
    elif config.get("do_center_crop") and dict(config["crop_size"]) != dict(size):
        raise ValueError("the image processor crops after an exact resize")
    final = config["crop_size"] if edge else size
    factor = config.get("rescale_factor", 1 / 255) if config.get("do_rescale", True) else 1.0
    mean, std = [0.0] * 3, [1.0] * 3
    if config.get("do_normalize", True):
        mean, std = config["image_mean"], config["image_std"]
    return {
        "width": int(final["width"]),
        "height": int(final["height"]),
        "shortest_edge": edge,
        "resample": int(config.get("resample", 3)),
        "scale": [factor / s for s in std],
        "offset": [-m / s for m, s in zip(mean, std, strict=True)],
    }


def from_manifest(parameters: Mapping[str, Any]) -> Preprocessing:
    return Preprocessing(
        width=parameters["width"],
        height=parameters["height"],
        shortest_edge=parameters["shortest_edge"],
        resample=parameters["resample"],
        scale=np.array(parameters["scale"], np.float32),
        offset=np.array(parameters["offset"], np.float32),
    )
