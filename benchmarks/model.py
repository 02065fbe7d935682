"""The model of all measurements: XGBoost, 100 trees of depth 6, 20 numbers in, one out."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environments import ENVS, MODEL, ROOT, environment

_PACKER = ROOT / "tests" / "support" / "make_model.py"


@dataclass(frozen=True)
class PackedModel:
    """The model as the official client logs it (``folder``), and the library's own file in it."""

    folder: Path
    booster: Path
    python: Path

    def bodies(self, folder: Path, rows: int, count: int, *, arrow: bool = False) -> list[str]:
        """Files with ``count`` different request bodies of so many rows."""
        return self._tool("bodies", folder, rows, count, "arrow" if arrow else "json")

    def answers(self, rows: int, count: int) -> list[list[float]]:
        """What the model in memory answers to each of these `bodies`."""
        return [json.loads(line) for line in self._tool("answers", self.booster, rows, count, "")]

    def rows_per_s(self, rows: int, seconds: float) -> float:
        """How fast the model is in memory, called with frames of so many rows, on all cores."""
        return float(self._tool("memory", self.booster, rows, 0, str(seconds))[0])

    def one_row_ms(self, seconds: float) -> float:
        """How long the model takes for one row, on one core: a second one only gets in its way."""
        alone = {"OMP_NUM_THREADS": "1"}
        return 1000 / float(self._tool("memory", self.booster, 1, 0, str(seconds), **alone)[0])

    def _tool(
        self, what: str, path: Path, rows: int, count: int, how: str, **environ: str
    ) -> list[str]:
        tool = Path(__file__).with_name("model_tool.py")
        command = [str(self.python), str(tool), what, str(path), str(rows), str(count), how]
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | environ
        )
        lines: list[str] = json.loads(done.stdout)
        return lines


def packed_model() -> PackedModel:
    """Train and pack the model, once."""
    python = environment("model", MODEL)
    folder = ENVS / "model-xgboost"
    if not (folder / "MANIFEST.yml").exists():
        subprocess.run(
            [str(python), str(_PACKER), "xgboost_regressor", str(folder)],
            check=True,
            capture_output=True,
        )
    booster = next(folder.glob("model/models/*/model.ubj"))
    return PackedModel(folder, booster, python)
