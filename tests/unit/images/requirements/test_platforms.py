"""Where a version can run, by what it declares."""

from __future__ import annotations

import pytest

from nunatak.images.requirements.conda_specs import parse_conda
from nunatak.images.requirements.declared import Declared, TargetPlatform
from nunatak.images.requirements.platforms import (
    SERVICES,
    SHARED_REPOSITORY,
    WAREHOUSE,
    runnable_in,
)


def declared(
    *conda: str,
    pip: tuple[str, ...] = (),
    repository: str | None = None,
    channels: tuple[str, ...] = (),
) -> Declared:
    return Declared(
        target=TargetPlatform.WAREHOUSE,
        python="3.11",
        conda=tuple(map(parse_conda, conda)),
        pip=pip,
        channels=channels,
        artifact_repository=repository,
    )


@pytest.mark.parametrize(
    ("what", "targets", "reason"),
    [
        (declared(), (WAREHOUSE, SERVICES), None),
        (declared("xgboost==3.2.0"), (WAREHOUSE, SERVICES), None),
        (declared(pip=("xgboost",)), (SERVICES,), "need an artifact repository"),
        (declared(pip=("xgboost",), repository=SHARED_REPOSITORY), (WAREHOUSE, SERVICES), None),
        (
            declared(pip=("xgboost",), repository=SHARED_REPOSITORY.lower()),
            (WAREHOUSE, SERVICES),
            None,
        ),
        (declared(pip=("x",), repository="DB.S.NONE"), (SERVICES,), "'DB.S.NONE' does not exist"),
        (declared("conda-forge::xgboost"), (SERVICES,), "conda-forge::xgboost"),
        (declared("snowflake::xgboost"), (WAREHOUSE, SERVICES), None),
        (declared("xgboost", channels=("conda-forge",)), (SERVICES,), "'conda-forge' is not"),
        (declared("ffmpeg"), (), "'ffmpeg' is not available"),
    ],
)
def test_follows_the_declarations(
    what: Declared, targets: tuple[str, ...], reason: str | None
) -> None:
    found = runnable_in(what, None)
    assert found.targets == targets
    if reason is None:
        assert found.reasons == ()
    else:
        assert any(reason in text for text in found.reasons)


def test_the_manifest_can_narrow_but_not_widen() -> None:
    only_services = runnable_in(declared("xgboost"), [SERVICES])
    assert only_services.targets == (SERVICES,)
    assert only_services.reasons == (f"{WAREHOUSE}: not among the target platforms of the version",)
    assert runnable_in(declared(pip=("x",)), [WAREHOUSE]).targets == ()


def test_known_repositories_are_the_callers() -> None:
    mine = declared(pip=("x",), repository="DB.S.MINE")
    assert runnable_in(mine, None, ["DB.S.MINE"]).targets == (WAREHOUSE, SERVICES)
