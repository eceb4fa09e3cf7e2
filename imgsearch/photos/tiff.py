"""TIFFs that Pillow does not open or shows wrongly: planar and deep samples, more samples than
colours, BigTIFF, odd compressions and colour spaces, a thumbnail in front. tifffile is known here
and nowhere else; its errors leave as Undecodable."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from imgsearch.photos import SkipReason, bit_depths, metadata
from imgsearch.photos.bit_depths import Bytes, Values
from imgsearch.photos.formats import BROKEN, Undecodable, undecodable

BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR = 258, 259, 262, 277, 284
SUBFILE, OLD_SUBFILE, SUB_IFDS, EXTRA, SAMPLE_FORMAT = 254, 255, 330, 338, 339
WHITE_IS_0, BLACK_IS_0, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
_WIDTH = 256
_SHORT_TAGS = {271, 272, 274, 305, 306, 315, 700, 33723}  # those that `metadata` reads
_UNCOMPRESSED = 1
_JPEG = {6, 7, 33007, 34892}  # compressions whose decoder makes YCbCr into RGB
_PREMULTIPLIED, _ALPHA = 1, 2  # kinds of extra samples

_MOST_PAGES = 64  # looked at
_MOST_BYTES = 1 << 30  # of decoded samples
_THUMBNAIL = 320  # pixels: a first page below it may be a thumbnail that is not marked as one


def is_readable(image: Image.Image) -> bool:
    """Whether Pillow, which opened it, shows it as it is meant."""
    if not isinstance(image, TiffImageFile):
        return True
    return readable_by_pillow(image.tag_v2, *image.size)


def readable_by_pillow(tags: Mapping[int, Any], width: int, height: int) -> bool:
    """Whether Pillow shows the first page of a TIFF as it is meant. `tags`: of that page."""
    if int(tags.get(SUBFILE, 0)) & 1 or tags.get(OLD_SUBFILE) == 2:
        return False
    if SUB_IFDS in tags and max(width, height) <= _THUMBNAIL:
        return False
    depths_, samples = set(_numbers(tags.get(BITS, 1))), int(tags.get(SAMPLES, 1))
    if len(depths_) != 1 or set(_numbers(tags.get(SAMPLE_FORMAT, 1))) != {1}:
        return False
    if samples > 1 and tags.get(PLANAR, 1) != 1:
        return False
    (bits,) = depths_
    kind = tags.get(PHOTOMETRIC)
    extra = _numbers(tags.get(EXTRA, ()))
    if kind in (WHITE_IS_0, BLACK_IS_0):
        deep = bits == 16 and kind == BLACK_IS_0
        return samples == 1 and (bits in (1, 2, 4, 8) or deep)
    if kind == RGB:
        return (samples, bits) in ((3, 8), (3, 16)) or (
            samples == 4 and bits == 8 and len(extra) == 1
        )
    if kind == PALETTE:
        return samples == 1 and bits in (1, 2, 4, 8)
    if kind == YCBCR:
        return samples == 3 and bits == 8 and tags.get(COMPRESSION) != _UNCOMPRESSED
    return bits == 8 and (kind, samples) in ((CMYK, 4), (CIELAB, 3))


def _numbers(value: Any) -> tuple[int, ...]:
    return tuple(map(int, value)) if isinstance(value, tuple) else (int(value),)


def read(file: IO[bytes], check_size: Callable[[int, int], None]) -> Image.Image:
    """The picture as it is stored, not yet upright, with 8 bits a channel and its ICC profile.
    `check_size`: called with width and height before anything is decoded. Raises Undecodable."""
    import tifffile

    with errors():
        file.seek(0)
        with tifffile.TiffFile(file) as opened:
            return read_page(_main_page(opened), check_size)


def read_page(page: Any, check_size: Callable[[int, int], None]) -> Image.Image:
    """As `read`, of a page of tifffile's."""
    check_size(page.imagewidth, page.imagelength)
    _check_whole(page, page.parent.filehandle.size)
    image = _image(page)
    if profile := page.iccprofile:
        image.info["icc_profile"] = bytes(profile)
    return image


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """What tifffile raises on a bad file leaves as Undecodable."""
    import tifffile

    try:
        yield
    except (NotImplementedError, ImportError) as error:
        raise Undecodable(SkipReason.UNSUPPORTED, f"TIFF: {error}") from None
    except tifffile.TiffFileError as error:
        raise undecodable(error) from None
    except BROKEN as error:
        if "not supported" in str(error) or "COMPRESSION" in str(error):
            raise Undecodable(SkipReason.UNSUPPORTED, f"TIFF: {error}") from None
        raise undecodable(error) from None


def exif(file: IO[bytes]) -> Image.Exif:
    """EXIF of the first directory; of a BigTIFF, without the sections below it."""
    found = Image.Exif()
    with contextlib.suppress(*BROKEN):
        file.seek(0)
        found.load_from_fp(file)
        for section in (metadata.EXIF_IFD, metadata.GPS_IFD):
            found.get_ifd(section)  # now, while the file is open
    if _WIDTH not in found:  # Pillow reads no BigTIFF's
        with contextlib.suppress(*BROKEN):
            found.update(_tags(file))
    return found


def _tags(file: IO[bytes]) -> dict[int, Any]:
    import tifffile

    file.seek(0)
    with contextlib.suppress(tifffile.TiffFileError), tifffile.TiffFile(file) as opened:
        tags = opened.pages[0].tags
        return {tag.code: tag.value for tag in tags if tag.code in _SHORT_TAGS}
    return {}


def _main_page(opened: Any) -> Any:
    """The first that is a picture of full size, be it a page or below one."""
    pages = list(itertools.islice(_pages(opened), _MOST_PAGES))
    if not pages:
        raise Undecodable(SkipReason.DAMAGED, "TIFF without a picture")
    whole = [page for page in pages if not page.is_reduced and not page.is_mask]
    if not whole:
        return max(pages, key=_pixels)
    first = whole[0]
    if max(first.imagewidth, first.imagelength) <= _THUMBNAIL:
        larger = [page for page in whole[1:] if _is_thumbnail_of(first, page)]
        return max([first, *larger], key=_pixels)
    return first


def pages(opened: Any, most: int) -> list[Any]:
    """Those of the first `most` that are pictures of full size; none below another."""
    found = [
        page
        for page in itertools.islice(opened.pages, most)
        if not page.is_reduced and not page.is_mask and page.imagewidth and page.imagelength
    ]
    first = found[0] if found else None
    if first is not None and max(first.imagewidth, first.imagelength) <= _THUMBNAIL:
        shown_small = any(_is_thumbnail_of(first, page) for page in found[1:])
        return found[1:] if shown_small else found
    return found


def _pages(opened: Any) -> Iterator[Any]:
    for page in opened.pages:
        yield page
        with contextlib.suppress(*BROKEN):  # of a broken sub-directory the page itself is shown
            yield from page.pages or ()


def _pixels(page: Any) -> int:
    return int(page.imagewidth * page.imagelength)


def _is_thumbnail_of(small: Any, large: Any) -> bool:
    across, down = large.imagewidth / small.imagewidth, large.imagelength / small.imagelength
    return bool(min(across, down) >= 2 and abs(across / down - 1) < 0.1)


def _check_whole(page: Any, file_size: int) -> None:
    """Raises Undecodable where pixels lie beyond the file's end, or would take too much memory."""
    decoded = int(np.prod(page.shaped, dtype=np.float64)) * max(1, page.bitspersample // 8)
    if decoded > _MOST_BYTES:
        raise Undecodable(SkipReason.TOO_LARGE, f"TIFF of {decoded / 1e9:.1f} GB when decoded")
    ends = map(sum, zip(page.dataoffsets, page.databytecounts, strict=False))
    if not page.dataoffsets or max(ends) > file_size:
        raise Undecodable(SkipReason.TRUNCATED, "TIFF: pixels are missing at its end")


def _image(page: Any) -> Image.Image:
    if page.dtype is None:
        raise NotImplementedError(f"{page.bitspersample} bits a sample")
    if page.photometric == YCBCR and page.compression == _UNCOMPRESSED:
        return _of_ycbcr(page)
    planes = page.asarray().reshape(page.shaped)[:, 0]  # [separate samples, height, width, samples]
    values = np.moveaxis(planes[..., 0], 0, -1) if len(planes) > 1 else planes[0]
    if values.dtype.kind == "c":  # radar: how strong each echo is
        values = np.abs(values)
    kind, samples = int(page.photometric), values.shape[-1]
    if kind == PALETTE and samples == 1:
        return Image.fromarray(_colours(page, values[..., 0]))
    colours = {RGB: 3, YCBCR: 3, CMYK: 4, CIELAB: 3, ICCLAB: 3}.get(kind)
    if kind in (WHITE_IS_0, BLACK_IS_0):
        colours = 3 if samples >= 3 else 1  # bands of a scanner or satellite
    if colours is None or colours > samples:
        name = getattr(page.photometric, "name", page.photometric)
        raise NotImplementedError(f"{name} with {samples} samples a pixel")
    if kind in (CIELAB, ICCLAB):
        return _lab(values[..., :3], signed=kind == CIELAB)
    unsigned = values.dtype.kind == "u"
    bits = page.bitspersample if unsigned else None
    shown = bit_depths.eight_bits(
        values[..., :colours], bits=bits, no_data=_no_data(page), inverted=kind == WHITE_IS_0
    )
    if kind == YCBCR and page.compression not in _JPEG:
        return Image.fromarray(shown, "YCbCr").convert("RGB")
    if kind == CMYK:
        return Image.fromarray(np.ascontiguousarray(shown), "CMYK")
    return _with_alpha(page, shown, values[..., colours:], bits)


def _with_alpha(page: Any, shown: Bytes, extra: Values, bits: int | None) -> Image.Image:
    grey = shown.shape[-1] == 1
    kind = int(page.extrasamples[0]) if page.extrasamples else 0
    if not extra.shape[-1] or kind not in (_PREMULTIPLIED, _ALPHA):
        return Image.fromarray(np.ascontiguousarray(shown[..., 0] if grey else shown))
    alpha = bit_depths.eight_bits(extra[..., :1], bits=bits)
    pixels = np.concatenate((shown, alpha), axis=-1)
    mode = ("La" if grey else "RGBa") if kind == _PREMULTIPLIED else ("LA" if grey else "RGBA")
    size = (pixels.shape[1], pixels.shape[0])
    return Image.frombytes(mode, size, pixels.tobytes())


def _colours(page: Any, numbers: Values) -> Bytes:
    if page.colormap is None:
        raise NotImplementedError("palette without colours")
    palette = np.asarray(page.colormap).reshape(3, -1)  # 16 bits a colour
    if palette.max(initial=0) > 255:
        palette = palette >> 8
    shown: Bytes = palette.astype(np.uint8).T[np.minimum(numbers, palette.shape[1] - 1)]
    return shown


def _lab(values: Values, *, signed: bool) -> Image.Image:
    """`signed`: a and b are two's complement, else they are offset by half of their range. LAB of
    16 bits ends at 0xFFFF in the first kind, at 0xFF00 in the second."""
    if values.dtype == np.uint16:
        lightness = values[..., 0].astype(np.uint32) * 255 // (0xFFFF if signed else 0xFF00)
        ab = (values[..., 1:] >> 8).astype(np.uint8)
    elif values.dtype == np.uint8:
        lightness, ab = values[..., 0].astype(np.uint32), values[..., 1:]
    else:
        raise NotImplementedError(f"LAB of {values.dtype}")
    if signed:
        ab = ab ^ np.uint8(0x80)
    bands = [np.minimum(lightness, 255).astype(np.uint8), ab[..., 0], ab[..., 1]]
    return Image.merge("LAB", [Image.fromarray(np.ascontiguousarray(band)) for band in bands])


def _of_ycbcr(page: Any) -> Image.Image:
    """Uncompressed strips of YCbCr: units of a block's luminances, then its two colours."""
    if page.is_tiled or page.bitspersample != 8 or page.planarconfig != 1:
        raise NotImplementedError("YCbCr in tiles, planes, or of other than 8 bits")
    across, down = page.subsampling or (2, 2)
    if across not in (1, 2, 4) or down not in (1, 2, 4):
        raise NotImplementedError("YCbCr subsampling")
    width, height = page.imagewidth, page.imagelength
    columns = -(-width // across)
    strips = []
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        page.parent.filehandle.seek(offset)
        data = np.frombuffer(page.parent.filehandle.read(count), np.uint8)
        unit = across * down + 2
        rows = len(data) // (columns * unit)
        units = data[: rows * columns * unit].reshape(rows, columns, unit)
        bright = units[..., :-2].reshape(rows, columns, down, across).swapaxes(1, 2)
        bright = bright.reshape(rows * down, columns * across)
        colour = units[..., -2:].repeat(down, axis=0).repeat(across, axis=1)
        strip = np.concatenate((bright[..., None], colour), axis=-1)
        strips.append(strip[: page.rowsperstrip, :width])
    whole = np.concatenate(strips)[:height]
    if len(whole) < height:
        raise Undecodable(SkipReason.TRUNCATED, "TIFF: pixels are missing")
    return Image.fromarray(np.ascontiguousarray(whole), "YCbCr").convert("RGB")


def _no_data(page: Any) -> float | None:
    """GDAL's tag, a number in decimals. tifffile's own reading takes the smallest float32, as GDAL
    writes it, for none."""
    with contextlib.suppress(*BROKEN):
        return float(page.tags.valueof(42113))
    return None
