"""A check of a home names what is damaged and what is left over, and changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from nunatak.catalog.engine import Database
from nunatak.catalog.store import Catalog, Key
from nunatak.cli.main import main
from nunatak.config import Settings
from nunatak.maintenance.home_lock import hold_home
from nunatak.models.contents.files import SourceFile, VersionFolders
from nunatak.models.versions import MODEL, MODEL_VERSION
from nunatak.services.model.vault import Vault
from nunatak.warehouse.engine.engine import Engine

Harm = Callable[[Path], object]


def fill(home: Path) -> None:
    """A home with something of every kind, whose server has ended without closing a database."""
    settings = Settings(home=home)
    engine = Engine(settings)
    for name in ("D", "E"):
        engine.create(name)
        with engine.connect() as connection:
            connection.execute(
                f"CREATE TABLE {name}.main.T AS SELECT hash(i) A FROM range(9999) r(i)"
            )
    engine.close()
    engine = Engine(settings)
    with engine.connect() as connection:
        for number in range(3):
            connection.execute(f"INSERT INTO E.main.T VALUES ({number})")
    left = [home / "databases" / name for name in ("E.duckdb", "E.duckdb.wal")]
    contents = [file.read_bytes() for file in left]
    engine.close()
    for file, content in zip(left, contents, strict=True):
        file.write_bytes(content)
    weights = home / "weights"
    weights.write_bytes(b"weights")
    sealed = VersionFolders(home / "models").take([SourceFile("model/w.bin", weights)])
    weights.unlink()
    catalog = Catalog(Database.open(settings.catalog_file))
    vault = Vault(settings.folder("keys"))
    with catalog.write() as tx:
        for name in ("D", "E"):
            tx.create(Key("DATABASE", name), "R")
        tx.create(Key("STAGE", "ST", "D", "S"), "R", spec={"id": "folder"})
        tx.create(
            Key("SECRET", "SE", "D", "S"),
            "R",
            spec={"type": "GENERIC_STRING", "sealed": vault.seal({"a": "b"})},
        )
        model = tx.create(Key(MODEL, "M", "D", "S"), "R", spec={})
        tx.create(
            Key(MODEL_VERSION, "V1", "D", "S", model.id),
            "R",
            spec={
                "id": sealed.version_id,
                "digest": sealed.digest,
                "size_bytes": sealed.size_bytes,
                "file_count": sealed.file_count,
            },
        )
    catalog.close()
    for folder in ("folder", "user-0123"):
        (settings.folder("stages") / folder).mkdir()
        (home / "stages" / folder / "rows.csv").write_bytes(b"1")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole") / "home"
    home.mkdir()
    fill(home)
    return home


@pytest.fixture
def home(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "home"))


def run(home: Path) -> Result:
    return CliRunner().invoke(main, ["check", "--home", str(home)])


def contents(home: Path) -> dict[str, bytes]:
    passing = ("lock", "catalog.sqlite-")
    return {
        str(file.relative_to(home)): file.read_bytes()
        for file in home.rglob("*")
        if file.is_file() and not file.name.startswith(passing)
    }


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for at in range(min(20_000, len(content) // 2), len(content), 512):
        content[at] ^= 0xFF
    file.chmod(0o600)
    file.write_bytes(content)


def damaged_log(home: Path) -> None:
    file = home / "databases" / "E.duckdb.wal"
    content = bytearray(file.read_bytes())
    content[content.index(b"\xff\xff") + 20] ^= 1
    file.write_bytes(content)


def version(home: Path) -> Path:
    return next(item for item in (home / "models").iterdir() if item.is_dir())


def index(home: Path) -> Path:
    return next((home / "models").glob("*.index"))


def test_a_whole_home_is_whole_and_is_left_as_it_was(home: Path) -> None:
    before = contents(home)
    answer = run(home)
    assert (answer.exit_code, answer.stdout) == (0, f"{home} is whole.\n")
    assert contents(home) == before


DAMAGE: dict[str, tuple[Harm, str]] = {
    "catalog": (
        lambda home: (home / "catalog.sqlite").write_text("text" * 999),
        "The catalog catalog.sqlite",
    ),
    "no catalog": (lambda home: (home / "catalog.sqlite").unlink(), "is not in the home"),
    "database": (lambda home: flip(home / "databases" / "D.duckdb"), "Database D "),
    "no database": (lambda home: (home / "databases" / "D.duckdb").unlink(), "is not there"),
    "log": (damaged_log, "Database E (databases/E.duckdb): its log is damaged"),
    "no key": (lambda home: (home / "keys/secrets.key").unlink(), "keys/secrets.key is not"),
    "short key": (lambda home: (home / "keys/secrets.key").write_bytes(b"x"), "is damaged"),
    "other key": (
        lambda home: shutil.copy(other_key(home), home / "keys/secrets.key"),
        "Secret D.S.SE cannot be decrypted",
    ),
    "stages": (lambda home: shutil.rmtree(home / "stages"), "The folder stages is not there"),
    "model": (lambda home: flip(version(home) / "model/w.bin"), "V1 of model D.S.M: its file"),
    "no file": (lambda home: (version(home) / "model/w.bin").unlink(), "model/w.bin is not there"),
    "no version": (lambda home: shutil.rmtree(version(home)), "its folder models/"),
    "no index": (lambda home: index(home).unlink(), ".index is not there"),
    "half an index": (lambda home: index(home).write_text('{"pa'), ".index cannot be read"),
    "empty index": (lambda home: index(home).write_text(""), ".index has changed"),
    "families": (lambda home: (home / "families.yaml").write_text("[["), "families.yaml"),
    "limits": (lambda home: (home / "limits.yaml").write_text("none: 1"), "no limit 'none'"),
}


def other_key(home: Path) -> Path:
    (home / "other").mkdir()
    Vault(home / "other")
    return home / "other" / "secrets.key"


@pytest.mark.parametrize(("harm", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named(home: Path, harm: Harm, said: str) -> None:
    harm(home)
    answer = run(home)
    assert answer.exit_code == 1, answer.output
    assert f"{home} is damaged." in answer.stdout
    assert said in answer.stdout
    assert [line.startswith("damaged: ") for line in answer.stdout.splitlines()] == [True, False]


@pytest.mark.parametrize("left", ["databases/GONE.duckdb", "stages/gone/f", "models/gone/f"])
def test_what_is_left_over_is_no_damage(home: Path, left: str) -> None:
    (home / left).parent.mkdir(exist_ok=True)
    (home / left).write_bytes(b"")
    answer = run(home)
    assert answer.exit_code == 0
    assert "left over: " + "/".join(left.split("/")[:2]) in answer.stdout


def test_what_cannot_be_checked_is_refused(home: Path, tmp_path: Path) -> None:
    with hold_home(home):
        assert "stop it" in run(home).stderr
    assert "is no server's home" in run(tmp_path / "never").stderr
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty").exit_code == 1
