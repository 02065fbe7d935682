"""An instance's configuration is checked whole before anything starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from nunatak.inference.codecs.arrow import ArrowReader, write
from nunatak.inference.codecs.json_codec import JsonReader
from nunatak.inference.core.columns import Column, ColumnKind, Columns
from nunatak.inference.core.config import InstanceConfig, load
from nunatak.inference.core.errors import ConfigError
from nunatak.inference.core.payload import assemble
from nunatak.inference.core.signature import field_of, kind_of, with_reals
from nunatak.inference.server.server import settings_of
from support.credentials import make_credentials
from support.front import instance_document, method


def loaded(folder: Path, **changes: Any) -> InstanceConfig:
    path = folder / "instance.json"
    # Pytest's folders may be too deep for a socket; nothing listens here.
    values = {"socket": "/run/front.sock"} | changes
    path.write_text(json.dumps(instance_document(folder, **values)))
    return load(path)


def test_a_configuration_says_what_to_serve_and_where(tmp_path: Path) -> None:
    config = loaded(tmp_path, env={"A": "b"}, num_workers=3)
    assert config.socket == Path("/run/front.sock")
    assert [field.kind for field in config.methods[0].inputs] == [ColumnKind.FLOAT64] * 2
    assert (config.pool.num_workers, config.pool.env) == (3, {"A": "b"})


def test_a_configuration_may_listen_on_the_network_alone(tmp_path: Path) -> None:
    credentials = make_credentials(tmp_path / "credentials")
    config = loaded(tmp_path, socket=None, tcp=credentials.document(8443))
    assert config.socket is None
    assert config.tcp is not None
    assert (config.tcp.port, config.tcp.certificate) == (
        8443,
        str(credentials.instance.certificate),
    )
    swapped = credentials.document() | {"key": str(credentials.caller.key)}
    with pytest.raises(ConfigError, match="certificate, key or authority cannot be used"):
        loaded(tmp_path, tcp=swapped)


def test_workers_default_to_twice_the_processors_and_one(tmp_path: Path) -> None:
    assert loaded(tmp_path, num_workers=None).pool.num_workers % 2 == 1


def test_without_batching_every_worker_runs_its_own_request(tmp_path: Path) -> None:
    batching = settings_of(loaded(tmp_path, batching=False, num_workers=4)).batching
    assert (batching.joined, batching.slots, batching.workers) == (False, 4, 4)


def two_of_one_path(folder: Path) -> list[dict[str, Any]]:
    one = instance_document(folder)["methods"][0]
    return [one, one | {"name": "OTHER", "path": "/PREDICT/"}]


TCP = {"host": "127.0.0.1", "port": 0, "token": "t",
       "certificate": "/none", "key": "/none", "authority": "/none"}  # fmt: skip
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"num_workers": 0}, "num_workers is 0"),
    ({"default_deadline_s": 0}, "default_deadline_s"),
    ({"methods": []}, "no method"),
    ({"python": []}, "no interpreter"),
    ({"log_level": "LOUD"}, "LOUD"),
    ({"tcp": TCP | {"token": ""}}, "no token"),
    ({"tcp": TCP}, "certificate, key or authority cannot be used: No such file"),
    ({"tcp": {"host": "127.0.0.1", "port": 0, "token": "t"}}, "certificate"),
    ({"socket": None}, "neither socket nor tcp"),
    ({"socket": 5}, "socket"),
    ({"socket": "/" + "s" * 107}, "longer than 107 bytes"),
    ({"methods": [{"name": "M", "path": "m", "inputs": [{"name": "x"}]}]}, "type"),
    ({"methods": [{"name": "M", "path": "m", "inputs": [{"name": "x", "type": "SHAPE"}]}]},
     "method M: the type 'SHAPE'"),
    ({"methods": [{"name": "M", "path": "m", "inputs": [],
                   "params": [{"name": "p", "type": "INT", "default": "many"}]}]}, "'many'"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "text"), WRONG)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **changes)
    assert text in str(caught.value)


def test_two_methods_may_not_share_a_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="share one path"):
        loaded(tmp_path, methods=two_of_one_path(tmp_path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("sql_type", "kind"),
    [
        ("DOUBLE", ColumnKind.FLOAT64),
        ("double precision", ColumnKind.FLOAT64),
        ("NUMBER(38,0)", ColumnKind.INT64),
        ("NUMBER(10, 2)", ColumnKind.FLOAT64),
        ("DECIMAL", ColumnKind.INT64),
        ("VARCHAR(16777216)", ColumnKind.TEXT),
        ("TIMESTAMP_NTZ(9)", ColumnKind.TIMESTAMP),
        ("ARRAY", ColumnKind.JSON),
        ("VECTOR(FLOAT, 3)", ColumnKind.JSON),
        ("MAP(VARCHAR, NUMBER(3,0))", ColumnKind.JSON),
        ("BOOLEAN", ColumnKind.BOOL),
        ("BINARY(8)", ColumnKind.BINARY),
    ],
)
def test_sql_types_have_kinds(sql_type: str, kind: ColumnKind) -> None:
    assert kind_of(sql_type) is kind


@pytest.mark.parametrize(
    ("sql_type", "default", "value"),
    [
        ("DOUBLE", "0.5", 0.5),
        ("DOUBLE", 1, 1),
        ("INT", "7", 7),
        ("BOOLEAN", "TRUE", True),
        ("VARCHAR", "'it''s'", "it's"),
        ("VARCHAR", "plain", "plain"),
        ("VARCHAR", None, None),
        ("INT", "NULL", None),
        ("ARRAY", "[1, 2]", [1, 2]),
        ("OBJECT", '{"t": 1.0, "n": null}', {"t": 1.0, "n": None}),
        ("BINARY", "X'6400'", b"d\0"),
        ("BINARY", "x''", b""),
        ("BINARY", "NULL", None),
        ("TIMESTAMP_NTZ", "'2024-01-31 16:00:00'", "2024-01-31 16:00:00"),
        ("VARCHAR", "'a\\d'", "a\\d"),
    ],
)
def test_defaults_are_sql_text_or_values(sql_type: str, default: Any, value: Any) -> None:
    assert field_of({"name": "p", "type": sql_type, "default": default}).default == value


def test_a_binary_default_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="is no X'"):
        field_of({"name": "p", "type": "BINARY", "default": "'64'"})


REALS: list[tuple[Any, Any, Any]] = [
    (None, [9, 1.5, "x"], [9, 1.5, "x"]),
    (True, [9, [8, None], True], [9.0, [8.0, None], True]),
    (True, None, None),
    ({"t": True}, {"t": 1, "n": 1}, {"t": 1.0, "n": 1}),
    ({"g": {"t": True}}, [{"g": [{"t": [1]}]}, {"t": 1}], [{"g": [{"t": [1.0]}]}, {"t": 1}]),
    ({"t": True}, 9, 9),
]


@pytest.mark.parametrize(("reals", "value", "wanted"), REALS)
def test_numbers_inside_of_values_are_real_where_the_field_says_so(
    reals: Any, value: Any, wanted: Any
) -> None:
    assert repr(with_reals(value, reals)) == repr(wanted)
    assert with_reals(10**400, True) == 10**400
    field = field_of({"name": "p", "type": "VARIANT", "reals": reals})
    rows = [[0, value]]
    read = JsonReader(method((field,))).read(json.dumps({"data": rows}).encode())
    assert repr(assemble(read.blocks).columns[0].to_list()) == repr([wanted])
    stream = write(Columns((Column("p", ColumnKind.JSON, [value]),), 1))
    sent = ArrowReader(method((field,))).read(stream)
    assert repr(assemble(sent.blocks).columns[0].to_list()) == repr([wanted])


def test_variables_of_another_file_are_added_and_never_quoted(tmp_path: Path) -> None:
    secrets = tmp_path / "env.json"
    secrets.write_text('{"TOKEN": "open sesame"}')
    config = loaded(tmp_path, env={"A": "b"}, secret_env=str(secrets))
    assert config.pool.env == {"A": "b", "TOKEN": "open sesame"}
    assert "open sesame" not in (tmp_path / "instance.json").read_text()
    secrets.write_text('{"TOKEN": {"open sesame": 1}}')
    with pytest.raises(ConfigError, match="not a map of texts") as caught:
        loaded(tmp_path, secret_env=str(secrets))
    assert caught.value.__suppress_context__
    assert "sesame" not in str(caught.value)
    secrets.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        loaded(tmp_path, secret_env=str(secrets))
