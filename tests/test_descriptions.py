"""What editors, cameras and messengers say in XMP, IPTC, EXIF, sidecars and names of files."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
from PIL.TiffImagePlugin import IFDRational

from imgsearch.photos import dates, decode, iptc, metadata, safe_text, sidecars, xmp
from imgsearch.photos.metadata import Metadata
from tests import pictures

PHOTO = pictures.photo(size=(96, 64))
ORIGINAL, DIGITIZED = 0x9003, 0x9004


def _packet(attributes: str = "", elements: str = "") -> bytes:
    """XMP as Lightroom, darktable and digiKam write it."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
        ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmlns:lr="http://ns.adobe.com/lightroom/1.0/"'
        ' xmlns:digiKam="http://www.digikam.org/ns/1.0/"'
        f" {attributes}>{elements}</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="w"?>'
    ).encode()


def _list(name: str, *items: str, kind: str = "Bag") -> str:
    inside = "".join(f"<rdf:li>{item}</rdf:li>" for item in items)
    return f"<{name}><rdf:{kind}>{inside}</rdf:{kind}></{name}>"


FULL = _packet(
    'xmp:Rating="4" photoshop:City="Firenze" photoshop:Country="Italia"'
    ' exif:GPSLatitude="43,46.5N" exif:GPSLongitude="11,15,30E"'
    ' exif:DateTimeOriginal="2019-07-14T12:30:45.50+02:00"',
    "<dc:title><rdf:Alt><rdf:li xml:lang='de'>Abend</rdf:li>"
    "<rdf:li xml:lang='x-default'>Evening</rdf:li></rdf:Alt></dc:title>"
    + _list("dc:description", "On the\n bridge", kind="Alt")
    + _list("dc:subject", "river", "Bridge")
    + _list("lr:hierarchicalSubject", "Places|Italy|Florence", "things|bridge"),
)


def _read(ending: str = ".jpg", **options: Any) -> Metadata:
    return _decoded(pictures.encoded(PHOTO, ending, **options))


def _decoded(data: bytes) -> Metadata:
    return decode.decode(data, target=32, max_megapixels=10).metadata


def _says_all(found: Metadata) -> None:
    assert (found.title, found.caption) == ("Evening", "On the bridge")
    assert found.keywords == ("river", "Bridge", "Places", "Italy", "Florence", "things")
    assert found.rating == 4
    assert (found.stated_city, found.stated_country) == ("Firenze", "Italia")
    assert found.latitude == pytest.approx(43.775)
    assert found.longitude == pytest.approx(11 + 15 / 60 + 30 / 3600)
    assert (found.taken, found.taken_offset) == ("2019-07-14T12:30:45", "+02:00")
    assert (found.taken_precision, found.taken_source) == ("second", "xmp")


@pytest.mark.parametrize("ending", [".jpg", ".webp", ".avif", ".heic", ".mpo"])
def test_xmp_in_every_format_that_carries_it(ending: str) -> None:
    _says_all(_read(ending, xmp=FULL))


def test_xmp_in_png_and_tiff() -> None:
    from PIL import PngImagePlugin, TiffImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", FULL.decode())
    _says_all(_read(".png", pnginfo=info))
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[700] = FULL
    tags.tagtype[700] = 1
    _says_all(_read(".tif", tiffinfo=tags))


def _iim(**sets: list[bytes]) -> bytes:
    """Sets of record 2 by number: `_2_25=[b"a", b"b"]`."""
    made = b""
    for name, values in sets.items():
        record, number = map(int, name[1:].split("_"))
        for value in values:
            made += bytes((0x1C, record, number)) + len(value).to_bytes(2, "big") + value
    return made


def _jpeg_with_iim(iim: bytes) -> bytes:
    resource = b"8BIM\x04\x04\0\0" + len(iim).to_bytes(4, "big") + iim + b"\0" * (len(iim) % 2)
    segment = b"Photoshop 3.0\0" + resource
    plain = pictures.encoded(PHOTO, ".jpg")
    return plain[:2] + b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment + plain[2:]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_iptc(encoding: str) -> None:
    iim = _iim(
        _1_90=[b"\x1b%G"] if encoding == "utf-8" else [],
        _2_5=["Café".encode(encoding)], _2_25=["Straße".encode(encoding), b"night"],
        _2_120=[b"Two people\r\nat a table"], _2_90=["Köln".encode(encoding)],
        _2_101=[b"Germany"], _2_55=[b"20190714"], _2_60=[b"123045+0200"],
    )  # fmt: skip
    found = _decoded(_jpeg_with_iim(iim))
    assert (found.title, found.caption) == ("Café", "Two people at a table")
    assert found.keywords == ("Straße", "night")
    assert (found.stated_city, found.stated_country) == ("Köln", "Germany")
    assert (found.taken, found.taken_offset) == ("2019-07-14T12:30:45", "+02:00")
    assert found.taken_source == "iptc"


def test_iptc_that_is_not_in_the_encoding_that_it_says() -> None:
    """Or was cut off within a character."""
    latin, long = "Café Straße".encode("cp1252"), ("x" * 31 + "é").encode()
    found = iptc.parse(_iim(_1_90=[b"\x1b%G"], _2_5=[latin, b"Caf\xe9"], _2_25=[long, long[:-1]]))
    assert found == {5: ["Café Straße", "Café"], 25: ["x" * 31 + "é", "x" * 31]}


@pytest.mark.parametrize(
    ("day", "time", "taken", "precision"),
    [
        (b"2019-07-14", b"12:30:45+02:00", "2019-07-14T12:30:45", "second"),
        (b"2019:07:14", b"12:30:45", "2019-07-14T12:30:45", "second"),
        (b"20190714", b"1230", "2019-07-14T12:30:00", "second"),
        (b"20190714", b"noon", "2019-07-14T00:00:00", "day"),
        (b"20190714", b"999999", "2019-07-14T00:00:00", "day"),
        (b"20190700", b"", "2019-07-01T00:00:00", "month"),
        (b"00000000", b"000000", None, None),
        (b"yesterday", b"", None, None),
    ],
)
def test_dates_of_iptc(day: bytes, time: bytes, taken: str | None, precision: str | None) -> None:
    found = _decoded(_jpeg_with_iim(_iim(_2_55=[day], _2_60=[time])))
    assert (found.taken, found.taken_precision) == (taken, precision)


@pytest.mark.parametrize(
    ("latitude", "longitude", "place"),
    [
        ("48,51.5N", "2,21.0W", (48.858333, -2.35)),
        ("48,51,30s", "2,21,0e", (-48.858333, 2.35)),
        ("48.8583N", "2.2945E", (48.8583, 2.2945)),
        ("-48.8583", "+2.2945", (-48.8583, 2.2945)),
        ("48.5,30N", "2.2945E", (None, None)),
        ("148.5N", "2.2945E", (None, None)),
        ("148.5", "2.2945", (None, None)),
    ],
)
def test_places_of_xmp(latitude: str, longitude: str, place: tuple[float | None, ...]) -> None:
    packet = _packet(f'exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}"')
    plain = Metadata(format="JPEG", width=1, height=1)
    found = metadata.completed(plain, sidecar=packet)
    assert (found.latitude, found.longitude) == pytest.approx(place)


def test_what_is_wrong_in_iptc_ends_it() -> None:
    whole = _iim(_2_5=[b"Title"], _2_25=[b"one", b"two"])
    assert iptc.parse(whole[:-1])[25] == ["one", "tw"]
    assert iptc.parse(b"\x1c\x02\x05\xff\xff" + whole) == {}
    assert iptc.photoshop_resource(b"8BIM\x04\x04\xff", 0x0404) == b""


@pytest.mark.parametrize(
    ("rating", "expected"),
    [("5", 5), ("3.0", 3), ("-1", -1), ("0", None), ("99", None), ("nan", None), ("many", None)],
)
def test_ratings(rating: str, expected: int | None) -> None:
    found = _read(xmp=_packet(f'xmp:Rating="{rating}"'))
    assert found.rating == expected


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE x [<!ENTITY a "b">]>' + FULL,
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>',
        b"<a>" * 100_000,
        b"<?xml version='1.0' encoding='nonsense'?><a/>",
        b"no xml",
        b"",
        b"\xff\xfe\0\0",
    ],
)
def test_hostile_xmp_says_nothing(hostile: bytes) -> None:
    assert not xmp.parse(hostile)


def test_what_is_not_a_picture_s_own_property_is_not_taken() -> None:
    """The history of edits, and regions of other pictures, have titles and ratings of their own."""
    inside = (
        "<photoshop:Other><rdf:Bag><rdf:li><rdf:Description xmp:Rating='1'>"
        "<dc:title>not this</dc:title></rdf:Description></rdf:li></rdf:Bag></photoshop:Other>"
    )
    found = xmp.parse(_packet("", inside + "<xmp:Rating>2</xmp:Rating>"))
    assert found == {"xmp:Rating": ["2"]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "latin-1"])
def test_encodings_of_xmp(encoding: str) -> None:
    text = FULL.decode().replace("Evening", "Grüße")
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    packet = mark + text.replace("\ufeff", "").encode(encoding)
    assert xmp.parse(packet)["dc:title"][0] == "Grüße"


def test_broken_xmp_says_what_came_before_the_fault() -> None:
    assert xmp.parse(FULL[: FULL.index(b"<dc:subject>")])["xmp:Rating"] == ["4"]
    assert xmp.parse(FULL + bytes(2000))["dc:title"] == ["Evening", "Abend"]


def test_texts_are_safe_and_bounded() -> None:
    many = [f"word {number}" for number in range(1000)] + ["x" * 10_000]
    elements = _list("dc:subject", *many) + _list("dc:title", "a\u202eb\u2066c" + "d" * 9999)
    found = _read(xmp=_packet("photoshop:City='Cafe\u0301'", elements)[:60_000])
    assert len(found.keywords) == safe_text.KEYWORDS
    assert all(len(word) <= safe_text.KEYWORD for word in found.keywords)
    assert found.title is not None
    assert found.title.startswith("a b c")
    assert len(found.title) == safe_text.TITLE
    assert safe_text.clean("\x1b]0;title\x07\r\nCafe\u0301 \ud800") == "]0;title Café \ufffd"
    assert safe_text.clean("👨‍👩‍👧 \u202f x") == "👨‍👩‍👧 x"
    assert safe_text.clean(" \t\0 ") is None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-16"])
def test_encodings_of_exif(encoding: str) -> None:
    assert safe_text.decoded("Blüte im Frühling".encode(encoding)) == "Blüte im Frühling"
    assert safe_text.decoded("相机".encode()) == "相机"


def test_a_camera_s_name_in_utf_8() -> None:
    exif = pictures.exif(Make="X", Model="相机".encode())
    assert _read(exif=exif).camera == "X 相机"


def test_windows_and_exif_describe_too() -> None:
    exif = pictures.exif(ImageDescription="OLYMPUS DIGITAL CAMERA         ")
    for tag, text in ((40091, "Titel"), (40092, "Was war"), (40094, "eins;zwei; eins")):
        exif[tag] = (text + "\0").encode("utf-16-le")
    exif[18246] = 3
    found = _read(exif=exif)
    assert (found.title, found.caption, found.rating) == ("Titel", "Was war", 3)
    assert found.keywords == ("eins", "zwei")
    assert _read(exif=pictures.exif(ImageDescription="A red boat")).caption == "A red boat"


# when


@pytest.mark.parametrize(
    ("written", "taken", "precision"),
    [
        ("2019:05:01 02:30:45 PM", "2019-05-01T14:30:45", "second"),
        ("2019:05:01 12:30:45 am", "2019-05-01T00:30:45", "second"),
        ("2019:05:01 12:30:45 p.m.", "2019-05-01T12:30:45", "second"),
        ("2019", "2019-01-01T00:00:00", "year"),
        ("2019:05", "2019-05-01T00:00:00", "month"),
        ("2019:05:00 00:00:00", "2019-05-01T00:00:00", "month"),
        ("2019:00:00 00:00:00", "2019-01-01T00:00:00", "year"),
        ("2019:  :     :  :  ", "2019-01-01T00:00:00", "year"),
        ("2019:05:01", "2019-05-01T00:00:00", "day"),
        ("2019:05:01   :  :  ", "2019-05-01T00:00:00", "day"),
        ("2019:05:01 99:99:99", "2019-05-01T00:00:00", "day"),
        ("2019-05-01T12:30", "2019-05-01T12:30:00", "second"),
        ("2019:5:1 9:30:45", "2019-05-01T09:30:45", "second"),
    ],
)
def test_dates_with_all_or_less(written: str, taken: str, precision: str) -> None:
    found = _read(exif=pictures.exif(exif={ORIGINAL: written}))
    assert (found.taken, found.taken_precision, found.taken_source) == (taken, precision, "exif")


@pytest.mark.parametrize(
    "written", ["2019:13", "20190501x", "0000", "12345", "2019:02:30", "2019:00:05 1:2:3", "v2019"]
)
def test_what_is_no_date(written: str) -> None:
    assert dates.parse(written) is None


def test_which_date_counts() -> None:
    packet = _packet('xmp:CreateDate="2001-01-01" photoshop:DateCreated="2002-02"')
    tags: dict[str, Any] = {"Model": "Camera", "DateTime": "2003:03:03 03:03:03"}
    gps = {29: "2004:04:04", 7: (4.0, 5.0, 6.0)}
    found = _read(exif=pictures.exif(**tags, gps=gps, exif={DIGITIZED: "2000:01:01"}), xmp=packet)
    assert (found.taken, found.taken_source) == ("2000-01-01T00:00:00", "exif")
    found = _read(exif=pictures.exif(**tags, gps=gps), xmp=packet)
    assert (found.taken, found.taken_source) == ("2002-02-01T00:00:00", "xmp")
    assert found.taken_precision == "month"
    found = _read(exif=pictures.exif(**tags, gps=gps, exif={0x9010: "+05:30"}))
    assert (found.taken, found.taken_offset) == ("2003-03-03T03:03:03", "+05:30")
    for change in ({"Software": "Adobe Photoshop 25"}, {"Model": ""}):
        found = _read(exif=pictures.exif(**{**tags, **change}, gps=gps))
        assert (found.taken, found.taken_offset) == ("2004-04-04T04:05:06", "+00:00")
    assert _read(exif=pictures.exif(DateTime="2003:03:03 03:03:03")).taken is None


def test_an_offset_of_any_field() -> None:
    found = _read(exif=pictures.exif(exif={ORIGINAL: "2019:05:01 12:30:45", 0x9010: "+0530"}))
    assert found.taken_offset == "+05:30"
    assert dates.parse_offset("+02") == "+02:00"
    moment = dates.parse("2019-07-14T12:30:45-03")
    assert moment is not None
    assert (moment.taken, moment.offset) == ("2019-07-14T12:30:45", "-03:00")


@pytest.mark.parametrize(
    ("name", "taken", "precision"),
    [
        ("IMG-20190714-WA0003.jpg", "2019-07-14T00:00:00", "day"),
        ("VID-20190714-WA0003.jpg", "2019-07-14T00:00:00", "day"),
        ("PXL_20210704_123045678.jpg", "2021-07-04T12:30:45", "second"),
        ("PXL_20210704_123045678.NIGHT.jpg", "2021-07-04T12:30:45", "second"),
        ("IMG_20190714_123045.jpg", "2019-07-14T12:30:45", "second"),
        ("IMG_20190714_123045_HDR.jpg", "2019-07-14T12:30:45", "second"),
        ("IMG20190714123045.jpg", "2019-07-14T12:30:45", "second"),
        ("Screenshot_20200501-123045.png", "2020-05-01T12:30:45", "second"),
        ("Screenshot_2020-05-01-12-30-45-123_com.app.png", "2020-05-01T12:30:45", "second"),
        ("Screenshot 2020-05-01 at 1.30.45 PM.png", "2020-05-01T13:30:45", "second"),
        ("Screenshot 2020-05-01 at 12.30.45 AM.png", "2020-05-01T00:30:45", "second"),
        ("Screenshot from 2020-05-01 12-30-45.png", "2020-05-01T12:30:45", "second"),
        ("Bildschirmfoto 2020-05-01 um 12.30.45.png", "2020-05-01T12:30:45", "second"),
        ("signal-2020-05-01-123045.jpg", "2020-05-01T12:30:45", "second"),
        ("signal-2020-05-01-12-30-45-123-1.jpg", "2020-05-01T12:30:45", "second"),
        ("WhatsApp Image 2019-07-14 at 12.30.45.jpeg", "2019-07-14T12:30:45", "second"),
        ("WhatsApp Image 2019-07-14 at 12.30.45 (1).jpeg", "2019-07-14T12:30:45", "second"),
        ("WhatsApp Image 2019-07-14 at 9.30.45 PM.jpeg", "2019-07-14T21:30:45", "second"),
        ("photo_2020-05-01_12-30-45.jpg", "2020-05-01T12:30:45", "second"),
        ("20190714_123045.jpg", "2019-07-14T12:30:45", "second"),
        ("20190714_123045(0).jpg", "2019-07-14T12:30:45", "second"),
        ("2019-07-14 12.30.45.jpg", "2019-07-14T12:30:45", "second"),
    ],
)
def test_dates_in_names(name: str, taken: str, precision: str) -> None:
    found = dates.of_name(name)
    assert found is not None
    assert (found.taken, found.precision) == (taken, precision)


@pytest.mark.parametrize(
    "name",
    [
        "20190714.jpg", "2019-07-14.jpg", "report 2019-07-14.jpg", "IMG_2019.JPG", "DSC_2019.JPG",
        "P1020304.JPG", "IMG_20191345_123045.jpg", "DSC20190714.jpg", "IMG_19000101.jpg",
        "IMG-201907145-WA0003.jpg", "12345678901234567890.jpg", "SKU-20190714-123045.jpg", "",
    ],
)  # fmt: skip
def test_names_without_a_date(name: str) -> None:
    assert dates.of_name(name) is None


def test_a_name_counts_last() -> None:
    plain = Metadata(format="JPEG", width=3, height=2)
    name = "IMG-20190714-WA0003.jpg"
    found = metadata.completed(plain, name=name)
    assert (found.taken, found.taken_source) == ("2019-07-14T00:00:00", "name")
    packet = _packet('xmp:CreateDate="2001"')
    found = metadata.completed(plain, name=name, sidecar=packet)
    assert (found.taken, found.taken_source) == ("2001-01-01T00:00:00", "xmp")
    dated = dataclasses.replace(plain, taken="1999-01-01T00:00:00", taken_source="exif")
    assert metadata.completed(dated, name=name, sidecar=packet) == dated


# where


@pytest.mark.parametrize(
    ("latitude", "expected"),
    [
        ((48.0, 51.0, IFDRational(0, 0)), 48.85),
        ((48.85, IFDRational(0, 0), IFDRational(0, 0)), 48.85),
        (48.85, 48.85),
        ((48.0, IFDRational(0, 0), IFDRational(0, 0)), None),
        ((IFDRational(0, 0), 51.0, 0.0), None),
    ],
)
def test_places_with_parts_that_are_none(latitude: Any, expected: float | None) -> None:
    gps = {1: "N", 2: latitude, 3: "E", 4: (2.0, 21.0, IFDRational(0, 0))}
    found = _read(exif=pictures.exif(gps=gps))
    assert found.latitude == (None if expected is None else pytest.approx(expected))
    assert found.longitude == (None if expected is None else pytest.approx(2.35))


def test_a_place_without_its_hemisphere_is_none() -> None:
    exif = pictures.exif(gps={2: (48.0, 51.0, 0.0), 4: (2.0, 21.0, 0.0)})
    assert _read(exif=exif).latitude is None


# sidecars


def test_sidecars_of_both_habits() -> None:
    names = [b"a.jpg", b"a.cr2", b"a.xmp", b"b.jpg", b"b.jpg.XMP", b"b.xmp", b"c.jpg", b"\xe9.xmp"]
    assert sidecars.belonging(names) == {
        b"a.jpg": b"a.xmp", b"a.cr2": b"a.xmp", b"b.jpg": b"b.jpg.XMP",
    }  # fmt: skip
    assert sidecars.belonging([b"a.jpg"]) == {}


def test_a_sidecar_replaces_what_the_picture_says(tmp_path: Path) -> None:
    photo = tmp_path / "IMG-20190714-WA0003.jpg"
    older = _packet('xmp:Rating="1" photoshop:Country="Spain"', _list("dc:subject", "old"))
    photo.write_bytes(pictures.encoded(PHOTO, ".jpg", xmp=older))
    assert sidecars.of(str(photo)) is None
    found = decode.inspect(str(photo), max_megapixels=10)
    assert (found.rating, found.keywords, found.taken_source) == (1, ("old",), "name")
    for path in (photo.with_suffix(".xmp"), Path(f"{photo}.xmp")):
        path.write_bytes(_packet('xmp:Rating="5"', _list("dc:subject", path.name)))
        found = decode.inspect(str(photo), max_megapixels=10)
        assert (found.rating, found.keywords) == (5, (path.name,))
        assert found.stated_country == "Spain"


def test_a_changed_sidecar_has_another_fingerprint(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    path = tmp_path / "a.xmp"
    path.write_bytes(_packet())
    before = sidecars.of(str(photo))
    os.utime(path, ns=(1, 1))
    assert before is not None
    assert sidecars.of(str(photo)) != before
    assert sidecars.of(str(photo)) == sidecars.of(str(photo))


def test_a_sidecar_that_is_no_file_of_its_own_is_none(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(_packet('photoshop:City="secret"'))
    (tmp_path / "a.xmp").symlink_to(secret)
    (tmp_path / "b.xmp").mkdir()
    os.mkfifo(tmp_path / "c.xmp")
    for name in "abc":
        assert sidecars.of(str(tmp_path / f"{name}.jpg")) is None
    large = tmp_path / "d.xmp"
    large.touch()
    os.truncate(large, xmp.MOST_BYTES + 1)
    found = sidecars.of(str(tmp_path / "d.jpg"))
    assert found is not None
    assert sidecars.read(found) == b""


# the header alone


@pytest.mark.parametrize("ending", [*pictures.FORMATS, ".psd"])
def test_the_header_says_what_decoding_says(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{ending}"
    path.write_bytes(pictures.encoded(pictures.photo(size=(256, 256)), ending))
    decoded = decode.decode(str(path), target=32, max_megapixels=10).metadata
    assert decode.inspect(str(path), max_megapixels=10) == decoded


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_header_knows_the_upright_size(orientation: int, tmp_path: Path) -> None:
    for ending in (".jpg", ".tif", ".png", ".heic"):
        path = tmp_path / f"photo{ending}"
        path.write_bytes(pictures.oriented(PHOTO, ending, orientation))
        found = decode.inspect(str(path), max_megapixels=10)
        assert (found.width, found.height) == PHOTO.size
        assert (found.orientation, found.megapixels) == ("landscape", 96 * 64 / 1e6)
