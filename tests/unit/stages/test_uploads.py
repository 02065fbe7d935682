"""Names of uploaded files, and addresses that uploads were tried at."""

from __future__ import annotations

import pytest

from nunatak.errors import InvalidArgument
from nunatak.stages.upload_attempts import UploadAttempts
from nunatak.stages.uploads import UploadName, safe_name, upload_name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "a\nb", "x" * 300])
def test_names_that_are_no_file_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        safe_name(name)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("/x/part_[0-9].parquet", UploadName(None, ".parquet", may_compress=True)),
        ("/x/*", UploadName(None, "", may_compress=True)),
        ("/x/a.b*", UploadName(None, "", may_compress=True)),
        ("/x y/ü.txt", UploadName("ü.txt", may_compress=True)),
    ],
)
def test_patterns_and_paths_are_told_apart(source: str, expected: UploadName) -> None:
    assert upload_name(source, auto_compress=True) == expected


def test_attempts_are_known_in_bounded_number() -> None:
    attempts = UploadAttempts(most=2)
    for address in ("a", "b", "a", "c"):
        attempts.add(address)

    assert [address in attempts for address in "abc"] == [True, False, True]
    attempts.discard("a")
    assert "a" not in attempts
