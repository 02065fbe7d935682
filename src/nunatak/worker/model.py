"""A model version's methods, loaded from its own function files."""

import importlib
import os
import sys
from typing import Any, Callable, Optional, Protocol

from . import convert
from .features import keep_bytes
from .frames import WorkerFrame
from .shim import Shim, Vectorized, declared


class MethodMissing(Exception):
    """The version has no method of this name."""


class Capture:
    """Hands a model's data frame past the rows that a function file would make of it.

    The vendor's function files end in ``frame.replace({NA: None, nan: None})`` and then
    ``.to_dict("records")`` or ``.iloc[:, 0]``. This stands in for the frame, understands exactly
    these calls, and is the handler's result itself if the handler did nothing else.
    """

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.result: Any = None

    def replace(self, values: dict[Any, Any]) -> "Capture":
        """Accept the mapping of every missing value to None, nothing else."""
        if not all(convert.missing(key) and new is None for key, new in values.items()):
            raise AttributeError("replace of other values than missing ones")
        return self

    def to_dict(self, orient: str) -> "Capture":
        """Accept the request for records."""
        if orient != "records":
            raise AttributeError("to_dict of another orientation than records")
        self.result = self.frame
        return self

    @property
    def iloc(self) -> "_FirstColumn":
        """Accept the request for the first column."""
        return _FirstColumn(self)


class _FirstColumn:
    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def __getitem__(self, key: Any) -> Capture:
        if key != (slice(None), 0):
            raise AttributeError("iloc of other cells than the first column")
        self._capture.result = self._capture.frame.iloc[:, 0]
        return self._capture


class WorkerMethod:
    """A method: its handler and what is declared about it."""

    def __init__(self, spec: dict[str, Any], handler: Any, module: Any) -> None:
        self.name = str(spec["name"])
        self.inputs: list[str] = [str(entry["name"]) for entry in spec["inputs"]]
        self.input_types: list[str] = [str(entry["type"]) for entry in spec["inputs"]]
        self.outputs: list[dict[str, Any]] = list(spec["outputs"])
        self.has_params = bool(spec["params"])
        self._width = len(self.inputs) + len(spec["params"])
        self._table = spec["kind"] == "TABLE_FUNCTION"
        self._handler = handler
        self.module = module
        runs = callable(getattr(module, "runner", None))
        self._captures: Optional[bool] = None if runs and not self._table else False

    @property
    def marks(self) -> Vectorized:
        """Marks by which the handler asked something of its host."""
        target = self._table_method(self._handler) if self._table else self._handler
        return declared(target) or Vectorized(None, flatten_object_input=False)

    def frame(self, columns: list[convert.WireColumn], rows: int) -> Any:
        """The handler's data frame: inputs, then every param, null where none was given."""
        if len(columns) == 1 < len(self.inputs) and columns[0].kind == "JSON":
            columns = self._flatten(columns[0])
        if not len(self.inputs) <= len(columns) <= self._width:
            raise ValueError(
                f"{self.name} takes {len(self.inputs)} to {self._width} columns, "
                f"{len(columns)} were given"
            )
        absent = [convert.WireColumn("", "JSON", [None] * rows)] * (self._width - len(columns))
        return convert.to_frame(columns + absent, rows)

    def _flatten(self, column: convert.WireColumn) -> list[convert.WireColumn]:
        """An OBJECT of all inputs as the columns it stands for; a missing key is null."""
        records = [record or {} for record in column.values]
        return [
            convert.WireColumn(name, "JSON", [record.get(name) for record in records])
            for name in self.inputs
        ]

    def call(self, frame: Any) -> list[Any]:
        """Run the handler over the frame, in pieces if it limits their size; the results."""
        limit = self.marks.max_batch_size or len(frame) or 1
        if self._table or len(frame) <= limit:
            return [self._call(frame)]
        starts = range(0, len(frame), limit)
        pieces = [frame.iloc[at : at + limit].reset_index(drop=True) for at in starts]
        return [self._call(piece) for piece in pieces]

    def _call(self, frame: Any) -> Any:
        if self._table:
            return self._table_method(self._handler())(frame)
        if self._captures is False:
            return self._handler(frame)
        # Until it is known that the handler lets its frame pass, it may need the frame again.
        result = self._captured(frame.copy() if self._captures is None else frame)
        self._captures = result is not None
        return self._handler(frame) if result is None else result

    def _captured(self, frame: Any) -> Any:
        """Parts that the handler's last steps would be made of; None if it has others."""
        runner = self.module.runner
        made: list[Capture] = []

        def capture(*args: Any, **params: Any) -> Capture:
            stand_in = Capture(runner(*args, **params))
            made.append(stand_in)
            return stand_in

        self.module.runner = capture
        try:
            result = self._handler(frame)
        except Exception:
            if not made:
                raise  # the model's own: its runner never returned
            return None
        finally:
            self.module.runner = runner
        return result.result if isinstance(result, Capture) else None

    @staticmethod
    def _table_method(handler: Any) -> Callable[[Any], Any]:
        for name in ("process", "end_partition"):
            if hasattr(handler, name):
                bound: Callable[[Any], Any] = getattr(handler, name)
                return bound
        raise TypeError("the table function has neither process nor end_partition")

    def answer(self, frame: Any, rows: int) -> "ResultContent":
        """Predict and lay the outputs out as columns."""
        results = self.call(frame)
        encoder = convert.Encoder()
        result = results[0] if len(results) == 1 else _join(results)
        count = convert.add_result(encoder, result, self.outputs)
        if not self._table and count != rows:
            raise ValueError(f"the model returned {count} rows for {rows}")
        return ResultContent({"rows": count, "columns": encoder.entries}, encoder.buffers)


class ResultContent:
    """The content of a RESULT frame."""

    def __init__(self, head: dict[str, Any], buffers: list[Any]) -> None:
        self.head = head
        self.buffers = buffers


def _join(results: list[Any]) -> Any:
    if all(isinstance(result, list) for result in results):
        return [row for result in results for row in result]
    import pandas as pd

    return pd.concat(results, ignore_index=True)


class Shortcut(Protocol):
    """Another way to an answer, proved to give the same one.

    ``nulls`` says whether rows with missing values may take it; ``alone``, whether each row is
    computed alone, so that the number of threads cannot change its answer.
    """

    alone: bool
    nulls: bool

    def answer(self, columns: list[convert.WireColumn], rows: int) -> Optional[ResultContent]:
        """The answer; None if this batch has to go the general way. Raises what the model does."""


def attempt(
    shortcut: Shortcut, columns: list[convert.WireColumn], rows: int
) -> Optional[ResultContent]:
    """A shortcut's answer; None if this batch has to go the general way."""
    try:
        return shortcut.answer(columns, rows)
    except Exception:  # noqa: BLE001  # the general way will raise it in its own words
        return None


class LoadedModel:
    """The methods of one version, in one process, over one copy of the model."""

    def __init__(self, methods: dict[str, WorkerMethod], directory: str) -> None:
        self.methods = methods
        self.directory = directory
        self.shortcuts: dict[str, Shortcut] = {}

    def method(self, name: str) -> WorkerMethod:
        """The method of that SQL name. Raises MethodMissing."""
        try:
            return self.methods[name]
        except KeyError:
            known = ", ".join(sorted(self.methods))
            raise MethodMissing(f"no method {name}; there are {known}") from None

    def predict(self, frame: WorkerFrame) -> ResultContent:
        """Answer a PREDICT frame."""
        method = self.method(str(frame.head.get("method")))
        columns, rows = convert.decode(frame.head, frame.body)
        shortcut = self.shortcuts.get(method.name)
        answer = attempt(shortcut, columns, rows) if shortcut is not None else None
        if answer is not None:
            return answer
        return method.answer(method.frame(columns, rows), rows)


def load(spec: dict[str, Any]) -> LoadedModel:
    """Load the version that a LOAD frame's head describes. Raises whatever its code raises."""
    directory = str(spec["model_dir"])
    # The vendor's directory ends in a slash: handlers may append a file's name as it is.
    xoptions: dict[str, Any] = sys._xoptions  # noqa: SLF001  # where handlers look
    xoptions["snowflake_import_directory"] = os.path.join(directory, "")
    paths = [directory] + [os.path.join(directory, str(path)) for path in spec["imports"]]
    sys.path[:0] = [os.path.normpath(path) for path in paths]
    shim = Shim()
    shim.install()
    _memoise_packager()
    keep_bytes()
    methods = {}
    for entry in spec["methods"]:
        module_name, _, attribute = str(entry["handler"]).rpartition(".")
        module = importlib.import_module(module_name)
        shim.run_pending()
        methods[str(entry["name"])] = WorkerMethod(entry, getattr(module, attribute), module)
    return LoadedModel(methods, directory)


def _memoise_packager() -> None:
    """Let every function file of a version share one loaded model: each asks for it anew."""
    try:
        packager = importlib.import_module("snowflake.ml.model._packager.model_packager")
    except ImportError:
        return  # handlers that need it will say so
    target = packager.ModelPackager
    original = target.load
    loaded: dict[str, Any] = {}

    def load_once(self: Any, **options: Any) -> Any:
        key = repr((self.local_dir_path, sorted(options.items())))
        if key not in loaded:
            original(self, **options)
            loaded[key] = (self.model, self.meta)
        self.model, self.meta = loaded[key]
        return self.meta

    target.load = load_once


def describe(model: LoadedModel) -> dict[str, Any]:
    """Facts about each loaded method, for the front."""
    sizes: dict[str, Optional[int]] = {
        name: method.marks.max_batch_size for name, method in model.methods.items()
    }
    return {"max_batch_sizes": sizes}
