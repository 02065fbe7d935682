"""The first thing that an instance does: start the process that loads the model.

It is what takes time, so it runs while the front imports its own libraries. Nothing is imported
here that takes long itself.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from nunatak.inference.core.errors import InferenceError
from nunatak.inference.core.pool_settings import PoolSettings
from nunatak.inference.workers.launcher import Started, WorkerLauncher, load_head
from nunatak.transport.shm.frames import FrameError, FrameType, encode


@dataclass(frozen=True, slots=True)
class Begun:
    """The process, which was told to load, and both ends of the pipe that it writes to."""

    process: Started
    output: tuple[int, int]

    def end(self) -> None:
        """End it, for want of use."""
        self.process.popen.kill()
        self.process.popen.wait()
        self.process.connection.close()
        for descriptor in self.output:
            os.close(descriptor)


def begin(config: Path) -> Begun | None:
    """Start it; None when its variables are not known yet, as with secrets and with a way out, or
    when that fails, which is left to be noticed and told by whoever needs it."""
    output = os.pipe2(os.O_CLOEXEC)
    try:
        document = json.loads(config.read_bytes())
        if document.get("egress") or document.get("secret_env"):
            raise InferenceError("its variables are not all in the configuration")
        settings = PoolSettings.from_instance(document)
        question = encode(FrameType.LOAD, 1, load_head(settings)).data
        process = WorkerLauncher(settings, output=output[1]).launch()
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        InferenceError,
        FrameError,
    ):
        for descriptor in output:
            os.close(descriptor)
        return None
    begun = Begun(replace(process, asked=True), output)
    try:
        process.connection.sendall(question)
    except OSError:  # it has ended already; the next one will say why
        begun.end()
        return None
    return begun
