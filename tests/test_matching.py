"""How names, captions and questions are cut into words."""

from __future__ import annotations

import pytest

from imgsearch.word_splitting import Wanted, name_tokens, words_of


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("holiday/RedCarAtBeach.png", "holiday red car at beach redcaratbeach"),
        ("INV-2019-0042.jpg", "inv 2019 0042"),
        ("shop/RE16TGK_front.jpg", "shop re 16 tgk front"),
        ("Städte/Köln Straße.png", "stadte koln strasse"),
        ("東京タワー.jpg", "東 京 タ ワ ー"),
        ("दिल्ली की सड़क.jpg", "दिल्ली की सड़क"),
        ("XMLFile.png", "xml file xmlfile"),
        ("2019-07 Italy/DSCF1234.RAF", "2019 07 italy dscf1234"),
        ("", ""),
        ("...", ""),
    ],
)
def test_names_are_cut_at_punctuation_digits_and_capitals(path: str, expected: str) -> None:
    assert " ".join(name_tokens(path)) == expected


@pytest.mark.parametrize(
    "name",
    [
        "IMG_1234",
        "DSC00012",
        "_DSC0012",
        "_MG_0001",
        "P1010001",
        "PXL_20210714_123456789",
        "PXL_20210714_123456789.MP",
        "IMG-20190714-WA0003",
        "WhatsApp Image 2019-07-14 at 12.34.56 PM",
        "20190714_123456",
        "2019-07-14 12.34.56",
        "IMG_1234 (2)",
        "100_0123",
        "image3",
        "signal-2020-01-02-123456",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "d41d8cd98f00b204e9800998ecf8427e",
    ],
)
def test_a_name_that_a_camera_made_holds_no_words(name: str) -> None:
    """It is found by itself alone."""
    [token] = name_tokens(f"{name}.jpg")
    assert token == "".join(letter for letter in name.lower() if letter.isalnum())
    assert name_tokens(f"100CANON/{name}-edited.jpg")[1:] == [token, "edited"]
    words = words_of(f"{name}.jpg", (), (), None, None)
    if " " not in name:
        assert Wanted(name).fields(words) == Wanted(f"{name}.jpg").fields(words) == ("name",)
    for part in ("IMG", "img", "1234", "2019", "image", "DSC"):
        assert not Wanted(part).fields(words)


@pytest.mark.parametrize("name", ["p2", "r2d2", "photo of dog", "dsc rifle", "S5 review", "PXL"])
def test_what_only_resembles_such_a_name_keeps_its_words(name: str) -> None:
    words = words_of(f"{name}.jpg", (), (), None, None)
    assert all(Wanted(word).fields(words) == ("name",) for word in name.split())


WORDS = words_of("trip/redCar.jpg", ("Old town", "a car by night"), ("Oldtimer",), "IT", "Florence")


@pytest.mark.parametrize(
    ("wanted", "fields"),
    [
        ("car", ("name", "caption")),
        ("Red CAR", ("name",)),
        ("redcar", ("name",)),
        ("oldtimer", ("tag",)),
        ("florence italy", ("place",)),
        ("night trip", ("name", "caption")),  # no field has both
        ("town old", ("caption",)),
        ("cars", ()),
        ("old florenz", ()),
        ("", ()),
        ("!?", ()),
    ],
)
def test_a_hit_says_where_its_words_are(wanted: str, fields: tuple[str, ...]) -> None:
    assert Wanted(wanted).fields(WORDS) == fields


@pytest.mark.parametrize(
    ("wanted", "exact", "others"),
    [
        ("INV-2019-0042", "scan INV-2019-0042 b.jpg", ("INV-2019-00421.jpg", "INV-2019-0043.jpg")),
        ("RE16 TGK", "re16_tgk.jpg", ("RE16 TGKX.jpg", "RE16 and TGK.jpg")),
        ("4711-B", "4711-B.png", ("4711-B2.png", "14711-B.png")),
    ],
)
def test_an_exact_string_ends_where_it_ends(
    wanted: str, exact: str, others: tuple[str, ...]
) -> None:
    assert Wanted(wanted).is_code
    assert Wanted(wanted).is_exactly_in([exact])
    assert not any(Wanted(wanted).is_exactly_in([other]) for other in others)
