"""Proxies that are made of other proxies, as the settings of a study describe them.

Read while rules are parsed, so without PyTorch and pandas.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hanas.proxies._scores import SCORES, SUPERNET_SCORES, mean_rank_of


def members(study: Mapping[str, Any], proxy: str) -> list[str]:
    """Return the proxies that a proxy is made of; none if it stands alone."""
    return list(study["proxies"].get(proxy, {}).get("proxies", []))


def space(study: Mapping[str, Any], proxy: str) -> str | None:
    """Return the space whose architectures a proxy scores; None if it is not defined."""
    entry = study["proxies"].get(proxy, {})
    if "proxies" in entry:
        return next((space(study, member) for member in entry["proxies"]), None)
    return study["supernets"].get(entry.get("supernet"), entry).get("space")


def columns(study: Mapping[str, Any], proxy: str) -> tuple[str, ...]:
    """Return the columns of scores in a proxy's table."""
    kind = study["proxies"][proxy]["kind"]
    if kind == "ensemble":
        of_members = [columns(study, member) for member in members(study, proxy)]
        return tuple(name for name in SCORES if all(name in given for given in of_members))
    return SUPERNET_SCORES if kind == "supernet" else ("score",)


def objective(study: Mapping[str, Any], proxy: str) -> str:
    """Return the column that a search minimises."""
    return study["proxies"][proxy].get("objective", "score")


def in_words(study: Mapping[str, Any], proxy: str) -> str:
    """Return what a search ranks by, such as ``error of supernet rsps_c10``."""
    entry, names = study["proxies"][proxy], members(study, proxy)
    if entry["kind"] == "supernet":
        return f"{entry['objective']} of supernet {entry['supernet']}"
    if entry["kind"] == "ensemble":
        return f"mean {entry['objective']} of {', '.join(names)}"
    if entry["kind"] == "fused":
        return mean_rank_of(names, entry.get("weights", [1] * len(names)))
    if entry["kind"] == "learned":
        return f"learned from {entry['architectures']} architectures with {', '.join(names)}"
    return entry["kind"]


def trained_architectures(study: Mapping[str, Any], proxy: str) -> int:
    """Return how many architectures are really trained (or looked up) to make a proxy.

    Those of all learned proxies that it is made of, each once; two of them may pay for the same
    architecture.
    """
    return sum(study["proxies"][name].get("architectures", 0) for name in _made_of(study, proxy))


def _made_of(study: Mapping[str, Any], proxy: str) -> set[str]:
    """Return a proxy and all that it is made of."""
    return {proxy}.union(*(_made_of(study, member) for member in members(study, proxy)))


def circles(study: Mapping[str, Any]) -> Iterator[str]:
    """Yield each proxy that is made of itself."""
    for proxy in study["proxies"]:
        way = _way_back(study, proxy)
        if way:
            yield f"proxies.{proxy}.proxies: {' -> '.join(way)} is a circle"


def _way_back(study: Mapping[str, Any], proxy: str, passed: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names on a way from the first of ``passed`` back to it; none if there is none."""
    if proxy in passed:
        return (*passed, proxy) if proxy == passed[0] else ()
    for member in members(study, proxy):
        way = _way_back(study, member, (*passed, proxy))
        if way:
            return way
    return ()


def problems(study: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with proxies that name others, all of which exist, without a circle."""
    for proxy, entry in study["proxies"].items():
        where, names = f"proxies.{proxy}", members(study, proxy)
        for member in names[1:]:
            if space(study, member) != space(study, names[0]):
                yield (
                    f"{where}.proxies: {member!r} is of space {space(study, member)!r}, "
                    f"{names[0]!r} of {space(study, names[0])!r}; expected one space"
                )
        if "weights" in entry and len(entry["weights"]) != len(names):
            yield (
                f"{where}.weights: {len(entry['weights'])} given; expected one for each of the "
                f"{len(names)} proxies"
            )
        if entry["kind"] == "ensemble" and entry["objective"] not in columns(study, proxy):
            shared = ", ".join(columns(study, proxy)) or "(none)"
            yield (
                f"{where}.objective is {entry['objective']!r}; expected one of the columns that "
                f"all its proxies have: {shared}"
            )
        # Without rounds all are chosen beforehand, and first is not looked at.
        if entry.get("rounds", 0) and entry["first"] > entry["architectures"]:
            yield (
                f"{where}.first is {entry['first']}; expected at most architectures, "
                f"{entry['architectures']}, or rounds of 0"
            )
        learns_from = entry.get("learns_from")
        benchmarks = study["benchmarks"].get(space(study, proxy), {})
        if learns_from is not None and learns_from not in benchmarks:
            yield (
                f"{where}.learns_from is {learns_from!r}; expected one of: "
                f"{', '.join(sorted(benchmarks)) or '(none)'} (the entries of "
                f"benchmarks.{space(study, proxy)})"
            )
