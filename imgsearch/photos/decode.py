"""Photos as pixels: a file's upright sRGB image at a size that a model needs. `formats` says what a
file is, `colour` makes it sRGB, `raw` opens camera RAW; `tiff`, `photoshop` and `netpbm` read what
Pillow does not know or shows wrongly, `png` and `jpeg` put right what it refuses; whatever Pillow,
pillow-heif and rawpy raise on a bad file leaves as Undecodable, with a reason for people."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from imgsearch.dataclass import dataclass
from imgsearch.photos import (
    SkipReason,
    colour,
    downscaling,
    fast_decoders,
    film_formats,
    films,
    formats,
    hevc,
    iptc,
    jpeg,
    jpeg_kinds,
    limits,
    metadata,
    netpbm,
    photoshop,
    pillow_setup,
    png,
    raw,
    sidecars,
    tiff,
    tiff_directories,
)
from imgsearch.photos.formats import BROKEN, Source, opened, undecodable
from imgsearch.photos.formats import (
    Undecodable as Undecodable,  # what `decode` raises, for its callers
)
from imgsearch.photos.metadata import Metadata
from imgsearch.photos.orientation import SIDEWAYS, TURNS, exif_of, orientation

HUGE_PIXELS = 50_000_000  # decoded at a time beyond this: one picture


@dataclass(frozen=True, slots=True)
class Decoded:
    """`image`: RGB, upright; where the file is larger, scaled to at least
    `downscaling.least` of the target. Of a film, its first good frame."""

    image: Image.Image
    metadata: Metadata
    frames: tuple[films.Frame, ...] = ()  # of a film those that were asked for

    @property
    def is_film(self) -> bool:
        return self.metadata.format in film_formats.FORMATS


Reader = Callable[[IO[bytes], Callable[[int, int], None]], Image.Image]
# formats whose fourth channel is often not used, and then 0 everywhere
_LOOSE_ALPHA = {"TGA", "BMP", "DIB", "ICO", "CUR", "SGI", "DDS", "PSD", "TIFF"}
_huge = threading.Lock()


def decode(
    source: Source,
    *,
    target: int,
    max_megapixels: float,
    preview: bool = False,
    frames: int = 1,
) -> Decoded:
    """`source`: a file's bytes, which `formats.looks_like_picture` has accepted, or its path, which
    may be a film's: then `frames` is how many of them are wanted at most.
    `target`: pixels of the square that the model sees. `preview`: a small picture that the camera
    put into the file will do, where its longer side has `downscaling.least` of the target. Raises
    Undecodable, nothing else, for a bad file."""
    pillow_setup.prepare(max_megapixels)
    try:
        with opened(source) as file:
            head = file.read(formats.HEAD_BYTES)
            file.seek(0)
            if isinstance(source, str) and _is_film(source, head):
                return _decode_film(source, target, max_megapixels, frames)
            is_raw = formats.is_raw(head, file)
            file.seek(0)
            if is_raw:
                return _decode_raw(file, target, max_megapixels)
            candidates = formats.possible(head, source if isinstance(source, str) else None)
            if "HEIF" in candidates:
                pillow_setup.register_heif()
            return _decode_picture(file, head, candidates, target, max_megapixels, preview)
    except UnidentifiedImageError:
        if formats.only_by_ending(candidates):
            raise Undecodable(SkipReason.NOT_A_PICTURE, "by its content") from None
        raise Undecodable(SkipReason.DAMAGED, "its header cannot be read") from None
    except MemoryError:
        raise Undecodable(SkipReason.TOO_LARGE, "not enough memory") from None
    except Image.DecompressionBombError as error:
        raise limits.too_large(error, max_megapixels) from None
    except BROKEN as error:
        raise undecodable(error) from error


def _decode_picture(
    file: IO[bytes],
    head: bytes,
    candidates: list[str],
    target: int,
    max_megapixels: float,
    preview: bool,
) -> Decoded:
    """Raises Undecodable and what Pillow raises."""
    try:
        if own := _own_reader(head):
            return _decode_by_own(own, candidates[0], file, target, max_megapixels)
        return _decode_by_pillow(file, candidates, target, max_megapixels, preview=preview)
    except BROKEN:
        if formats.ends_early(file):
            raise Undecodable(SkipReason.TRUNCATED, "it ends too early") from None
        repaired = _decode_repaired(file, head, target, max_megapixels)
        if repaired is None:
            raise
        return repaired


def inspect(path: str, *, max_megapixels: float) -> Metadata:
    """What the photo at this path, its sidecar and its name say; without decoding pixels where its
    header tells enough. Raises Undecodable."""
    found = said_inside(path, max_megapixels=max_megapixels)
    sidecar = sidecars.of(path)
    packet = sidecars.read(sidecar) if sidecar else b""
    return metadata.completed(found, name=os.path.basename(path), sidecar=packet)


def said_inside(source: Source, *, max_megapixels: float) -> Metadata:
    """What a picture's own file says of it: `inspect` without sidecar and name."""
    found = _inspected(source, max_megapixels)
    return found or decode(source, target=1, max_megapixels=max_megapixels).metadata


def _inspected(source: Source, max_megapixels: float) -> Metadata | None:
    """A picture's metadata by its header alone; None where the header does not tell enough."""
    pillow_setup.prepare(max_megapixels)
    with opened(source) as file:
        head = file.read(formats.HEAD_BYTES)
        if formats.is_raw(head, file) or _own_reader(head) or _is_film(source, head):
            return None
        file.seek(0)
        candidates = formats.possible(head, source if isinstance(source, str) else None)
        if "HEIF" in candidates:
            pillow_setup.register_heif()
        with contextlib.suppress(*BROKEN), Image.open(file, formats=candidates) as image:
            if not tiff.is_readable(image):
                return None
            turned = TURNS.get(orientation(exif_of(image))) in SIDEWAYS
            turned &= image.format != "TIFF"  # whose size Pillow says upright
            return _metadata(image, *(image.size[::-1] if turned else image.size))
    return None


def _own_reader(head: bytes) -> Reader | None:
    """Our reader for a format that Pillow does not know, by a file's first bytes; None for all
    others."""
    if head.startswith(netpbm.MAGIC):
        return netpbm.read
    if head.startswith(jpeg_kinds.XL_MAGIC):
        return jpeg_kinds.read_xl
    if head.startswith(jpeg_kinds.XR_MAGIC):
        return jpeg_kinds.read_xr
    return photoshop.read if photoshop.is_unknown_to_pillow(head) else None


def _is_film(source: Source, head: bytes) -> bool:
    return isinstance(source, str) and film_formats.format_of(head, source) is not None


def _decode_film(path: str, target: int, max_megapixels: float, frames: int) -> Decoded:
    side = 2 * target if frames == 1 else target
    film = films.read(path, side=side, max_megapixels=max_megapixels, most=frames)
    return Decoded(film.frames[0].image, film.metadata, tuple(film.frames))


def _decode_by_own(
    read: Reader, format: str, file: IO[bytes], target: int, max_megapixels: float
) -> Decoded:
    """Decode by one of our readers, which returns the picture as it is stored."""
    image = read(file, lambda width, height: limits.check_size(width, height, max_megapixels))
    image.format = format
    exif = tiff.exif(file) if format == "TIFF" else image.getexif()
    turn = TURNS.get(orientation(exif))
    width, height = image.size[::-1] if turn in SIDEWAYS else image.size
    return Decoded(upright(image, turn, target), _metadata(image, width, height, exif))


def upright(image: Image.Image, turn: Image.Transpose | None, target: int) -> Image.Image:
    """RGB of a picture as it is stored, reduced and turned."""
    small = colour.rgb(downscaling.reduced(image, target))
    return small if turn is None else small.transpose(turn)


def _decode_repaired(
    file: IO[bytes], head: bytes, target: int, max_megapixels: float
) -> Decoded | None:
    """What Pillow gave up although its pixels are there; None for all else. Raises Undecodable and
    what Pillow raises."""
    if head.startswith(png.MAGIC):
        clean, profile = png.clean(file)
        return _decode_by_pillow(clean, ["PNG"], target, max_megapixels, profile)
    if head.startswith(jpeg.MAGIC):
        whole = jpeg.whole(file, target)
        if whole is not None:
            return _decode_by_pillow(whole, ["JPEG", "MPO"], target, max_megapixels)
        if jpeg_kinds.is_one(file):
            return _decode_by_own(jpeg_kinds.read_jpeg, "JPEG", file, target, max_megapixels)
    if head[:4] in tiff_directories.MAGIC:
        return _decode_by_own(tiff.read, "TIFF", file, target, max_megapixels)
    return None


def _decode_by_pillow(
    file: IO[bytes],
    candidates: list[str],
    target: int,
    max_megapixels: float,
    profile: bytes | None = None,
    preview: bool = False,
) -> Decoded:
    """`profile`: an ICC profile that Pillow does not find in the file."""
    with Image.open(file, formats=candidates) as image:
        if profile:
            image.info["icc_profile"] = profile
        found = by_pillow(image, file, target, max_megapixels, preview=preview)
        return found or _decode_by_own(tiff.read, "TIFF", file, target, max_megapixels)


def by_pillow(
    image: Image.Image,
    file: IO[bytes],
    target: int,
    max_megapixels: float,
    *,
    preview: bool = False,
) -> Decoded | None:
    """As `decode`, of what Pillow has opened, or of the frame that it has sought. None: it would
    not show it as it is meant. Raises Undecodable and what Pillow raises."""
    width, height = image.size
    limits.check_size(width, height, max_megapixels)
    if not tiff.is_readable(image):
        return None
    # TIFF: Pillow turns it upright by itself, and forgets its tags once it is loaded
    early = _metadata(image, width, height) if image.format == "TIFF" else None
    side = downscaling.least(target)
    image.draft(None, (side, side)) if image.format in ("JPEG", "MPO") else None
    is_preview = preview and image.format == "HEIF" and _takes_preview(image, target)
    with _one_at_a_time(image):
        reduced = quick = fast_decoders.reduced(image, file, target)
        if not (quick or is_preview):
            reduced = hevc.reduced(image, file, target) or downscaling.heif(image, file, target)
        if reduced is None:
            image.load()
        described = quick or image  # Pillow loads a PNG when its EXIF is asked for
        turn = TURNS.get(orientation(exif_of(described)))
        if turn in SIDEWAYS:
            width, height = height, width
        found = early or _metadata(described, width, height)
        if reduced is None:
            reduced = downscaling.reduced(_with_true_alpha(image, file), target)
        small = colour.rgb(reduced)
    return Decoded(small if turn is None else small.transpose(turn), found)


def _takes_preview(image: Image.Image, target: int) -> bool:
    """Whether the picture that will be loaded is a small one in the file, of its proportions."""
    longer, wanted = max(image.size), downscaling.least(target)
    if longer <= wanted:
        return False
    width, height = (max(1, wanted * side // longer) for side in image.size)
    return image.draft(None, (width, height)) is not None


def _with_true_alpha(image: Image.Image, file: IO[bytes]) -> Image.Image:
    if png.needs_key(image):
        return png.with_key(image, file)
    if image.format in _LOOSE_ALPHA and colour.is_invisible(image):
        return image.convert(image.mode[:-1])
    return image


def _one_at_a_time(image: Image.Image) -> contextlib.AbstractContextManager[Any]:
    """A lock to hold while decoding, so that only one huge picture is in memory. Of a large JPEG
    few pixels are decoded, unless it is progressive."""
    pixels = image.width * image.height
    if image.info.get("progressive"):
        pixels *= 8
    return _huge if pixels > HUGE_PIXELS else contextlib.nullcontext()


def _metadata(
    image: Image.Image, width: int, height: int, exif: Image.Exif | None = None
) -> Metadata:
    """`width`, `height`: upright. `exif`: where the picture itself does not hold it."""
    packet, resources = image.info.get("xmp"), image.info.get("photoshop")
    iim = resources.get(iptc.RESOURCE) if isinstance(resources, dict) else image.info.get("iptc")
    return metadata.read(
        exif or exif_of(image),
        format=image.format or "unknown",
        width=width,
        height=height,
        packet=packet if isinstance(packet, bytes) else None,
        iim=iim if isinstance(iim, bytes) else None,
    )


def _decode_raw(file: IO[bytes], target: int, max_megapixels: float) -> Decoded:
    """The camera's own JPEG where it is large enough, else the sensor's pixels."""
    with raw.opened(file) as shot:
        limits.check_size(shot.width, shot.height, max_megapixels)
        preview = shot.preview()
        exif = shot.exif(preview)
        image = _preview_image(shot, preview, target, max_megapixels) if preview else None
        if image is None:
            large = shot.width * shot.height > HUGE_PIXELS
            with _huge if large else contextlib.nullcontext():
                image = shot.develop(target)
        width, height = shot.upright_size
    return Decoded(image, metadata.read(exif, format="RAW", width=width, height=height))


def _preview_image(
    shot: raw.Raw, preview: bytes, target: int, max_megapixels: float
) -> Image.Image | None:
    """The picture of a RAW's embedded preview; None where that is too small or broken."""
    try:
        with Image.open(io.BytesIO(preview), formats=["JPEG", "MPO"]) as image:
            if min(image.size) < downscaling.least(target):
                return None
            turn = shot.preview_turn(image.size, orientation(exif_of(image)))
        found = _decode_by_pillow(io.BytesIO(preview), ["JPEG"], target, max_megapixels).image
    except (*BROKEN, Undecodable):
        return None
    return found if turn is None else found.transpose(turn)
