"""Package indexes, from the configuration files and variables of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from nunatak.egress.policy import HostPort
from nunatak.images.building.hosts import index_hosts
from nunatak.images.building.indexes import Indexes, from_machine


def pip_file(folder: Path, text: str) -> Path:
    path = folder / "pip.conf"
    path.write_text(text)
    return path


def test_nothing_configured_is_uvs_default() -> None:
    assert from_machine({}, files=[]) == Indexes()
    assert Indexes().environment() == {}
    assert Indexes().shown() == "uv's default index"


def test_pips_files_and_variables(tmp_path: Path) -> None:
    first = pip_file(
        tmp_path,
        "[global]\nindex-url = https://a.example/simple\ncert = /ca.pem\nfind_links = /old\n"
        "[install]\nextra-index-url =\n    https://b.example/simple\n    file:///srv/simple\n"
        "trusted-host = b.example\n[download]\nfind-links = /ignored\n",
    )
    found = from_machine({"PIP_FIND_LINKS": "/wheels /more", "PIP_NO_INPUT": "1"}, files=[first])
    assert found == Indexes(
        default="https://a.example/simple",
        extra=("https://b.example/simple", "file:///srv/simple"),
        find_links=("/wheels", "/more"),
        insecure_hosts=("b.example",),
        certificates=Path("/ca.pem"),
    )


def test_uvs_file_and_variables_come_first(tmp_path: Path) -> None:
    toml = tmp_path / "uv.toml"
    toml.write_text(
        'find-links = ["/uv-wheels"]\n'
        '[[index]]\nurl = "https://main.example/simple"\ndefault = true\n'
        '[[index]]\nname = "more"\nurl = "https://more.example/simple"\n'
        '[[index]]\nname = "only"\nurl = "https://only.example/simple"\nexplicit = true\n'
    )
    pip = pip_file(
        tmp_path,
        "[global]\nindex-url = https://pip.example/simple\n"
        "extra-index-url = https://extra.example/simple\n",
    )
    found = from_machine({}, files=[pip, toml])
    assert found.default == "https://main.example/simple"
    assert found.extra == ("https://more.example/simple", "https://extra.example/simple")
    assert found.find_links == ("/uv-wheels",)

    variables = {
        "UV_DEFAULT_INDEX": "https://var.example/simple",
        "UV_INDEX": "named=https://one.example/simple https://two.example/simple?a=b",
        "UV_FIND_LINKS": "/x,/y",
        "UV_INSECURE_HOST": "one.example",
        "SSL_CERT_FILE": "/bundle.pem",
    }
    found = from_machine(variables, files=[pip, toml])
    assert found.default == "https://var.example/simple"
    assert found.extra[:2] == ("https://one.example/simple", "https://two.example/simple?a=b")
    assert found.find_links == ("/x", "/y")
    assert found.certificates == Path("/bundle.pem")


@pytest.mark.parametrize("text", ["not an ini file", "[global\n", "\x00"])
def test_a_broken_file_is_left_to_pip(tmp_path: Path, text: str) -> None:
    assert from_machine({}, files=[pip_file(tmp_path, text)]) == Indexes()


def test_the_usual_places_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "own" / "pip").mkdir(parents=True)
    pip_file(tmp_path / "own" / "pip", "[global]\nindex-url = https://own.example/simple\n")
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    path = pip_file(chosen, "[global]\nindex-url = https://chosen.example/simple\n")
    variables = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "own")}
    variables["XDG_CONFIG_DIRS"] = str(tmp_path / "none")
    assert from_machine(variables).default == "https://own.example/simple"
    variables["PIP_CONFIG_FILE"] = str(path)
    assert from_machine(variables).default == "https://chosen.example/simple"
    variables["PIP_CONFIG_FILE"] = "/dev/null"
    assert from_machine({**variables, "UV_NO_CONFIG": "1"}) == Indexes()


def test_uv_is_told_by_variables_only() -> None:
    indexes = Indexes(
        default="https://user:pass@a.example/simple",
        extra=("https://b.example/simple", "file:///srv/simple"),
        find_links=("/wheels",),
        certificates=Path("/ca.pem"),
        no_index=True,
    )
    assert indexes.environment() == {
        "UV_DEFAULT_INDEX": "https://user:pass@a.example/simple",
        "UV_INDEX": "https://b.example/simple file:///srv/simple",
        "UV_FIND_LINKS": "/wheels",
        "UV_NO_INDEX": "1",
        "SSL_CERT_FILE": "/ca.pem",
    }
    assert "pass" not in indexes.shown()
    assert "https://a.example/simple" in indexes.shown()


def test_local_folders_can_be_read_by_builds(tmp_path: Path) -> None:
    for name in ("srv/simple", "srv/files", "wheels"):
        (tmp_path / name).mkdir(parents=True)
    indexes = Indexes(
        default="https://a.example/simple",
        extra=(f"file://{tmp_path}/srv/simple", f"file://{tmp_path}/missing"),
        find_links=(str(tmp_path / "wheels"),),
    )
    assert indexes.paths() == (tmp_path / "srv", tmp_path / "wheels")
    assert indexes.remote() == ("https://a.example/simple",)


def test_hosts_are_those_of_indexes_and_of_their_files() -> None:
    asked: list[tuple[str, str]] = []

    def linked(indexes: Indexes, address: str, name: str) -> frozenset[HostPort]:
        asked.append((address, name))
        return frozenset({HostPort("files.example", 443)}) if name == "xgboost" else frozenset()

    indexes = Indexes(
        extra=("http://b.example:8080/simple", "file:///srv"), find_links=("https://c.example/l",)
    )
    default = "https://user:pass@a.example/simple"
    found = index_hosts(indexes, default_index=default, names=["absent", "xgboost"], linked=linked)
    assert {str(item) for item in found} == {
        "a.example:443",
        "b.example:8080",
        "c.example:443",
        "files.example:443",
    }
    assert (default, "absent") in asked
    assert (default, "pip") not in asked


def test_uvs_default_is_not_used_when_another_is_configured() -> None:
    def linked(indexes: Indexes, address: str, name: str) -> frozenset[HostPort]:
        return frozenset()

    mine = Indexes(default="https://mine.example/simple")
    found = index_hosts(mine, default_index="https://a.example/simple", linked=linked)
    assert {str(item) for item in found} == {"mine.example:443"}
    none = Indexes(no_index=True, find_links=("/wheels",))
    assert index_hosts(none, default_index="https://a.example/simple", linked=linked) == frozenset()
