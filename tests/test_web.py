"""The page over HTTP, as a browser without JavaScript uses it."""

from __future__ import annotations

import io
import json
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from imgsearch import guides
from imgsearch.web.guides import rendered
from tests.command import Command
from tests.test_asking import VIENNA
from tests.web_server import FORM, MULTIPART, Server, multipart, serving


@pytest.fixture(scope="module")
def demo_command(
    tmp_path_factory: pytest.TempPathFactory, demo_photos: Path, new_cache: Callable[[], Path]
) -> Command:
    home = tmp_path_factory.mktemp("home")
    command = Command(home, new_cache(), {"IMGSEARCH_MODEL": "demo"})
    command.run("ingest", demo_photos)
    return command


@pytest.fixture(scope="module")
def server(demo_command: Command) -> Iterator[Server]:
    with serving(demo_command) as server:
        yield server


def test_it_says_its_address_and_ends_by_ctrl_c(demo_command: Command) -> None:
    with serving(demo_command) as server:
        assert server.address == f"http://127.0.0.1:{server.port}/"
        assert server.ask("/").status == 200
        assert server.stop() == 0
        out, err = server.process.communicate()
    assert (out, err) == (b"", b"Ctrl+C ends it.\n")  # the address stood alone on stdout


def test_nothing_heavy_is_imported_to_start(demo_command: Command) -> None:
    demo_command.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    try:
        with serving(demo_command) as server:
            server.stop()
            imported = server.process.communicate()[1].decode()
    finally:
        del demo_command.environment["PYTHONPROFILEIMPORTTIME"]
    names = {line.rpartition("|")[2].strip().partition(".")[0] for line in imported.splitlines()}
    assert "starlette" in names
    assert not names & {"torch", "transformers", "sentence_transformers", "elasticsearch", "eland"}


def test_a_port_that_is_taken_is_a_sentence(demo_command: Command, server: Server) -> None:
    finished = demo_command.run("serve", "--port", str(server.port), code=2)
    assert f"port {server.port}" in finished.stderr
    assert "--port" in finished.stderr


def test_the_first_page_says_what_is_there(server: Server, demo_photos: Path) -> None:
    answer = server.ask("/")
    count = sum(1 for photo in demo_photos.rglob("*") if photo.suffix in (".png", ".jpg", ".webp"))
    assert f"{count} photos" in answer.text
    assert "photos <span" in answer.text  # the library's name


def test_words_similar_and_the_next_page(server: Server, demo_command: Command) -> None:
    answer = server.follow("/?typed=red+heart")
    best = demo_command.run("query", "red heart", "--json", "-k", "60").json_lines
    assert answer.photos == [hit["id"] for hit in best]
    [following] = answer.links(rel="next")
    rest = server.ask(following)
    assert len(rest.photos) == 119 - 60
    assert not set(rest.photos) & set(answer.photos)
    assert not rest.links(rel="next")
    similar = server.ask(answer.links(**{"class": "similar"})[0])
    assert best[0]["id"] not in similar.photos
    wanted = demo_command.run("similar", best[0]["id"], "--json", "-k", "5").json_lines
    assert similar.photos[:5] == [hit["id"] for hit in wanted]


def test_a_photo_says_where_the_words_are(server: Server) -> None:
    page = server.follow("/?typed=scan_0029")
    titles = [names.get("title") for _, names in page.tags]
    assert titles.count("The words are in its name") == 1


def test_an_address_shows_the_same_in_a_fresh_browser(
    server: Server, demo_command: Command
) -> None:
    address = server.ask("/?typed=green+frog&k=7").headers["location"]
    first = server.ask(address)
    assert len(first.photos) == 7
    with serving(demo_command) as another:
        assert another.ask(address).photos == first.photos


def test_the_large_view_leads_on_and_back(server: Server) -> None:
    results = server.follow("/?typed=red+heart")
    larges = results.links(**{"class": "open"})
    second = server.ask(larges[1])
    assert second.links(rel="prev") == [larges[0]]
    assert second.links(rel="next") == [larges[2]]
    [back] = second.links(id="back")
    assert server.ask(back).photos == results.photos
    assert server.ask(f"/photo/{results.photos[0]}").status == 200  # without a question


def test_an_uploaded_picture_finds_its_like(server: Server, demo_photos: Path) -> None:
    photo = next(demo_photos.rglob("*.png"))
    body = multipart(("address", None, b"/"), ("picture", "p.png", photo.read_bytes()))
    sent = server.ask("/upload", "POST", body, Content_Type=MULTIPART)
    assert sent.status == 303
    answer = server.ask(sent.headers["location"])
    hits = server.ask("/api/v1/search" + sent.headers["location"].lstrip("/")).json["hits"]
    assert hits[0]["relative_path"] == photo.relative_to(demo_photos).as_posix()
    assert answer.photos[0] == hits[0]["id"]
    [shown] = [tag["src"] for _, tag in answer.tags if tag.get("src", "").startswith("/upload/")]
    assert Image.open(io.BytesIO(server.ask(shown).body)).format == "WEBP"


def test_an_upload_that_is_no_picture_is_a_sentence(server: Server) -> None:
    body = multipart(("address", None, b"/"), ("picture", "p.png", b"<script>alert(1)</script>"))
    sent = server.ask("/upload", "POST", body, Content_Type=MULTIPART)
    assert sent.status == 422
    assert "not a picture" in sent.text
    assert "<script>alert" not in sent.text
    nothing = multipart(("address", None, b"/"), ("picture", "", b""))
    assert "No picture" in server.ask("/upload", "POST", nothing, Content_Type=MULTIPART).text


def test_thumbnails_are_small_pictures_of_the_photo(server: Server, demo_photos: Path) -> None:
    hit = server.ask("/api/v1/search?q=red+heart&k=1").json["hits"][0]
    for size, wanted in (("240", 224), ("100", 224), ("9999", 224)):
        answer = server.ask(f"/thumbnail/{hit['id']}?size={size}")
        assert answer.headers["content-type"] == "image/webp"
        assert max(Image.open(io.BytesIO(answer.body)).size) == wanted  # never enlarged
    assert server.ask(f"/thumbnail/{hit['id']}?size=huge").status == 400
    plain = server.ask(f"/thumbnail/{hit['id']}?size=480")
    framed = server.ask(f"/thumbnail/{hit['id']}?size=480&box=10,10,60,60")
    assert framed.status == 200
    assert framed.body != plain.body
    assert server.ask(f"/thumbnail/{hit['id']}?size=480&box=99999,0,5,999999999").status == 200
    for wrong in ("", "1,2,3", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "9" * 30 + ",0,1,1"):
        assert server.ask(f"/thumbnail/{hit['id']}?size=480&box={wrong}").status == 400
    original = server.ask(f"/original/{hit['id']}")
    assert original.body == (demo_photos / hit["relative_path"]).read_bytes()
    assert original.headers["content-disposition"].startswith("attachment")


def test_thumbnails_that_are_made_ahead_are_overtaken(
    command: Command, demo_photos: Path, tmp_path: Path
) -> None:
    """A browser asks for all of them at once while the server still makes them."""
    command.run("ingest", demo_photos)
    one = command.run("query", "heart", "--json", "-k", "1").json["id"]
    command.cache = tmp_path / "empty"  # to ask for a photo's like, no model is needed
    with serving(command) as server, ThreadPoolExecutor(6) as browser:
        ids = server.ask(f"/?id={one}").photos
        pictures = browser.map(lambda id: server.ask(f"/thumbnail/{id}?size=480"), reversed(ids))
        assert {picture.status for picture in pictures} == {200}


def test_a_selection_is_taken_along(
    server: Server, demo_command: Command, demo_photos: Path
) -> None:
    best = demo_command.run("query", "red heart", "--json", "-k", "3").json_lines
    ids = "".join(f"id={hit['id']}&" for hit in best)

    def taken(kind: str) -> bytes:
        answer = server.ask("/take-along", "POST", f"{ids}as={kind}".encode(), Content_Type=FORM)
        assert answer.status == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        return answer.body

    assert taken("paths").decode().splitlines() == [hit["path"] for hit in best]
    rows = json.loads(taken("json"))
    assert [row["id"] for row in rows] == [hit["id"] for hit in best]
    assert taken("csv").decode().splitlines()[0].startswith("id,path,")
    with zipfile.ZipFile(io.BytesIO(taken("zip"))) as archive:
        assert len(archive.namelist()) == 3
        first = archive.read(archive.namelist()[0])
    assert first == Path(best[0]["path"]).read_bytes()
    empty = server.ask("/take-along", "POST", b"as=zip", Content_Type=FORM)
    assert (empty.status, "No photo is selected" in empty.text) == (400, True)


def test_the_index_page_says_what_is_in_it(server: Server, demo_photos: Path) -> None:
    answer = server.ask("/index")
    assert "119" in answer.text
    assert str(demo_photos) in answer.text
    assert server.ask("/help").status == 200
    assert server.ask("/healthy").body == b"ok\n"


def test_every_guide_is_a_page_and_its_links_lead_somewhere(server: Server) -> None:
    assert "/guide" in server.ask("/help").links()
    found = [link for link in server.ask("/guide").links() if link.startswith("/guide/")]
    assert found == [f"/guide/{topic}" for topic in guides.topics()]
    linked = set()
    for address, title in zip(found, guides.topics().values(), strict=True):
        answer = server.ask(address)
        assert answer.status == 200
        assert f"<h1>{title}</h1>" in unescape(answer.text)
        linked |= {link for link in answer.links() if not link.startswith(("https://", "#"))}
    assert linked >= {"/guide/all-settings", "/guide/cluster-errors"}
    assert {server.ask(link).status for link in linked} == {200}
    for address in ("/guide/nothing", "/guide/..%2f..%2fREADME", "/guide/reference"):
        answer = server.ask(address)
        assert (answer.status, "There is no such" in answer.text) == (404, True)


def test_markdown_of_a_guide_runs_nothing() -> None:
    written = "<script>1</script> [a](javascript:1) [b](../x.md) [c](scores.md#s) [d](/x) ![e](y)"
    html = rendered(written)
    assert "<script" not in html
    assert re.findall('(?:href|src)="([^"]*)"', html) == ["/guide/x", "/guide/scores#s", "y"]


def test_where_what_fits_ends_is_told(server: Server) -> None:
    """Between two photos, once, also where it lies on a later page."""
    found = server.ask("/api/v1/search?q=red+heart&k=60").json
    fitting = found["fitting"]
    assert 0 < fitting < 60
    assert [hit["fits"] for hit in found["hits"]] == [n < fitting for n in range(60)]
    for page in ("/?q=red+heart", "/?q=red+heart&order=newest"):
        grid = server.ask(page).text
        told = f'<li class="end">{fitting} fit' in grid
        assert told is ("order" not in page)
    grid = server.ask("/?q=red+heart").text
    assert grid[: grid.index('class="end"')].count('class="open"') == fitting
    first, later = f"/?q=red+heart&k={fitting}", f"/?q=red+heart&k=5&offset={fitting}"
    assert 'class="end"' not in server.ask(first).text
    assert 'class="end"' in server.ask(later).text
    assert 'class="end"' not in server.ask(f"/?q=red+heart&k=5&offset={fitting + 5}").text


def test_nothing_stands_above_the_line_where_nothing_fits(server: Server) -> None:
    grid = server.ask("/?q=zebra+crossing+at+dawn").text
    assert re.search(r'<ol class="grid"[^>]*>\s*<li class="end">Nothing fits', grid)
    assert '<li class="fill"' not in grid
    assert '<li class="fill"' in server.ask("/?q=red+heart").text


def test_a_new_search_is_offered_where_words_are_added(server: Server) -> None:
    """An order, and the pages beside, are no question that words could be added to."""
    for page in ("/?q=red+heart", "/?format=JPEG"):
        asked = server.ask(page)
        assert asked.links(**{"class": "new"}) == ["/"]
        assert '<button type="submit">Add</button>' in asked.text
    for page in ("/", "/?order=newest", "/duplicates?format=JPEG", "/help"):
        other = server.ask(page)
        assert other.links(**{"class": "new"}) == []
        assert '<button type="submit">Search</button>' in other.text


def test_words_alone_lead_on_to_the_photos_that_have_some(server: Server) -> None:
    found = server.ask("/api/v1/search?match=download+19&k=60").json
    assert {hit["fits"] for hit in found["hits"]} == {True}
    assert found["nowhere"] == []
    page = server.ask("/?match=download+19")
    assert f"{found['some_words']} more photos have some of the words." in page.text
    [more] = [link for link in page.links() if "any_word=1" in link]
    assert len(server.ask(more).photos) == len(page.photos) + found["some_words"]
    nothing = server.ask("/api/v1/search?match=download+qqqq").json
    assert (nothing["nowhere"], nothing["fitting"]) == (["qqqq"], 0)
    assert "No photo has “qqqq”" in server.ask("/?match=download+qqqq").text


def test_the_health_page_is_the_doctors(server: Server, demo_command: Command) -> None:
    found = demo_command.run("doctor", "--json", code=None).json["findings"]
    rows = server.ask("/health")
    assert rows.status == 200
    names = re.findall(r'<th scope="row">([^<]*)</th>', rows.text)
    assert names == [finding["name"] for finding in found]
    assert [link for link in server.ask("/index").links() if link.startswith("/health")] == [
        "/health"
    ]


def test_health_is_told_where_the_index_cannot_be_opened(command: Command) -> None:
    with serving(command) as server:
        empty = server.ask("/")
        assert empty.status == 503
        assert "/health" in empty.links()
        assert "imgsearch ingest" in server.ask("/health").text


def test_what_is_not_there_is_a_sentence(server: Server) -> None:
    assert "There is no such page" in server.ask("/nowhere").text
    assert server.ask("/photo/0").status == 404
    assert server.ask("/?q=x&k=abc").status == 400
    assert server.ask("/?q=x&k=100000").status == 400
    assert server.ask("/?q=x&offset=999999").status == 400


def test_a_page_without_an_index_recovers_by_itself(
    command: Command, demo_photos: Path, model_cache: Path
) -> None:
    with serving(command) as server:
        empty = server.ask("/?q=red")
        assert empty.status == 503
        assert "imgsearch ingest" in empty.text
        command.run("ingest", demo_photos)
        deadline = 50
        while (answer := server.ask("/?q=red")).status != 200 and deadline:
            deadline -= 1
            time.sleep(0.2)
        assert len(answer.photos) == 60


def test_what_is_ingested_meanwhile_is_found(command: Command, album: Path) -> None:
    command.run("ingest", album)
    with serving(command) as server:
        before = server.ask("/?q=cat").photos
        with Image.open(album / "pets" / "DSC 0042.png") as cat:
            cat.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(album / "another.png")
        Image.new("RGB", (300, 200), "green").save(album / "green.png")
        command.run("ingest", album)
        after = server.ask("/?q=cat").photos
        assert len(after) == len(before) + 2
        command.run("ingest", "--re-embed")
        assert len(server.ask("/?q=cat").photos) == len(after)


def test_a_file_that_is_gone_is_a_frame_with_its_name(command: Command, album: Path) -> None:
    command.run("ingest", album)
    (album / "moon.png").unlink()
    with serving(command) as server:
        answer = server.ask("/?q=moon")
        assert "moon.png<br>The file is missing" in answer.text
        gone = [hit for hit in server.ask("/api/v1/search?q=moon").json["hits"] if hit["missing"]]
        assert [hit["relative_path"] for hit in gone] == ["moon.png"]
        assert server.ask(f"/original/{gone[0]['id']}").status == 410
        assert "is missing" in server.ask(f"/photo/{gone[0]['id']}").text


def test_a_library_that_moves_is_found_at_its_new_place(command: Command, album: Path) -> None:
    (album / "moon again.png").write_bytes((album / "moon.png").read_bytes())
    pages = ("/", "/?q=moon", "/duplicates")
    command.run("ingest", album)
    with serving(command) as server:
        assert "is missing" not in server.ask("/?q=moon").text
        moved = album.rename(album.with_name("moved"))
        for address in pages:
            told = server.ask(address).text
            assert f"{album}, the folder of library" in told
            assert "is not there. Is its disk not mounted?" in told
        command.run("ingest", moved)
        hits = server.ask("/api/v1/search?q=moon").json["hits"]
        assert hits
        assert not any(hit["missing"] for hit in hits)
        for address in pages:
            told = server.ask(address).text
            assert "is not there" not in told
            assert "is missing" not in told


def test_a_date_in_the_words_becomes_a_filter(command: Command, album: Path) -> None:
    exif = Image.Exif()
    exif[0x0132] = "2019:07:14 12:00:00"
    exif.get_ifd(0x8769)[0x9003] = "2019:07:14 12:00:00"
    exif.get_ifd(0x8825).update(VIENNA)
    Image.new("RGB", (300, 200), "green").save(album / "dated.jpg", exif=exif)
    command.run("ingest", album)
    with serving(command) as server:
        found = server.follow("/?typed=green+2019")
        assert len(found.photos) == 1
        assert "2019</span>" in found.text
        [literal] = [link for link in found.links() if "literal=1" in link]
        assert len(server.follow(literal).photos) == 9
        assert server.ask("/").photos[0] == found.photos[0]  # the newest with a date
        assert server.ask("/api/v1/search").json["hits"][0]["score"] is None
        as_word = server.follow("/?typed=Wien").text
        [there] = re.findall(r'“Wien” is searched as a word. <a href="([^"]+)"', as_word)
        assert server.ask(unescape(there)).photos == found.photos
        removed = found.links(**{"class": "remove"})
        assert max(len(server.ask(link).photos) for link in removed) == 9
