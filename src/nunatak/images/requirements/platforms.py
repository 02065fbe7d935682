"""Platforms of a model version: where it can run, decided from what it declares."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nunatak.images.requirements.conda_names import Stand, counterpart
from nunatak.images.requirements.declared import Declared, is_home_channel

WAREHOUSE = "WAREHOUSE"
SERVICES = "SNOWPARK_CONTAINER_SERVICES"
SHARED_REPOSITORY = "SNOWFLAKE.SNOWPARK.PYPI_SHARED_REPOSITORY"
"""The artifact repository that every account has."""


@dataclass(frozen=True, slots=True)
class RunnablePlatforms:
    """Platforms that can run a version, in a fixed order, and why others cannot."""

    targets: tuple[str, ...]
    reasons: tuple[str, ...]


def runnable_in(
    declared: Declared,
    target_platforms: Sequence[str] | None,
    artifact_repositories: Collection[str] = (SHARED_REPOSITORY,),
) -> RunnablePlatforms:
    """Platforms on which the version runs whose *warehouse* runtime is `declared`.

    `target_platforms` is the manifest's list (None: all); `artifact_repositories` are the
    qualified names of those that exist.
    """
    wanted = {item.upper() for item in target_platforms} if target_platforms else None
    reasons: list[str] = []
    targets = []
    for platform in (WAREHOUSE, SERVICES):
        if wanted is not None and platform not in wanted:
            reasons.append(f"{platform}: not among the target platforms of the version")
            continue
        known = {name.upper() for name in artifact_repositories}
        obstacles = _for_all(declared)
        if platform == WAREHOUSE:
            obstacles += _for_warehouse(declared, known)
        reasons += [f"{platform}: {obstacle}" for obstacle in obstacles]
        if not obstacles:
            targets.append(platform)
    return RunnablePlatforms(tuple(targets), tuple(reasons))


def _for_all(declared: Declared) -> list[str]:
    return [
        f"conda package '{dependency.name}' is not available"
        for dependency in declared.conda
        if counterpart(dependency.name).stand is Stand.MISSING
    ]


def _for_warehouse(declared: Declared, repositories: set[str]) -> list[str]:
    found = [
        f"'{dependency}' names a channel, and the warehouse has its own channel only"
        for dependency in declared.conda
        if dependency.channel and not is_home_channel(dependency.channel)
    ]
    found += [f"conda channel '{channel}' is not the warehouse's" for channel in declared.channels]
    if declared.pip and declared.artifact_repository is None:
        found.append("pip requirements need an artifact repository (artifact_repository_map)")
    if declared.artifact_repository and declared.artifact_repository.upper() not in repositories:
        found.append(f"artifact repository '{declared.artifact_repository}' does not exist")
    return found
