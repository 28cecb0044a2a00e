"""The small lists that the sample business is made of; none of it is anybody, every address ends in `.test`."""

from __future__ import annotations

from typing import NamedTuple


class Country(NamedTuple):
    """Where people of the sample business live, how many of a hundred, and how names and companies sound there."""

    code: str
    weight: int
    language: str
    time_zone: str | None
    dialling: str
    cities: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    legal: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COUNTRIES = (
    Country(
        "DK",
        30,
        "da",
        None,
        "+45555",
        _words("København Aarhus Odense Aalborg Esbjerg Køge Helsingør Næstved"),
        _words(
            "Søren Åse Jørgen Bjørn Mette Rasmus Line Anne Kåre Ida Frederik Sofie Mikkel Signe Jens Freja Øyvind "
            "Kirsten Emil Ditte Troels Bodil Henrik Lærke Asger"
        ),
        _words(
            "Nørgård Sørensen Østergaard Ågård Kjær Møller Hansen Bæk Lund Skov Dahl Holm Brandt Thygesen Krogh "
            "Vestergård Bjerre Juhl Friis Ravn"
        ),
        _words("A/S ApS A/S ApS I/S"),
    ),
    Country(
        "DE",
        18,
        "de",
        None,
        "+493055",
        _words("Hamburg Berlin München Köln Stuttgart Leipzig Dresden"),
        _words("Jürgen Anke Stefan Käthe Lukas Greta Jonas Heike Moritz Ute Felix Sabine Björn Katrin Matthias Lena"),
        _words("Müller Schäfer Groß Weber Köhler Bauer Vogel Krüger Hoffmann Jäger Brandt Seidel Lorenz"),
        ("GmbH", "AG", "GmbH & Co. KG"),
    ),
    Country(
        "GB",
        14,
        "en",
        None,
        "+4420794",
        _words("London Leeds Bristol Manchester Glasgow York"),
        _words("Alice Oliver Priya Harry Fiona Callum Grace Imran Emily Rhys Nadia George Hannah Owen Zara"),
        _words("Wright Patel Hughes Turner Campbell Shah Bennett Cole Fraser Reid Walsh Hart Ellis"),
        ("Ltd", "plc", "LLP"),
    ),
    Country(
        "SE",
        8,
        "sv",
        None,
        "+46855",
        _words("Stockholm Göteborg Malmö Uppsala Lund"),
        _words("Åke Elin Göran Maja Björn Wilma Östen Hanna Nils Astrid Viktor Ebba"),
        _words("Åberg Lindström Sjöberg Nilsson Ekman Holmgren Söder Wallin Öberg"),
        ("AB",),
    ),
    Country(
        "NO",
        6,
        "no",
        None,
        "+47225",
        _words("Oslo Bergen Trondheim Tromsø Stavanger"),
        _words("Kåre Ingrid Øystein Solveig Håkon Marit Lars Tuva Eirik Sunniva"),
        _words("Bø Hågensen Lie Strand Bakke Solberg Haugen Moen"),
        ("AS", "ASA"),
    ),
    Country(
        "NL",
        6,
        "nl",
        None,
        "+312055",
        _words("Utrecht Rotterdam Eindhoven Delft Zwolle"),
        _words("Daan Femke Sven Lotte Bram Anouk Ruben Sanne Thijs"),
        _words("Jansen Visser Bakker Mulder Vos Dekker Smit"),
        ("B.V.", "N.V."),
    ),
    Country(
        "FR",
        5,
        "fr",
        None,
        "+331555",
        _words("Lyon Nantes Lille Toulouse Rennes"),
        _words("Élodie Rémi Chloé Hugo Inès Mathieu Zoé Benoît Noémie"),
        _words("Lefèvre Moreau Girard Dubois Fontaine Mercier Gautier"),
        ("SA", "SARL", "SAS"),
    ),
    Country(
        "US",
        8,
        "en",
        "America/New_York",
        "+121255",
        _words("Boston Philadelphia Atlanta Raleigh Albany"),
        _words("Jordan Maria Tyler Keisha Ethan Sofia Marcus Olivia Noah Camila Dana"),
        _words("Carter Nguyen Ramirez Brooks Coleman Foster Price Hayes Sullivan"),
        ("Inc.", "LLC", "Corp."),
    ),
    Country(
        "IN",
        3,
        "en",
        None,
        "+9122555",
        _words("Pune Chennai Bengaluru Mumbai"),
        _words("Anika Rohan Meera Arjun Kavya Vikram Isha"),
        _words("Iyer Kulkarni Rao Menon Joshi Nair"),
        ("Pvt. Ltd.",),
    ),
    Country(
        "PL",
        2,
        "pl",
        None,
        "+482255",
        _words("Gdańsk Wrocław Poznań Łódź"),
        _words("Łukasz Agnieszka Paweł Zofia Michał Hanna"),
        _words("Wójcik Dąbrowski Zieliński Kozłowski Nowak"),
        ("sp. z o.o.",),
    ),
)

FIRST_WORDS = _words(
    "Nordic Fjord Amber Kestrel Birch Harbour Vester Blue Granite Solar Polar Delta Vega Aurora Beacon Cobalt Falcon "
    "Iris Juniper Lumen Marlin Nimbus Orchard Pioneer Quarry Raven Sable Tidal Upland Willow Zenith Alder Bright "
    "Copper Drift Ember Flint Grove Heron Inlet Jasper Keel Linden Meadow North Onyx Pebble Quill River "
    "Stone Timber Umbra Vale West"
)
SECOND_WORDS = {
    "food processing": _words("Dairy Foods Brewery Mills Fisheries Bakeries"),
    "pharma": _words("Pharma Labs Biotech Therapeutics"),
    "machinery": _words("Machines Pumps Valves Tooling Robotics Motors"),
    "energy": _words("Wind Power Heat Energy Grid"),
    "logistics": _words("Freight Logistics Terminals Shipping"),
    "chemicals": _words("Chemicals Coatings Polymers Resins"),
    "electronics": _words("Electronics Sensors Optics Controls"),
    "water": _words("Water Utilities Filtration"),
    "university": _words("University Institute College"),
}

# Title, how many of a hundred, and how much somebody in that chair decides (0 to 1).
JOBS = (
    ("Head of Operations", 8, 0.9),
    ("Chief Operating Officer", 4, 1.0),
    ("Director of Quality", 7, 0.85),
    ("VP Engineering", 4, 0.9),
    ("Owner", 4, 1.0),
    ("Plant Manager", 11, 0.7),
    ("Quality Manager", 12, 0.6),
    ("Process Engineer", 14, 0.45),
    ("Maintenance Engineer", 9, 0.4),
    ("Laboratory Technician", 8, 0.25),
    ("Purchaser", 7, 0.55),
    ("Project Manager", 7, 0.5),
    ("Student", 5, 0.0),
)

TOPICS = (
    "calibration",
    "traceability",
    "energy monitoring",
    "hygienic sensors",
    "predictive maintenance",
    "audit readiness",
)
PAPERS = {
    "calibration": "Calibration without standstill",
    "traceability": "Traceability from tank to pallet",
    "energy monitoring": "Where the kilowatts go",
    "hygienic sensors": "Choosing a hygienic sensor",
    "predictive maintenance": "Maintenance before the fault",
    "audit readiness": "Ready for the audit, every day",
}
WEBINARS = (
    "Calibration in practice",
    "Traceability that auditors like",
    "Sensors for harsh cleaning",
    "Energy per batch",
)
FAIRS = ("Process Fair", "Food Technology Days")
PAGES = (
    ("/", 20),
    ("/products/sensors", 14),
    ("/products/loggers", 11),
    ("/guides/calibration", 10),
    ("/guides/audits", 8),
    ("/cases/dairy", 9),
    ("/cases/brewery", 6),
    ("/about", 7),
    ("/contact", 4),
    ("/pricing", 4),
    ("/careers", 2),
    ("/blog", 12),
)
SITE = "https://www.northwind.test"
