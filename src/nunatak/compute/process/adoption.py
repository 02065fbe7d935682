"""Adoption of the instances that a server finds in its home when it starts."""

from __future__ import annotations

from nunatak.compute.process import procfs
from nunatak.compute.process.cgroups import Groups
from nunatak.compute.process.identity import is_homeless, runs_in
from nunatak.compute.process.instance_folder import InstanceFolder, RuntimeRecord, with_process
from nunatak.compute.process.signals import end_and_wait


def adopt(
    folder: InstanceFolder, groups: Groups, *, allow_unconfined: bool
) -> RuntimeRecord | None:
    """The record of an instance that an earlier server of this home started; None for a folder of
    none, which is removed.

    A start that was never finished is undone. An instance whose home was moved is ended, because it
    writes and listens where the home was; so is one that runs unconfined where that is not allowed
    any more. In a copy of a home nothing is touched but the copy.
    """
    record = folder.read_record()
    if record is None or record.process is None:
        return _unrecorded(folder, record)
    process = record.process
    if not procfs.is_alive(process):
        return record
    is_ours = runs_in(process, folder.path)
    fits = record.socket == str(folder.paths.socket()) and (record.confined or allow_unconfined)
    if is_ours and fits:
        return record
    if is_ours:
        end_and_wait(procfs.members(process.pid))
        group = groups.existing(folder.paths.id)
        if group is not None:
            group.remove()
    folder.remove()
    return None


def _unrecorded(folder: InstanceFolder, record: RuntimeRecord | None) -> RuntimeRecord | None:
    """Of a start that was cut off before its process was written down, if there is just one."""
    argument = str(folder.paths.config)
    found = [process for pid in procfs.with_argument(argument) if (process := procfs.identify(pid))]
    ours = [process for process in found if runs_in(process, folder.path)]
    if record is not None and len(ours) == 1:
        return with_process(record, ours[0])
    for process in found:
        if process in ours or is_homeless(process.pid):
            end_and_wait(procfs.members(process.pid))
    folder.remove()
    return None
