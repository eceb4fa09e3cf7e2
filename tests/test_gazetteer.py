"""Places by name and by coordinates: known names, borders and islands, and places that the
gazetteer's file was not made from (`gazetteer_places.csv`, 300 drawn at random from GeoNames'
places of 500 to 15,000 people whose id is a multiple of 50; `build.py` leaves those out)."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest

from imgsearch import gazetteer

HELD_OUT = Path(__file__).with_name("gazetteer_places.csv")

# places close to a border, of enclaves and of islands, by maps
BORDERS = {
    "Konstanz, Germany": (47.6633, 9.1753, "DE"),
    "Kreuzlingen, Switzerland": (47.6458, 9.1783, "CH"),
    "Görlitz, Germany": (51.1528, 14.9872, "DE"),
    "Zgorzelec, Poland": (51.1497, 15.0089, "PL"),
    "Frankfurt (Oder), Germany": (52.3471, 14.5506, "DE"),
    "Słubice, Poland": (52.3506, 14.5606, "PL"),
    "Strasbourg, France": (48.5734, 7.7521, "FR"),
    "Kehl, Germany": (48.5727, 7.8152, "DE"),
    "Basel, Switzerland": (47.5596, 7.5886, "CH"),
    "Büsingen, a German exclave": (47.6969, 8.6903, "DE"),
    "Campione d'Italia, an exclave": (45.9689, 8.9706, "IT"),
    "Livigno, Italy": (46.5386, 10.1357, "IT"),
    "Vaduz, Liechtenstein": (47.1410, 9.5209, "LI"),
    "Monaco": (43.7384, 7.4246, "MC"),
    "Menton, France": (43.7745, 7.4975, "FR"),
    "Ventimiglia, Italy": (43.7912, 7.6085, "IT"),
    "San Marino": (43.9361, 12.4467, "SM"),
    "St Peter's Square, Vatican": (41.9022, 12.4539, "VA"),
    "Andorra la Vella": (42.5063, 1.5218, "AD"),
    "Llívia, a Spanish exclave": (42.4644, 1.9803, "ES"),
    "Irun, Spain": (43.3390, -1.7894, "ES"),
    "Hendaye, France": (43.3586, -1.7742, "FR"),
    "Tui, Spain": (42.0472, -8.6443, "ES"),
    "Valença, Portugal": (42.0282, -8.6340, "PT"),
    "Gibraltar": (36.1408, -5.3536, "GI"),
    "La Línea, Spain": (36.1681, -5.3480, "ES"),
    "Ceuta, Spain": (35.8894, -5.3198, "ES"),
    "Melilla, Spain": (35.2923, -2.9381, "ES"),
    "Baarle-Nassau, Netherlands": (51.4444, 4.9306, "NL"),
    "Maastricht, Netherlands": (50.8514, 5.6910, "NL"),
    "Aachen, Germany": (50.7753, 6.0839, "DE"),
    "Echternach, Luxembourg": (49.8117, 6.4217, "LU"),
    "Trieste, Italy": (45.6495, 13.7768, "IT"),
    "Gorizia, Italy": (45.9402, 13.6220, "IT"),
    "Dubrovnik, Croatia": (42.6507, 18.0944, "HR"),
    "Neum, Bosnia": (42.9250, 17.6167, "BA"),
    "Kotor, Montenegro": (42.4247, 18.7712, "ME"),
    "Kaliningrad, Russia": (54.7104, 20.4522, "RU"),
    "Narva, Estonia": (59.3772, 28.1903, "EE"),
    "Ivangorod, Russia": (59.3767, 28.2236, "RU"),
    "Haparanda, Sweden": (65.8355, 24.1368, "SE"),
    "Tornio, Finland": (65.8481, 24.1466, "FI"),
    "Edirne, Turkey": (41.6771, 26.5557, "TR"),
    "Ruse, Bulgaria": (43.8356, 25.9657, "BG"),
    "Giurgiu, Romania": (43.9037, 25.9699, "RO"),
    "Tijuana, Mexico": (32.5149, -117.0382, "MX"),
    "San Ysidro, USA": (32.5556, -117.0472, "US"),
    "El Paso, USA": (31.7619, -106.4850, "US"),
    "Ciudad Juárez, Mexico": (31.6904, -106.4245, "MX"),
    "Niagara Falls, Canada": (43.0896, -79.0849, "CA"),
    "Niagara Falls, USA": (43.0962, -79.0377, "US"),
    "Detroit, USA": (42.3314, -83.0458, "US"),
    "Windsor, Canada": (42.3149, -83.0364, "CA"),
    "Foz do Iguaçu, Brazil": (-25.5163, -54.5854, "BR"),
    "Puerto Iguazú, Argentina": (-25.5991, -54.5736, "AR"),
    "Ciudad del Este, Paraguay": (-25.5097, -54.6111, "PY"),
    "Livingstone, Zambia": (-17.8419, 25.8543, "ZM"),
    "Victoria Falls, Zimbabwe": (-17.9318, 25.8256, "ZW"),
    "Maseru, Lesotho": (-29.3151, 27.4869, "LS"),
    "Kinshasa": (-4.3224, 15.3070, "CD"),
    "Brazzaville": (-4.2634, 15.2429, "CG"),
    "Singapore": (1.2903, 103.8520, "SG"),
    "Johor Bahru, Malaysia": (1.4655, 103.7578, "MY"),
    "Hong Kong": (22.2793, 114.1628, "HK"),
    "Shenzhen, China": (22.5431, 114.0579, "CN"),
    "Macao": (22.2006, 113.5461, "MO"),
    "Jerusalem's west, Israel": (31.7820, 35.2150, "IL"),
    "Aqaba, Jordan": (29.5319, 35.0056, "JO"),
    "Eilat, Israel": (29.5577, 34.9519, "IL"),
    "Rhodes, Greece": (36.4341, 28.2176, "GR"),
    "Kos, Greece": (36.8938, 27.2877, "GR"),
    "Bodrum, Turkey": (37.0344, 27.4305, "TR"),
    "Kastellorizo, Greece": (36.1489, 29.5924, "GR"),
    "Lampedusa, Italy": (35.5023, 12.6091, "IT"),
    "Valletta, Malta": (35.8989, 14.5146, "MT"),
    "Bornholm, Denmark": (55.1037, 14.7065, "DK"),
    "Mariehamn, Åland": (60.0973, 19.9348, "AX"),
    "Tórshavn, Faroes": (62.0107, -6.7741, "FO"),
    "Longyearbyen, Svalbard": (78.2232, 15.6267, "SJ"),
    "Funchal, Madeira": (32.6669, -16.9241, "PT"),
    "Las Palmas, Canaries": (28.1235, -15.4363, "ES"),
    "St Helier, Jersey": (49.1868, -2.1069, "JE"),
    "Easter Island, Chile": (-27.1500, -109.4333, "CL"),
    "Honolulu, Hawaii": (21.3069, -157.8583, "US"),
    "Papeete, Tahiti": (-17.5350, -149.5696, "PF"),
    "Saint-Denis, Réunion": (-20.8823, 55.4504, "RE"),
    "Marigot, Saint Martin": (18.0679, -63.0825, "MF"),
    "Philipsburg, Sint Maarten": (18.0260, -63.0458, "SX"),
    "Apia, Samoa": (-13.8333, -171.7667, "WS"),
    "Suva, Fiji": (-18.1416, 178.4415, "FJ"),
    "Stanley, Falklands": (-51.6977, -57.8517, "FK"),
}


@pytest.mark.parametrize(
    ("name", "city", "country"),
    [
        ("Rom", "Rome", "IT"),
        ("東京", "Tokyo", "JP"),
        ("Florenz", "Florence", "IT"),
        ("Firenze", "Florence", "IT"),
        ("florence", "Florence", "IT"),
        ("Lissabon", "Lisbon", "PT"),
        ("Lisboa", "Lisbon", "PT"),
        ("Лиссабон", "Lisbon", "PT"),
        ("München", "Munich", "DE"),
        ("munchen", "Munich", "DE"),
        ("MÜNCHEN", "Munich", "DE"),
        ("Mu\u0308nchen", "Munich", "DE"),
        ("São Paulo", "São Paulo", "BR"),
        ("sao-paulo", "São Paulo", "BR"),
        ("København", "Copenhagen", "DK"),
        ("北京", "Beijing", "CN"),
        ("서울", "Seoul", "KR"),
        ("Łódź", "Łódź", "PL"),
        ("İstanbul", "Istanbul", "TR"),
        ("Αθήνα", "Athens", "GR"),
        ("पुणे", "Pune", "IN"),
    ],
)
def test_a_city_is_found_by_its_names_in_many_languages(name: str, city: str, country: str) -> None:
    best = gazetteer.find(name)[0]
    assert (best.city, best.country) == (city, country)


ITALY = """
    Italy Italien Italie Italia Itália Italië Włochy Италия Італія 意大利 義大利 イタリア 이탈리아
    İtalya Itálie Ιταλία Olaszország Italija إيطاليا
"""


@pytest.mark.parametrize("name", ITALY.split())
def test_a_country_is_found_in_fifteen_languages_and_more(name: str) -> None:
    best = gazetteer.find(name)[0]
    assert (best.name, best.country, best.city) == ("Italy", "IT", None)
    assert (best.latitude, best.longitude) == (None, None)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("USA", "US"),
        ("United States", "US"),
        ("US", "US"),
        ("Holland", "NL"),
        ("Turkey", "TR"),
        ("Türkei", "TR"),
        ("Czech Republic", "CZ"),
        ("Schottland", "GB"),
        ("Burma", "MM"),
        ("Ivory Coast", "CI"),
        ("韓国", "KR"),
    ],
)
def test_a_country_is_found_by_its_everyday_names(name: str, code: str) -> None:
    assert gazetteer.find(name)[0].country == code
    assert gazetteer.find(name)[0].city is None


def test_great_cities_are_found_in_scripts_of_all_the_world() -> None:
    listed = (Path(__file__).parent / "gazetteer_names.txt").read_text("utf-8").splitlines()
    wrong, asked = [], 0
    for line in listed[1:]:
        city, country, *names = (word.replace("_", " ") for word in line.split())
        for name in names:
            asked += 1
            found = gazetteer.find(name)[:1]
            right = [one for one in found if one.country == country]
            if not right or not (right[0].city or city).startswith(city):
                wrong.append((name, city, found))
    assert not wrong
    assert asked > 700


def test_the_place_that_has_a_name_itself_comes_before_one_that_is_also_called_so() -> None:
    assert [place.name for place in gazetteer.find("Porto")[:2]] == ["Porto", "Bordeaux"]
    assert gazetteer.find("Halle")[0].name == "Halle (Saale)"  # not the smaller one in Belgium
    assert gazetteer.find("Singapore")[0].city is None


def test_places_of_one_name_come_with_the_most_people_first() -> None:
    found = gazetteer.find("Florence")
    assert [place.population for place in found] == sorted(
        (place.population for place in found), reverse=True
    )
    assert {"IT", "US"} <= {place.country for place in found}


@pytest.mark.parametrize(
    "name", ["", "  ", "!?", "Xyzzyville", "\0", "Rome\tItaly", "💥", "a" * 9999]
)
def test_what_is_no_place_finds_none(name: str) -> None:
    assert gazetteer.find(name) == []


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("Lisbom", "Lisbon"), ("Firenzee", "Firenze"), ("Itlay", "Italy"), ("Munchin", "Munchen")],
)
def test_the_nearest_names_of_an_unknown_place(typed: str, meant: str) -> None:
    assert not gazetteer.find(typed)
    names = gazetteer.near(typed)
    assert meant in names
    assert len(names) <= 3
    assert all(gazetteer.find(name) for name in names)


@pytest.mark.parametrize("typed", ["", "?", "qqqqqqqqqqqqqqq"])
def test_nothing_resembles_a_name_that_is_none(typed: str) -> None:
    assert gazetteer.near(typed) == []


def test_borders_enclaves_and_islands() -> None:
    """The nearest known place decides, so across a river the larger town may win: the waterfront
    of Windsor is nearer to the middle of Detroit."""
    wrong = {
        case
        for case, (latitude, longitude, country) in BORDERS.items()
        if gazetteer.at(latitude, longitude).country != country
    }
    assert wrong <= {"Windsor, Canada"}


def test_countries_of_places_that_the_file_was_not_made_from() -> None:
    with HELD_OUT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    located = gazetteer.at_each([(float(row["latitude"]), float(row["longitude"])) for row in rows])
    wrong = [
        (row["name"], row["country"], place.country)
        for row, place in zip(rows, located, strict=True)
        if place.country != row["country"]
    ]
    assert len(rows) == 300
    assert len(wrong) <= 0.03 * len(rows), wrong


@pytest.mark.parametrize(
    ("latitude", "longitude", "city"),
    [
        (43.7731, 11.2560, "Florence"),
        (48.8584, 2.2945, "Paris"),  # the Eiffel Tower, in "Paris 16 Passy" by GeoNames
        (52.4990, 13.4030, "Berlin"),  # Kreuzberg
        (35.6595, 139.7005, "Tokyo"),  # Shibuya
        (40.7580, -73.9855, "New York City"),  # Times Square
        (38.7139, -9.1335, "Lisbon"),  # the castle, in "São Jorge de Arroios"
        (52.3906, 13.0645, "Potsdam"),
        (-33.8568, 151.2153, "Sydney"),
    ],
)
def test_a_city_by_its_coordinates(latitude: float, longitude: float, city: str) -> None:
    assert gazetteer.at(latitude, longitude).city == city


def test_far_from_any_city_there_is_the_country_alone() -> None:
    desert = gazetteer.at(23.5, 5.0)  # the Algerian Sahara
    assert (desert.city, desert.country, desert.distance_km) == (None, "DZ", None)
    ocean = gazetteer.at(35.0, -45.0)
    assert (ocean.city, ocean.country) == (None, None)


@pytest.mark.parametrize("nowhere", [(math.nan, 0.0), (0.0, math.inf), (91.0, 0.0), (0.0, -180.5)])
def test_numbers_that_are_no_coordinates_are_nowhere(nowhere: tuple[float, float]) -> None:
    assert gazetteer.at(*nowhere).country is None
    many = gazetteer.at_each([nowhere, (43.7731, 11.2560)])
    assert [place.country for place in many] == [None, "IT"]


def test_the_date_line_and_the_poles_are_no_edges() -> None:
    assert gazetteer.at(-16.8, 179.99).country == "FJ"
    assert gazetteer.at(-16.8, -179.99).country == "FJ"
    assert gazetteer.at(-16.8, 180).country == "FJ"
    assert gazetteer.at(90, 0).country is None
    assert gazetteer.at_each([]) == []


def test_one_by_one_and_all_at_once_say_the_same() -> None:
    spots = [(latitude, longitude) for latitude, longitude, _ in BORDERS.values()]
    assert gazetteer.at_each(spots) == [gazetteer.at(*spot) for spot in spots]


def test_a_name_is_looked_up_without_numpy() -> None:
    program = (
        "import sys, imgsearch.gazetteer as g; assert g.find('Rom');"
        "assert 'numpy' not in sys.modules and 'babel' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
