"""The pages of a picture file: those of a TIFF, and the pictures of a HEIF collection.

What else holds several pictures has no pages: an animation has frames, an icon one picture in
several sizes, and in a multi-picture JPEG (MPO) what follows the photo is the other eye's view, a
smaller copy for a television, or a map of brightness."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from PIL import ExifTags, Image

from imgsearch.photos import (
    SkipReason,
    decode,
    formats,
    limits,
    pillow_setup,
    tiff,
    tiff_directories,
)
from imgsearch.photos.formats import BROKEN, Undecodable, undecodable
from imgsearch.photos.orientation import TURNS

if TYPE_CHECKING:
    from imgsearch.photos.formats import Source

MOST = 500  # of a file; those beyond are not looked at
_ENDINGS = (b".tif", b".tiff", b".heic", b".heics", b".heif", b".heifs", b".hif")
# Of all pages together: so many decoded bytes, and so many times the file's size. Of what scanners
# and cameras write, only pages that are blank take less room in the file.
_FREE_BYTES, _TIMES_THE_FILE = 1 << 29, 400
_DIRECTORIES = 2 * MOST  # of a TIFF that are looked at: each page may have a thumbnail

Reader = Callable[[], Image.Image]


class Page(NamedTuple):
    number: int  # from 1; thumbnails and masks do not count
    image: Image.Image  # RGB, upright; where it is larger, reduced as `downscaling` says


def can_be_in(name: bytes) -> bool:
    """Whether a file of that name may have several pages."""
    return name[-6:].lower().endswith(_ENDINGS)


def several(source: Source) -> bool:
    """Whether a file has more than one page, by its headers alone. Raises Undecodable where it
    cannot be read."""
    with _readers(source, 1, 0) as readers:
        return len(list(islice(readers, 2))) > 1


def each(
    source: Source,
    *,
    target: int,
    max_megapixels: float,
    left_out: Callable[[int, Undecodable], object] = lambda number, error: None,
) -> Iterator[Page]:
    """All pages of a file, MOST at most, without those that cannot be decoded; none of a file of a
    single page. `target`: as for `decode.decode`. `left_out` hears the number of each page that
    cannot be decoded, and why. Raises Undecodable where the file cannot be read."""
    with _readers(source, target, max_megapixels) as readers:
        for number, read in enumerate(readers, 1):
            try:
                image = _read(read, max_megapixels)
            except Undecodable as error:
                left_out(number, error)
            else:
                yield Page(number, image)


def one(source: Source, number: int, *, target: int, max_megapixels: float) -> Image.Image:
    """The image of a page, as `Page` has it. Raises Undecodable."""
    with _readers(source, target, max_megapixels) as readers:
        for read in islice(readers, number - 1, number):
            return _read(read, max_megapixels)
    raise Undecodable(SkipReason.DAMAGED, f"it has no page {number}")


def _read(read: Reader, max_megapixels: float) -> Image.Image:
    try:
        return read()
    except MemoryError:
        raise Undecodable(SkipReason.TOO_LARGE, "not enough memory") from None
    except Image.DecompressionBombError as error:
        raise limits.too_large(error, max_megapixels) from None
    except BROKEN as error:
        raise undecodable(error) from None


@contextlib.contextmanager
def _readers(source: Source, target: int, max_megapixels: float) -> Iterator[Iterator[Reader]]:
    """What decodes each page, to be called before the next one is asked for."""
    pillow_setup.prepare(max_megapixels)
    with formats.opened(source) as file:
        head = file.read(formats.HEAD_BYTES)
        readers: Generator[Reader, None, None]
        if head[:4] in tiff_directories.MAGIC and not formats.is_raw(head, file):
            readers = _of_tiff(source, file, target, max_megapixels)
        else:
            readers = _of_heif(source, head, target, max_megapixels)
        with contextlib.closing(readers):
            yield readers


# -- HEIF


def _of_heif(
    source: Source, head: bytes, target: int, max_megapixels: float
) -> Generator[Reader, None, None]:
    """Opened anew for each: pillow-heif keeps the pixels of all pictures that it has decoded."""
    if not formats.is_heif(head):
        return
    pillow_setup.register_heif()

    def read(place: int) -> Image.Image:
        with formats.opened(source) as file, Image.open(file, formats=["HEIF"]) as image:
            image.seek(place)
            found = decode.by_pillow(image, file, target, max_megapixels)
            assert found is not None  # Pillow shows any HEIF as it is meant
            return found.image

    pictures = 0
    with (
        contextlib.suppress(*BROKEN),
        formats.opened(source) as file,
        Image.open(file, formats=["HEIF"]) as image,
    ):
        pictures = getattr(image, "n_frames", 1)
    if pictures > 1:
        yield from (partial(read, place) for place in range(min(pictures, MOST)))


# -- TIFF


def _of_tiff(
    source: Source, file: IO[bytes], target: int, max_megapixels: float
) -> Generator[Reader, None, None]:
    count = tiff_directories.count(file, _DIRECTORIES)
    if count < 2:
        return
    import tifffile

    file.seek(0)
    with contextlib.suppress(*BROKEN, tifffile.TiffFileError), tifffile.TiffFile(file) as opened:
        left = _FREE_BYTES + _TIMES_THE_FILE * opened.filehandle.size
        found = tiff.pages(opened, count)[:MOST]
        # for each page that it decodes libtiff walks along all directories
        by_pillow = count < _DIRECTORIES
        reader = _Tiff(source, target, max_megapixels, by_pillow=by_pillow)
        with contextlib.closing(reader):
            for page in found if len(found) > 1 else ():
                left -= _weight(page)
                if left < 0:
                    return
                yield partial(reader.read, page)


def _weight(page: Any) -> int:
    """Decoded bytes; of a single bit a pixel takes one all the same."""
    samples = page.imagewidth * page.imagelength * page.samplesperpixel
    return int(samples * max(1, page.bitspersample // 8))


def _orientation(page: Any) -> int:
    value = page.tags.valueof(ExifTags.Base.Orientation, 1)
    return value if isinstance(value, int) else 1


class _Tiff:
    """Decodes pages of a TIFF: by Pillow, which stays open between them, where it shows them as
    they are meant, else by tifffile."""

    def __init__(
        self, source: Source, target: int, max_megapixels: float, *, by_pillow: bool
    ) -> None:
        self._use_pillow = by_pillow
        self._source, self._target, self._max_megapixels = source, target, max_megapixels
        self._held = contextlib.ExitStack()
        self._image: Image.Image | None = None
        self._file: IO[bytes]

    def close(self) -> None:
        self._image = None
        self._held.close()

    def read(self, page: Any) -> Image.Image:
        """`page`: tifffile's. Raises Undecodable and what Pillow raises."""
        try:
            found = self._by_pillow(page.index) if self._use_pillow else None
        except BROKEN:
            self.close()
            self._use_pillow = False  # to be opened anew it would read all pages before again
            found = None
        if found is not None:
            # one that was neither reduced nor converted would become the next page
            return found.image.copy() if found.image is self._image else found.image
        with tiff.errors():
            image = tiff.read_page(page, self._check_size)
            return decode.upright(image, TURNS.get(_orientation(page)), self._target)

    def _check_size(self, width: int, height: int) -> None:
        limits.check_size(width, height, self._max_megapixels)

    def _by_pillow(self, place: int) -> decode.Decoded | None:
        if self._image is None:
            self._file = self._held.enter_context(formats.opened(self._source))
            self._image = self._held.enter_context(Image.open(self._file, formats=["TIFF"]))
        self._image.seek(place)
        return decode.by_pillow(self._image, self._file, self._target, self._max_megapixels)
