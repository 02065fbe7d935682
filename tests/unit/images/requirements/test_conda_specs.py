"""conda's notation of dependencies, and what becomes of it on PyPI."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

from nunatak.images.errors import DeclarationInvalid
from nunatak.images.requirements.conda_specs import CondaDependency, parse_conda, translate


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy", CondaDependency("numpy")),
        ("numpy==1.26.4", CondaDependency("numpy", "==1.26.4")),
        ("numpy =1.26", CondaDependency("numpy", "=1.26")),
        ("numpy=1.26=py311_0", CondaDependency("numpy", "==1.26", "py311_0")),
        ("numpy 1.26.* py311_0", CondaDependency("numpy", "1.26.*", "py311_0")),
        ("numpy >=1.23, <3", CondaDependency("numpy", ">=1.23,<3")),
        ("numpy<3,>=1.23", CondaDependency("numpy", "<3,>=1.23")),
        ("conda-forge::pytorch>=2", CondaDependency("pytorch", ">=2", "", "conda-forge")),
        ("nvidia::cuda==12.4.*", CondaDependency("cuda", "==12.4.*", "", "nvidia")),
        ("numpy[version='>=1.2',build='*cpu*']", CondaDependency("numpy", ">=1.2", "*cpu*")),
    ],
)
def test_reads_each_form(text: str, expected: CondaDependency) -> None:
    assert parse_conda(text) == expected


@pytest.mark.parametrize(
    "text", ["", "==1.0", "::", "numpy[md5=abc]", "-e .", "a" + " " * 3_000 + "b"]
)
def test_refuses_what_is_no_dependency(text: str) -> None:
    with pytest.raises(DeclarationInvalid):
        parse_conda(text)


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26=py311_0", "numpy==1.26"),
        ("numpy 1.26", "numpy==1.26"),
        ("numpy 1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.*", "numpy==1.26.*"),
        ("numpy>=1.26.*", "numpy>=1.26"),
        ("numpy >=1.23,<3", "numpy<3,>=1.23"),
        ("numpy *", "numpy"),
        ("numpy !=1.25", "numpy!=1.25"),
        ("PyTorch==2.1", "torch==2.1"),
        ("py-xgboost-gpu<3", "xgboost<3"),
        ("snowflake-snowpark-python>=1.17,<2", "snowflake-snowpark-python[pandas]<2,>=1.17"),
        ("snowflake-connector-python", "snowflake-connector-python[pandas]"),
        ("typing_extensions", "typing-extensions"),
    ],
)
def test_translates_constraints(text: str, requirement: str) -> None:
    assert translate(parse_conda(text)).requirement == requirement


def test_says_what_it_changed() -> None:
    note = translate(parse_conda("pytorch=2.1=cuda120_0")).note
    assert "pytorch is torch on PyPI" in note
    assert "cuda120_0" in note
    assert translate(parse_conda("cpuonly")).requirement == ""
    assert "cpuonly" in translate(parse_conda("cpuonly")).note


@pytest.mark.parametrize(
    "text", ["numpy 1.2|1.3", "openssl==1.1.1w=h1", "numpy ^1.2", "numpy >1,$"]
)
def test_refuses_what_cannot_be_said_on_pypi(text: str) -> None:
    with pytest.raises(DeclarationInvalid, match=text.split()[0].split("=")[0]):
        translate(parse_conda(text))


def test_a_package_without_counterpart_is_named() -> None:
    with pytest.raises(DeclarationInvalid, match="'ffmpeg' is not a Python package"):
        translate(parse_conda("ffmpeg>=4"))


versions = st.lists(st.integers(0, 99), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)


@given(version=versions, operator=st.sampled_from(["==", ">=", "<=", ">", "<", "!="]))
def test_plain_comparisons_keep_their_meaning(version: str, operator: str) -> None:
    requirement = Requirement(translate(parse_conda(f"numpy{operator}{version}")).requirement)
    assert str(requirement.specifier) == f"{operator}{version}"


@given(version=versions, patch=st.integers(0, 99))
def test_fuzzy_versions_take_every_patch(version: str, patch: int) -> None:
    requirement = Requirement(translate(parse_conda(f"numpy={version}")).requirement)
    assert requirement.specifier.contains(Version(f"{version}.{patch}"))


@given(st.text(alphabet="ab_-.:=<>!~,| *[]'1", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DeclarationInvalid):
        Requirement(translate(parse_conda(text)).requirement or "left-out")
