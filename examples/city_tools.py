"""Tools of examples/python-tools.yaml."""

from __future__ import annotations

CITIES = {"Paris": 2_100_000, "Rome": 2_800_000, "Berlin": 3_700_000}


def population(city: str) -> int:
    """How many people live in a city.

    Args:
        city: Its English name.
    """
    return CITIES[city]


async def larger_than(people: int, limit: int = 10) -> list[str]:
    """The cities with more inhabitants than that, the largest first."""
    found = [city for city, count in CITIES.items() if count > people]
    return sorted(found, key=lambda city: -CITIES[city])[:limit]
