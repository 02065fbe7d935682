"""Models and versions: made, changed, dropped, and whole again after a crash."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from nunatak.errors import (
    InvalidArgument,
    ObjectExists,
    ObjectInUse,
    ObjectNotFound,
    StageUnreadable,
    VersionExists,
)
from nunatak.models.contents.files import SourceFile, VersionFolders
from nunatak.models.making import ModelMaker
from nunatak.models.ports import Runnable
from nunatak.models.registry import Models
from nunatak.models.sealing import VersionSealer
from nunatak.models.versions import ModelVersion
from support.model_versions import (
    EXPLAIN,
    PREDICT,
    Usage,
    manifest,
    name,
    open_models,
    sources,
    write_version,
)

M = name("M")
Files = list[SourceFile]


def put(models: Models, version: ModelVersion, path: str, file: Path) -> None:
    """Upload a copy of a file, as a client does."""
    waiting = models.live.upload_path(version, path)
    shutil.copy(file, waiting)
    models.live.put_file(version, path, waiting)


def contents(models: Models) -> set[str]:
    """What lies in the folder of all versions."""
    return {item.name for item in models.folders.root.iterdir()}


def test_a_model_from_files_has_one_version_that_is_everything(
    models: Models, files: Files
) -> None:
    model = models.maker.create(M, "V1", files=files, owner="R")
    (version,) = model.versions
    assert model.record.owner == version.record.owner == "R"
    assert model.default == model.first == model.last == version
    assert model.aliases_of(version) == ["DEFAULT", "FIRST", "LAST"]
    assert version.runnable_in == ("WAREHOUSE", "SNOWPARK_CONTAINER_SERVICES")
    assert not version.is_live
    assert {item.path for item in models.files(version)} == {item.path for item in files}
    assert version.size_bytes == sum(item.file.stat().st_size for item in files)


def test_files_are_copied_read_only_and_outlive_the_stage(models: Models, files: Files) -> None:
    version = models.maker.create(M, "V1", files=files, owner="R").default
    for item in files:
        item.file.unlink()
    file = models.folder(version) / "functions" / "predict.py"
    assert file.read_text() == "MAX_BATCH_SIZE = 128\n"
    assert file.stat().st_mode & 0o222 == 0


def test_equal_files_have_equal_digests_and_others_do_not(
    models: Models, files: Files, tmp_path: Path
) -> None:
    first = models.maker.create(M, "V1", files=files, owner="R").default
    second = models.maker.add_version(M, "V2", files=reversed(files))
    changed = sources(write_version(tmp_path / "changed", files={"extra.txt": "1"}))
    third = models.maker.add_version(M, "V3", files=changed)
    assert first.digest == second.digest != third.digest
    assert first.id != second.id


def test_a_model_without_a_schema_is_not_made(models: Models, files: Files) -> None:
    with pytest.raises(ObjectNotFound, match="Schema"):
        models.maker.create(name("DB.NOWHERE.M"), "V1", files=files, owner="R")
    assert contents(models) == set()


@pytest.mark.parametrize("missing", ["MANIFEST.yml", "functions/predict.py", "runtimes"])
def test_incomplete_files_make_no_model(models: Models, files: Files, missing: str) -> None:
    some = [item for item in files if not item.path.startswith(missing)]
    with pytest.raises((StageUnreadable, InvalidArgument), match=missing):
        models.maker.create(M, "V1", files=some, owner="R")
    assert models.find(M) is None
    assert contents(models) == set()


def test_a_path_that_leaves_the_version_is_refused(models: Models, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(InvalidArgument, match="inside the model version"):
        models.maker.create(M, "V1", files=[SourceFile("../x", tmp_path / "x")], owner="R")
    assert contents(models) == set()


def test_a_link_in_a_stage_is_not_followed(models: Models, files: Files, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")
    with pytest.raises(StageUnreadable, match="evil"):
        models.maker.create(
            M, "V1", files=[*files, SourceFile("evil", tmp_path / "link")], owner="R"
        )
    assert contents(models) == set()


def test_two_models_of_one_name_do_not_go_together(models: Models, files: Files) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    before = contents(models)
    with pytest.raises(ObjectExists, match="already exists"):
        models.maker.create(M, "V1", files=files, owner="R")
    assert contents(models) == before


def test_the_faster_of_two_writers_wins(models: Models, files: Files) -> None:
    """Both have copied their files when the second one finds the name taken."""

    def slow(items: Files) -> Files:
        models.maker.create(M, "V1", files=items, owner="R")
        return items

    with pytest.raises(ObjectExists, match="already exists"):
        models.maker.create(M, "V1", files=(item for item in slow(files)), owner="R")
    assert len(models.get(M).versions) == 1
    assert len(contents(models)) == 2


def test_replacing_leaves_nothing_of_the_old_model(models: Models, files: Files) -> None:
    old = models.maker.create(M, "V1", files=files, owner="R").default
    models.maker.add_version(M, "V2", files=files)
    new = models.maker.create(M, "V9", files=files, owner="S", or_replace=True)
    assert [version.name for version in new.versions] == ["V9"]
    assert old.id not in contents(models)
    assert len(contents(models)) == 2


def test_a_version_name_is_used_once(models: Models, files: Files) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    models.editor.set_alias(M, "V1", "PROD")
    for taken in ("V1", "PROD"):
        with pytest.raises(VersionExists, match="already exists"):
            models.maker.add_version(M, taken, files=files)
    with pytest.raises(InvalidArgument, match="system alias"):
        models.maker.add_version(M, "LAST", files=files)


def test_a_copy_shares_bytes_and_stands_alone(models: Models, files: Files) -> None:
    source = models.maker.create(M, "V1", files=files, owner="R").default
    copy = models.maker.create_from(name("OTHER.N"), None, source=source, owner="S").default
    assert (copy.name, copy.digest) == ("V1", source.digest)
    assert copy.id != source.id
    one, other = (models.folder(item) / "MANIFEST.yml" for item in (source, copy))
    assert one.stat().st_ino == other.stat().st_ino
    models.dropper.drop(M)
    assert other.read_text()
    assert models.content(copy).methods[0].name == "PREDICT"


def test_a_live_version_takes_files_until_it_is_committed(models: Models, files: Files) -> None:
    model = models.maker.create_live(name("PENDING"), "LIVE_1", owner="R")
    live = model.default
    assert live.is_live
    assert live.runnable_in == ()
    for item in files:
        put(models, live, item.path, item.file)
    assert len(models.files(live)) == len(files)
    committed = models.live.commit(name("PENDING"), "LIVE_1", model_to=M, version_to="V1")
    assert committed.qualified == M
    assert [version.name for version in committed.versions] == ["V1"]
    assert committed.default.id == live.id
    assert (
        committed.default.digest
        == models.maker.create(name("N"), "V1", files=files, owner="R").default.digest
    )
    with pytest.raises(InvalidArgument, match="not live"):
        put(models, live, "late.txt", files[0].file)
    with pytest.raises(ObjectNotFound):
        models.get(name("PENDING"))


def test_a_live_version_that_is_not_whole_stays_live(models: Models, files: Files) -> None:
    live = models.maker.create_live(M, "V1", owner="R").default
    with pytest.raises(StageUnreadable, match=r"MANIFEST\.yml"):
        models.live.commit(M, "V1")
    assert models.version(M).is_live
    for item in files:
        put(models, live, item.path, item.file)
    assert len(models.files(live)) == len(files)
    assert not models.live.commit(M, "V1").default.is_live


def test_a_live_version_is_neither_last_nor_copied_nor_default(
    models: Models, files: Files
) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    live = models.maker.add_live_version(M, "V2")
    model = models.get(M)
    assert model.last.name == "V1"
    with pytest.raises(InvalidArgument, match="live"):
        models.editor.set_default(M, "V2")
    with pytest.raises(InvalidArgument, match="live"):
        models.maker.add_version_from(M, "V3", source=live)


def test_a_file_cannot_be_put_through_a_file(models: Models, files: Files) -> None:
    live = models.maker.create_live(M, "V1", owner="R").default
    put(models, live, "a", files[0].file)
    with pytest.raises(InvalidArgument, match="a/b"):
        put(models, live, "a/b", files[0].file)
    with pytest.raises(InvalidArgument, match="inside"):
        put(models, live, "../b", files[0].file)
    assert [item.path for item in models.files(live)] == ["a"]


def test_renaming_keeps_versions_files_and_grants(models: Models, files: Files) -> None:
    before = models.maker.create(M, "V1", files=files, owner="R")
    models.maker.create(name("TAKEN"), "V1", files=files, owner="R")
    after = models.editor.rename(M, name("OTHER.N"))
    assert [item.id for item in after.versions] == [item.id for item in before.versions]
    assert models.content(after.default).methods[0].name == "PREDICT"
    with pytest.raises(ObjectExists):
        models.editor.rename(name("OTHER.N"), name("TAKEN"))
    with pytest.raises(ObjectNotFound, match="Schema"):
        models.editor.rename(name("OTHER.N"), name("NOWHERE.N"))
    found = models.version_by_id(after.default.id)
    assert found is not None
    assert found[0].qualified == name("OTHER.N")


def test_aliases_are_one_per_version_and_can_move(models: Models, files: Files) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    models.maker.add_version(M, "V2", files=files)
    models.editor.set_alias(M, "V1", "PROD")
    models.editor.set_alias(M, "V1", "LIVE")
    assert models.get(M).aliases() == {
        "LIVE": "V1",
        "DEFAULT": "V1",
        "FIRST": "V1",
        "LAST": "V2",
    }
    models.editor.set_alias(M, "LAST", "LIVE")
    assert models.version(M, "LIVE").name == "V2"
    models.editor.unset_alias(M, "LIVE")
    with pytest.raises(ObjectNotFound):
        models.version(M, "LIVE")
    with pytest.raises(InvalidArgument, match="no alias"):
        models.editor.unset_alias(M, "V2")
    for wrong in ("DEFAULT", "V2", "two words"):
        with pytest.raises(InvalidArgument):
            models.editor.set_alias(M, "V1", wrong)


def test_the_default_version_stays(models: Models, files: Files) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    with pytest.raises(InvalidArgument, match="DROP MODEL"):
        models.dropper.drop_version(M, "V1")
    models.maker.add_version(M, "V2", files=files)
    with pytest.raises(InvalidArgument, match="SET DEFAULT_VERSION"):
        models.dropper.drop_version(M, "FIRST")
    models.editor.set_default(M, "LAST")
    models.dropper.drop_version(M, "V1")
    assert models.get(M).first.name == "V2"
    assert len(contents(models)) == 2


def test_nothing_is_dropped_while_a_service_uses_it(
    models: Models, files: Files, usage: Usage
) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    used = models.maker.add_version(M, "V2", files=files)
    usage.used[used.id] = ["DB.S.SVC", "DB.S.SVC2"]
    for drop in (
        lambda: models.dropper.drop(M),
        lambda: models.dropper.drop_version(M, "V2"),
        lambda: models.maker.create(M, "V1", files=files, owner="R", or_replace=True),
    ):
        with pytest.raises(ObjectInUse, match=r"'V2'.*DB\.S\.SVC and 1 more"):
            drop()
    assert len(models.get(M).versions) == 2
    assert models.services_of([used]) == {used.id: ["DB.S.SVC", "DB.S.SVC2"]}
    usage.used.clear()
    models.dropper.drop(M)
    assert models.find(M) is None
    assert contents(models) == set()


def test_a_schema_stays_while_a_service_elsewhere_uses_its_models(
    models: Models, files: Files, usage: Usage
) -> None:
    version = models.maker.create(M, "V1", files=files, owner="R").default
    usage.used[version.id] = ["DB.OTHER.SVC"]

    def check(schema: str | None = None) -> None:
        with models.catalog.write() as transaction:
            models.dropper.check_droppable_within(transaction, database="DB", schema=schema)

    with pytest.raises(ObjectInUse, match=r"DB\.OTHER\.SVC"):
        check("S")
    check("OTHER")
    check()
    usage.used[version.id] = ["ELSEWHERE.S.SVC"]
    with pytest.raises(ObjectInUse, match=r"ELSEWHERE\.S\.SVC"):
        check()
    usage.used[version.id] = ["DB.S.SVC"]
    check("S")


def test_comments_and_metadata_are_kept_apart(models: Models, files: Files) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    models.editor.set_comment(M, "the model")
    models.editor.modify_version(M, "V1", comment="the version")
    models.editor.modify_version(M, "DEFAULT", metadata={"metrics": {"rmse": 0.5}})
    model = models.get(M)
    assert (model.record.comment, model.default.record.comment) == ("the model", "the version")
    assert model.default.metadata == {"metrics": {"rmse": 0.5}}


def test_the_reason_why_it_runs_nowhere_is_kept(models: Models, files: Files) -> None:
    def refuse(folder: Path, target_platforms: Sequence[str] | None) -> Runnable:
        raise InvalidArgument("Python 2.7 is not supported.")

    sealer = VersionSealer(models.folders, refuse)
    maker = ModelMaker(models.catalog, sealer, usage=models.usage)
    version = maker.create(M, "V1", files=files, owner="R").default
    assert version.runnable_in == ()
    assert version.runnable_reasons == ("Python 2.7 is not supported.",)


def test_everything_is_there_after_a_restart(models: Models, files: Files, home: Path) -> None:
    before = models.maker.create(M, "V1", files=files, owner="R").default
    again = open_models(home)
    try:
        assert again.dropper.collect_garbage() == []
        after = again.version(M)
        assert (after.id, after.digest) == (before.id, before.digest)
        assert again.content(after).methods == models.content(before).methods
    finally:
        again.catalog.close()


@pytest.mark.parametrize("step", ["rename", "_index", "spec", "_create"])
def test_a_crash_at_any_step_leaves_no_half_version(
    models: Models, files: Files, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies at a step: no clean-up runs, the next start sees what is on the disk."""

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    keep = models.maker.create(name("KEEP"), "V1", files=files, owner="R").default
    owners = {
        "rename": Path,
        "_index": VersionFolders,
        "spec": VersionSealer,
        "_create": ModelMaker,
    }
    with monkeypatch.context() as patched:
        patched.setattr(owners[step], step, kill)
        patched.setattr("nunatak.models.contents.files.shutil.rmtree", lambda *_, **__: None)
        patched.setattr(VersionFolders, "discard", lambda *_: None)
        with pytest.raises(Killed):
            models.maker.create(M, "V1", files=files, owner="R")
    assert models.find(M) is None
    models.dropper.collect_garbage()
    assert contents(models) == {keep.id, f"{keep.id}.index"}
    assert models.maker.create(M, "V1", files=files, owner="R").default.digest == keep.digest


def test_garbage_of_a_dropped_schema_goes(models: Models, files: Files) -> None:
    models.maker.create(M, "V1", files=files, owner="R")
    with models.catalog.write() as transaction:
        transaction.delete_within("DB", "S")
    assert len(models.dropper.collect_garbage()) == 2
    assert contents(models) == set()


def test_many_writers_leave_a_whole_model(models: Models, files: Files) -> None:
    models.maker.create(M, "V0", files=files, owner="R")

    def add(index: int) -> None:
        models.maker.add_version(M, f"V{index}", files=files)

    threads = [threading.Thread(target=add, args=(index,)) for index in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {item.name for item in models.get(M).versions} == {f"V{index}" for index in range(7)}
    assert len(contents(models)) == 14


def test_content_is_read_once_and_a_live_one_each_time(models: Models, tmp_path: Path) -> None:
    both = manifest([PREDICT, EXPLAIN])
    files = sources(write_version(tmp_path / "both", manifest_document=both))
    version = models.maker.create(M, "V1", files=files, owner="R").default
    assert models.content(version) is models.content(version)
    live = models.maker.add_live_version(M, "V2")
    with pytest.raises(StageUnreadable):
        models.content(live)
    (tmp_path / "m.yml").write_text(yaml.safe_dump(both))
    put(models, live, "MANIFEST.yml", tmp_path / "m.yml")
    assert [item.name for item in models.content(live).methods] == ["PREDICT", "EXPLAIN"]
