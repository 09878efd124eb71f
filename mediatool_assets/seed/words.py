"""Invented words: brands, people, places and sentences."""

from mediatool_assets.seed.draw import Draw

FIRST = (
    "Ada", "Bela", "Caro", "Dimo", "Elin", "Faro", "Gita", "Hanno", "Ines", "Jory", "Kaya", "Levi",
    "Mira", "Nilo", "Oona", "Pavo", "Quin", "Rune", "Sana", "Tove", "Umo", "Veda", "Wim", "Yara",
)  # fmt: skip
LAST = (
    "Ashgrove", "Birkendal", "Castlow", "Dunmarsh", "Eastfell", "Farrowby", "Greylock", "Hollowell",
    "Ironside", "Jurgeson", "Kestrelle", "Lindqvar", "Marlowin", "Northolm", "Oakhurst", "Pemberly",
    "Quillane", "Ravensby", "Silverton", "Thornwick", "Umberland", "Vexholm", "Wyndmere", "Zelkova",
)  # fmt: skip
BRANDS = (
    "Alpenglow", "Bluefin", "Cobalt", "Driftwood", "Evergreen", "Foxglove", "Granite", "Harbor",
    "Indigo", "Juniper", "Kingfisher", "Lantern", "Meridian", "Nimbus", "Orchard", "Pinecrest",
    "Quartz", "Redwood", "Saffron", "Tidewater", "Umbra", "Vista", "Willow", "Zephyr",
)  # fmt: skip
TRADES = (
    "Outdoor Supply", "Credit Union", "Motors", "Health", "Foods", "Airlines", "Insurance",
    "Telecom", "Streaming", "Furniture", "Coffee Roasters", "University", "Hotels", "Pharmacy",
)  # fmt: skip
INDUSTRIES = (
    "Retail", "Finance", "Automotive", "Healthcare", "Food & Beverage", "Travel", "Insurance",
    "Technology", "Entertainment", "Home", "Education", "Hospitality",
)  # fmt: skip
COUNTRIES = ("US", "CA", "GB", "MX", "DE", "JP", "BR", "AU")
REGIONS = ("Northeast", "Southeast", "Midwest", "Southwest", "West", "National")
PLACES = ("US", "CA-ON", "New York DMA", "Los Angeles DMA", "Chicago DMA", "Dallas-Ft. Worth DMA")
AUDIENCES = (
    "Adults 18-34", "Adults 25-54", "Parents of young children", "In-market auto buyers",
    "Frequent travellers", "Small business owners", "Lapsed customers", "Sports fans",
)  # fmt: skip
FORMATS = ("300x250", "728x90", "160x600", "970x250", "320x50", ":15 video", ":30 video", "Audio")
SENTENCES = (
    "Reach at least 60 percent of the audience at a frequency of four a week.",
    "Viewability above 70 percent, measured by the third party of record.",
    "Drive store visits within 25 miles of each location.",
    "Keep the cost per completed view under the planned benchmark.",
    "Optimise to landing page visits during the first flight, then to sign-ups.",
    "Exclude existing customers by the suppression list of the week.",
    "Weight delivery to Thursday through Sunday.",
    "Report weekly; the client's dashboard refreshes on Mondays.",
)


def person(n: int) -> tuple[str, str]:
    """Give the n-th person's name and address; a number keeps the later ones apart."""
    first, last = FIRST[n % len(FIRST)], LAST[n // len(FIRST) % len(LAST)]
    turn = n // (len(FIRST) * len(LAST))
    suffix = str(turn) if turn else ""
    return f"{first} {last}{suffix}", f"{first}.{last}{suffix}@example.com".lower()


def company(draw: Draw) -> str:
    """Draw an account's name."""
    return f"{draw.of(BRANDS)} {draw.of(BRANDS)} {draw.of(TRADES)} ({draw.of(REGIONS)})"


def sentences(draw: Draw, count: int) -> str:
    """Draw ``count`` sentences of a brief."""
    return " ".join(draw.of(SENTENCES) for _ in range(count))
