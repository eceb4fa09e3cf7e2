"""What photos have in common, counted beside them: years, places, cameras and the rest, each a link
that narrows the question or widens it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

from tests import pictures
from tests.command import Command
from tests.web_server import Answer, Server, serving

FLORENCE = {1: "N", 2: (43.0, 46.0, 10.0), 3: "E", 4: (11.0, 15.0, 20.0)}
PISA = {1: "N", 2: (43.0, 43.0, 0.0), 3: "E", 4: (10.0, 24.0, 0.0)}
TOKYO = {1: "N", 2: (35.0, 41.0, 0.0), 3: "E", 4: (139.0, 42.0, 0.0)}
TRIPS = (  # file, day, place, camera, size
    ("italy/a.jpg", "2019:07:14 12:30:00", FLORENCE, "D750", (300, 200)),
    ("italy/b.jpg", "2019:07:15 12:30:00", FLORENCE, "D750", (200, 300)),
    ("italy/c.jpg", "2019:08:02 12:30:00", PISA, "iPhone 8", (300, 200)),
    ("japan/d.jpg", "2021:04:01 09:00:00", TOKYO, "iPhone 8", (300, 200)),
    ("japan/e.png", None, None, None, (200, 200)),
    ("f.jpg", "2021:12:24 18:00:00", None, "D750", (300, 200)),
)


def trips(folder: Path) -> Path:
    """Six photos of two journeys."""
    for number, (name, taken, place, camera, size) in enumerate(TRIPS):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        image = pictures.photo(size=(400 + number, 400)).resize(size)
        tags = {"Model": camera} if camera else {}
        sections = {"exif": {0x9003: taken}} if taken else {}
        if place:
            sections["gps"] = place
        written = pictures.exif(**tags, **sections) if tags else None
        options = {} if written is None else {"exif": written}
        target.write_bytes(pictures.encoded(image, target.suffix, **options))
    return folder


@pytest.fixture(scope="module")
def travelled(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Command:
    folder = tmp_path_factory.mktemp("travelled")
    command = Command(folder, model_cache, {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", trips(folder / "trips"))
    return command


@pytest.fixture(scope="module")
def server(travelled: Command) -> Iterator[Server]:
    with serving(travelled) as server:
        yield server


@dataclass(frozen=True)
class Choice:
    label: str
    count: int
    address: str
    is_chosen: bool


_CHOICE = re.compile(
    r'<a class="choice" href="([^"]*)"( aria-current="true")?>(.*?)</a>', re.DOTALL
)


def choices(answer: Answer, title: str) -> list[Choice]:
    """Those of the group of that title; none where there is no such group."""
    found = re.search(f"<summary>{title}</summary>(.*?)</section>", answer.text, re.DOTALL)
    return [] if found is None else [_choice(*one) for one in _CHOICE.findall(found[1])]


def _choice(address: str, chosen: str, inside: str) -> Choice:
    texts = [text.strip() for text in re.sub(r"<[^>]*>", "\n", inside).split("\n") if text.strip()]
    label, number = unescape(texts[0]), int(texts[1].replace(",", ""))
    return Choice(label, number, unescape(address), bool(chosen))


def counted(answer: Answer, title: str) -> dict[str, int]:
    return {choice.label: choice.count for choice in choices(answer, title)}


def names(server: Server, address: str) -> set[str]:
    hits = server.ask(address.replace("/?", "/api/v1/search?", 1)).json["hits"]
    return {hit["relative_path"] for hit in hits}


@pytest.mark.parametrize(
    ("address", "ahead", "between"),
    [
        ("/", "<h2>Newest</h2>", "<h2>Without a date</h2>"),
        ("/?order=newest", "<strong aria-current", '<li class="end">Without a date:'),
        ("/?order=oldest", "<strong aria-current", '<li class="end">Without a date:'),
        ("/?q=astronaut&order=newest", "<strong aria-current", '<li class="end">Without a date:'),
    ],
)
def test_photos_without_a_date_stand_apart(
    server: Server, address: str, ahead: str, between: str
) -> None:
    """After the five that have one, whatever the order."""
    text = server.ask(address).text
    assert text.count(between) == 1
    dated, undated = text[text.index(ahead) :].split(between)
    assert (dated.count('class="open"'), undated.count('class="open"')) == (5, 1)


def test_no_photo_is_called_the_newest_where_none_has_a_date(server: Server) -> None:
    undated = server.ask("/?undated=1&order=newest").text
    assert re.search(r'<ol class="grid"[^>]*>\s*<li class="end">Without a date:', undated)
    assert "Without a date" not in server.ask("/?taken_from=2000-01-01").text


@pytest.mark.parametrize("address", ["/", "/?q=astronaut"])
def test_each_choice_has_its_count(server: Server, address: str) -> None:
    answer = server.ask(address)
    assert counted(answer, "Date") == {"2021": 2, "2019": 3, "No date": 1}
    assert counted(answer, "Country") == {"Italy": 3, "Japan": 1}
    assert counted(answer, "City") == {"Florence": 2, "Pisa": 1, "Tokyo": 1}
    assert counted(answer, "Camera") == {"D750": 3, "iPhone 8": 2}
    assert counted(answer, "Folder") == {"italy": 3, "japan": 2}
    assert counted(answer, "Kind") == {"JPEG": 5, "PNG": 1}
    assert counted(answer, "Shape") == {"landscape": 4, "portrait": 1, "square": 1}


def test_each_choice_leads_to_as_many_photos_as_it_says(server: Server) -> None:
    for address in ("/", "/?q=astronaut", "/?q=astronaut&taken_from=2019-01-01"):
        page = server.ask(address)
        for title in ("Date", "Country", "City", "Camera", "Folder", "Kind", "Shape"):
            for choice in choices(page, title):
                if not choice.is_chosen:
                    assert len(server.ask(choice.address).photos) == choice.count, choice


def test_a_year_opens_its_months_and_closes_again(server: Server) -> None:
    year = next(one for one in choices(server.ask("/"), "Date") if one.label == "2019")
    opened = server.ask(year.address)
    assert len(opened.photos) == 3
    found = {one.label: one for one in choices(opened, "Date")}
    assert [*found] == ["2021", "2019", "August", "July", "No date"]  # other years stay at hand
    assert (found["July"].count, found["August"].count) == (2, 1)
    assert [label for label, one in found.items() if one.is_chosen] == ["2019"]
    july = server.ask(found["July"].address)
    assert len(july.photos) == 2
    chosen = [one for one in choices(july, "Date") if one.is_chosen]
    assert [one.label for one in chosen] == ["July"]
    assert len(server.ask(chosen[0].address).photos) == 3  # back to the year
    assert server.ask(found["2019"].address).photos == server.ask("/?order=newest").photos


def test_choices_narrow_each_other_and_alternatives_add_up(server: Server) -> None:
    page = server.ask("/")
    italy = next(one for one in choices(page, "Country") if one.label == "Italy")
    narrowed = server.ask(italy.address)
    assert counted(narrowed, "City") == {"Florence": 2, "Pisa": 1}
    assert counted(narrowed, "Country") == {"Italy": 3, "Japan": 1}  # what else there is
    assert counted(narrowed, "Camera") == {"D750": 2, "iPhone 8": 1}
    one = next(one for one in choices(narrowed, "Camera") if one.label == "D750")
    both = next(
        each for each in choices(server.ask(one.address), "Camera") if each.label == "iPhone 8"
    )
    assert names(server, both.address) == {"italy/a.jpg", "italy/b.jpg", "italy/c.jpg"}
    japan = next(one for one in choices(narrowed, "Country") if one.label == "Japan")
    assert names(server, japan.address) == {"japan/d.jpg"}


def test_a_city_of_one_country_is_left_with_it(server: Server) -> None:
    page = server.ask("/?q=astronaut&country=IT&city=Florence")
    japan = next(one for one in choices(page, "Country") if one.label == "Japan")
    assert names(server, japan.address) == {"japan/d.jpg"}
    assert "in Italy" in page.text  # the chip: a name, not a code


def test_the_forms_for_days_and_for_a_radius_keep_the_question(server: Server) -> None:
    page = server.ask("/?q=astronaut&camera=D750&taken_from=2019-01-01")
    fields = [tag for name, tag in page.tags if name == "input"]
    assert {"type": "hidden", "name": "q", "value": "astronaut"} in fields
    assert [tag["value"] for tag in fields if tag.get("name") == "taken_from"] == ["2019-01-01"] * 3
    near = server.ask("/?q=astronaut&camera=D750&near_place=Pisa&km=80")
    assert near.status == 303
    assert names(server, near.headers["location"]) == {"italy/a.jpg", "italy/b.jpg"}
    assert names(server, server.ask("/?near_place=Pisa&km=5").headers["location"]) == {
        "italy/c.jpg"
    }
    coordinates = server.ask("/?near_place=35.68,139.7").headers["location"]  # 10 km
    assert names(server, coordinates) == {"japan/d.jpg"}


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("near_place=Qqqqqqqq", "Near: there is no place &#39;Qqqqqqqq&#39;"),
        ("near_place=Pisa&km=far", "Kilometres: &#39;far&#39; is not a distance"),
        ("near_place=Italy", "Near: Italy is a country"),
    ],
)
def test_a_radius_that_cannot_be_drawn_is_a_sentence(
    server: Server, query: str, sentence: str
) -> None:
    answer = server.ask(f"/?{query}")
    assert (answer.status, sentence in answer.text) == (400, True)


def test_photos_are_put_into_another_order(server: Server) -> None:
    page = server.ask("/?q=astronaut")
    newest, oldest = (server.ask(link) for link in page.links(**{"class": "sort"}))
    assert newest.photos[:5] == oldest.photos[4::-1]  # the undated one is last in both
    assert newest.photos[5] == oldest.photos[5]
    assert len(newest.links(**{"class": "sort"})) == 2  # by fit, and by oldest


def test_a_large_view_leads_to_what_was_taken_nearby(server: Server) -> None:
    hit = next(
        each
        for each in server.ask("/api/v1/search").json["hits"]
        if each["relative_path"] == "italy/a.jpg"
    )
    [nearby] = server.ask(f"/photo/{hit['id']}").links(**{"class": "nearby"})
    assert names(server, nearby) == {"italy/a.jpg", "italy/b.jpg"}


def test_the_same_as_json(server: Server) -> None:
    found = server.ask("/api/v1/facets?country=IT").json
    assert found["photos"] == 3
    assert found["facets"]["camera"] == [
        {"value": "D750", "count": 2, "chosen": False, "question": "country=IT&camera=D750"},
        {
            "value": "iPhone 8",
            "count": 1,
            "chosen": False,
            "question": "country=IT&camera=iPhone+8",
        },
    ]
    assert found["facets"]["country"][0]["chosen"]
    assert [one["value"] for one in found["facets"]["year"]] == ["2019"]
    assert [one["value"] for one in found["facets"]["month"]] == ["2019-08", "2019-07"]


def test_groups_that_would_say_nothing_are_left_out(command: Command, album: Path) -> None:
    for photo in album.rglob("*.png"):
        photo.unlink()
    command.run("ingest", album)  # two JPEG of one folder, without dates
    with serving(command) as server:
        answer = server.ask("/")
        assert not choices(answer, "Kind")
        assert not choices(answer, "Country")
        assert not choices(answer, "Date")
        chosen = choices(server.ask("/?format=JPEG"), "Kind")
        assert [one.is_chosen for one in chosen] == [True]


def test_values_of_strangers_are_escaped(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number, camera in enumerate(("<script>alert(1)</script>", 'x" onmouseover="alert(2)')):
        target = folder / f"<b>{number}" / "a.jpg"
        target.parent.mkdir(parents=True)
        image = pictures.photo(size=(100 + number, 90))
        target.write_bytes(pictures.encoded(image, ".jpg", exif=pictures.exif(Model=camera)))
    command.run("ingest", folder)
    with serving(command) as server:
        page = server.ask("/")
        assert "<script>alert" not in page.text
        assert 'x" onmouse' not in page.text
        assert "<b>0" not in page.text
        assert {*counted(page, "Camera")} == {
            "<script>alert(1)</script>",
            'x" onmouseover="alert(2)',
        }
        for choice in choices(page, "Camera"):
            assert len(server.ask(choice.address).photos) == 1
