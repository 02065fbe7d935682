"""Triton with its Python backend, by PyTriton, behind its dynamic batcher."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.frameworks import trees


def predictor() -> Any:
    """The function that Triton calls with a batch."""
    model = trees.load()

    @batch
    def predict(rows: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        return {"values": model.predict(rows)[:, None]}

    return predict


def main() -> None:
    """Serve on loopback until told to stop."""
    folder = Path(os.environ["BENCHMARK_FOLDER"])
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=trees.PORT,
        allow_grpc=False,
        allow_metrics=False,
        log_verbose=0,
    )
    window_us = int(1e6 * trees.WINDOW_S)
    with Triton(config=config, workspace=folder / "workspace") as server:
        server.bind(
            model_name="trees",
            infer_func=predictor(),
            inputs=[Tensor(name="rows", dtype=np.float64, shape=(20,))],
            outputs=[Tensor(name="values", dtype=np.float32, shape=(1,))],
            config=ModelConfig(
                max_batch_size=trees.MOST_ROWS,
                batcher=DynamicBatcher(max_queue_delay_microseconds=window_us),
            ),
        )
        server.serve()


if __name__ == "__main__":
    main()
