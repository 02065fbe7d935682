"""LitServe: two workers that batch, behind two processes that speak HTTP."""

from typing import Any

import litserve

from benchmarks.frameworks import trees

REQUESTS = 64


class Trees(litserve.LitAPI):
    """Rows in, one number for each out."""

    def setup(self, device: str) -> None:
        """Load the model in this worker."""
        del device
        self.model = trees.load()

    def decode_request(self, request: dict[str, Any]) -> list[list[float]]:
        """The rows of one request."""
        rows: list[list[float]] = request["rows"]
        return rows

    def batch(self, inputs: list[list[list[float]]]) -> list[list[list[float]]]:
        """Requests of any number of rows go together; the model call joins them."""
        return inputs

    def predict(self, tables: list[list[list[float]]]) -> list[list[float]]:
        """One call of the model for the whole batch."""
        return trees.predict_together(self.model, tables)

    def unbatch(self, output: list[list[float]]) -> list[list[float]]:
        """Each request's answers."""
        return output

    def encode_response(self, output: list[float]) -> dict[str, list[float]]:
        """The answer to one request."""
        return {"values": output}


if __name__ == "__main__":
    server = litserve.LitServer(
        Trees(max_batch_size=REQUESTS, batch_timeout=trees.WINDOW_S),
        accelerator="cpu",
        workers_per_device=2,
    )
    server.run(
        host="127.0.0.1",
        port=trees.PORT,
        num_api_servers=2,
        log_level="critical",
        generate_client_file=False,
    )
