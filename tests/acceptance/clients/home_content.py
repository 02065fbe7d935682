"""Fill a home with something of every kind, or ask for all of it.

    home_content.py (make | finish | ask)

`make` leaves a service and a model of the warehouse running; `finish` alters and suspends the
service, and drops that model, so that nothing is built where the home is opened. `ask` prints a
JSON object: each question, and its answer without what changes from one start of a server to the
next.
Annotations are evaluated here: the registry looks at those of the model.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from snowflake import connector
from snowflake.connector.connection import SnowflakeConnection

DATABASE, SCHEMA, POOL = "KEPT", "KEPT.S", "KEPT_POOL"
USER, PASSWORD, SECRET = "KEPT_USER", "a-long-Password-1", "a-throw-away-secret"
CHANGING = {
    "connection_url",
    "days_to_expiry",
    "expires_at",
    "ingress_url",
    "is_current",
    "last_success_login",
    "last_used_on",
    "port",
    "repository_url",
    "resumed_on",
    "state_since",
    "status_message",
    "updated_on",
}
"""Columns that tell of the server that answers, of its machine, or of the moment."""
VALUES = (
    "1, 12345678901234.25, 1.5, 'text ä ''quoted''', TRUE, '2026-01-02', '03:04:05.123456', "
    "'2026-01-02 03:04:05.123456', '2026-01-02 03:04:05.123456', "
    "'2026-01-02 03:04:05.123456', TO_BINARY('CAFE', 'HEX'), "
    "PARSE_JSON('{\"a\": [1, \"x\", null]}'), OBJECT_CONSTRUCT('k', 1), ARRAY_CONSTRUCT(1, 'b'), "
    "[1.5, 2.5]::VECTOR(FLOAT, 2)"
)
TABLES = f"""
    CREATE DATABASE KEPT DATA_RETENTION_TIME_IN_DAYS = 0 COMMENT = 'the database';
    CREATE SCHEMA KEPT.S COMMENT = 'the schema';
    CREATE TABLE KEPT.S.EVERY (
      N INT NOT NULL COMMENT 'whole', D NUMBER(20, 2), F FLOAT, T VARCHAR(20), B BOOLEAN, DAY DATE,
      CLOCK TIME, NTZ TIMESTAMP_NTZ, LTZ TIMESTAMP_LTZ, TZ TIMESTAMP_TZ, BYTES BINARY, V VARIANT,
      O OBJECT, A ARRAY, VEC VECTOR(FLOAT, 2), PRIMARY KEY (N)) COMMENT = 'every type';
    INSERT INTO KEPT.S.EVERY SELECT {VALUES};
    INSERT INTO KEPT.S.EVERY (N) VALUES (2);
    CREATE TABLE KEPT.S."mixed Case" (ID INT AUTOINCREMENT START 10 INCREMENT 5, "x y" STRING
      DEFAULT 'none');
    INSERT INTO KEPT.S."mixed Case" ("x y") VALUES ('a'), ('b');
    CREATE TABLE KEPT.S.LOADED (A INT, B STRING);
    CREATE VIEW KEPT.S.SEEN COMMENT = 'a view' AS SELECT N, T FROM KEPT.S.EVERY WHERE N = 1;
    CREATE SEQUENCE KEPT.S.COUNTER START 5 INCREMENT 2 COMMENT = 'a sequence';
    CREATE FILE FORMAT KEPT.S.LINES TYPE = CSV FIELD_DELIMITER = '|' SKIP_HEADER = 1
      COMMENT = 'a format';
    CREATE STAGE KEPT.S.FILES FILE_FORMAT = (FORMAT_NAME = 'KEPT.S.LINES')
      DIRECTORY = (ENABLE = TRUE) COMMENT = 'a stage';
    CREATE WAREHOUSE KEPT_WH WAREHOUSE_SIZE = 'SMALL' AUTO_SUSPEND = 120 COMMENT = 'a warehouse';
    CREATE TAG KEPT.S.TEAM ALLOWED_VALUES 'a', 'b' COMMENT = 'a tag'
"""
ACCESS = f"""
    CREATE ROLE KEPT_ROLE COMMENT = 'a role';
    CREATE ROLE KEPT_ABOVE;
    GRANT ROLE KEPT_ROLE TO ROLE KEPT_ABOVE;
    CREATE USER {USER} PASSWORD = '{PASSWORD}' DEFAULT_ROLE = KEPT_ROLE DEFAULT_WAREHOUSE = KEPT_WH
      DISPLAY_NAME = 'Kept' EMAIL = 'kept@example.com' COMMENT = 'a user';
    GRANT ROLE KEPT_ROLE TO USER {USER};
    GRANT USAGE ON DATABASE KEPT TO ROLE KEPT_ROLE;
    GRANT USAGE ON SCHEMA KEPT.S TO ROLE KEPT_ROLE;
    GRANT SELECT ON TABLE KEPT.S.EVERY TO ROLE KEPT_ROLE WITH GRANT OPTION;
    GRANT READ, WRITE ON STAGE KEPT.S.FILES TO ROLE KEPT_ROLE;
    CREATE NETWORK RULE KEPT.S.HOSTS TYPE = HOST_PORT MODE = EGRESS
      VALUE_LIST = ('example.com:443') COMMENT = 'a rule';
    CREATE SECRET KEPT.S.WORD TYPE = GENERIC_STRING SECRET_STRING = '{SECRET}'
      COMMENT = 'a secret';
    CREATE SECRET KEPT.S.LOGIN TYPE = PASSWORD USERNAME = 'me' PASSWORD = '{SECRET}';
    CREATE SECRET KEPT.S.KEY TYPE = SYMMETRIC_KEY ALGORITHM = GENERIC;
    CREATE EXTERNAL ACCESS INTEGRATION KEPT_OUT ALLOWED_NETWORK_RULES = (KEPT.S.HOSTS)
      ALLOWED_AUTHENTICATION_SECRETS = (KEPT.S.WORD) ENABLED = TRUE COMMENT = 'an integration';
    ALTER USER {USER} ADD PROGRAMMATIC ACCESS TOKEN KEPT_TOKEN ROLE_RESTRICTION = 'KEPT_ROLE'
      DAYS_TO_EXPIRY = 365 COMMENT = 'a token'
"""
SERVICES = f"""
    CREATE COMPUTE POOL {POOL} MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_S
      AUTO_SUSPEND_SECS = 600 WITH TAG (KEPT.S.TEAM = 'a') COMMENT = 'a pool';
    CREATE IMAGE REPOSITORY KEPT.S.REPO COMMENT = 'a repository'
"""
CALLED = """
    CREATE FUNCTION KEPT.S.ADD (a FLOAT, b FLOAT) RETURNS OBJECT STRICT SERVICE = KEPT.S.SVC
      ENDPOINT = inference MAX_BATCH_ROWS = 10 AS '/predict';
    SELECT KEPT.S.BRIEF!PREDICT(1, 2)
"""
AFTER = f"""
    DROP MODEL KEPT.S.BRIEF;
    ALTER MODEL KEPT.S.ADDER SET COMMENT = 'a model';
    ALTER MODEL KEPT.S.ADDER VERSION V2 SET ALIAS = BEST;
    ALTER MODEL KEPT.S.ADDER SET DEFAULT_VERSION = V2;
    ALTER MODEL KEPT.S.ADDER SET TAG KEPT.S.TEAM = 'b';
    GRANT USAGE ON MODEL KEPT.S.ADDER TO ROLE KEPT_ROLE;
    ALTER SERVICE KEPT.S.SVC SET COMMENT = 'a service' MAX_INSTANCES = 2 MIN_INSTANCES = 1
      AUTO_SUSPEND_SECS = 300;
    ALTER SERVICE KEPT.S.SVC SET TAG KEPT.S.TEAM = 'b';
    GRANT SERVICE ROLE KEPT.S.SVC!ALL_ENDPOINTS_USAGE TO ROLE KEPT_ROLE;
    ALTER SERVICE KEPT.S.SVC SUSPEND;
    CALL KEPT.S.SVC!SPCS_WAIT_FOR('SUSPENDED', 60);
    ALTER COMPUTE POOL {POOL} SUSPEND
"""
QUESTIONS = f"""
    SHOW DATABASES LIKE 'KEPT';
    SHOW SCHEMAS IN DATABASE KEPT;
    SHOW PARAMETERS LIKE 'DATA_RETENTION%' IN DATABASE KEPT;
    SHOW TABLES IN SCHEMA KEPT.S;
    SHOW VIEWS IN SCHEMA KEPT.S;
    SHOW SEQUENCES IN SCHEMA KEPT.S;
    SHOW STAGES IN SCHEMA KEPT.S;
    SHOW FILE FORMATS IN SCHEMA KEPT.S;
    SHOW PRIMARY KEYS IN TABLE KEPT.S.EVERY;
    DESCRIBE TABLE KEPT.S.EVERY;
    DESCRIBE TABLE KEPT.S."mixed Case";
    DESCRIBE VIEW KEPT.S.SEEN;
    DESCRIBE STAGE KEPT.S.FILES;
    DESCRIBE FILE FORMAT KEPT.S.LINES;
    SELECT * FROM KEPT.S.EVERY ORDER BY N;
    SELECT * FROM KEPT.S."mixed Case" ORDER BY ID;
    SELECT * FROM KEPT.S.LOADED ORDER BY A;
    SELECT * FROM KEPT.S.SEEN;
    SELECT $1, $2 FROM @KEPT.S.FILES/in ORDER BY 1;
    LIST @KEPT.S.FILES;
    COPY INTO KEPT.S.LOADED FROM @KEPT.S.FILES/in;
    SHOW WAREHOUSES LIKE 'KEPT_WH';
    SHOW TAGS IN SCHEMA KEPT.S;
    SHOW ROLES LIKE 'KEPT%';
    SHOW USERS LIKE 'KEPT%';
    DESCRIBE USER {USER};
    SHOW GRANTS TO USER {USER};
    SHOW GRANTS TO ROLE KEPT_ROLE;
    SHOW GRANTS TO ROLE KEPT_ABOVE;
    SHOW USER PROGRAMMATIC ACCESS TOKENS FOR USER {USER};
    SHOW NETWORK RULES IN SCHEMA KEPT.S;
    DESCRIBE NETWORK RULE KEPT.S.HOSTS;
    SHOW SECRETS IN SCHEMA KEPT.S;
    DESCRIBE SECRET KEPT.S.LOGIN;
    SHOW INTEGRATIONS LIKE 'KEPT%';
    DESCRIBE INTEGRATION KEPT_OUT;
    SHOW MODELS IN SCHEMA KEPT.S;
    SHOW VERSIONS IN MODEL KEPT.S.ADDER;
    SHOW FUNCTIONS IN MODEL KEPT.S.ADDER VERSION V1;
    LIST 'snow://model/KEPT.S.ADDER/versions/V2/';
    SELECT SYSTEM$GET_TAG('KEPT.S.TEAM', 'KEPT.S.ADDER', 'MODULE');
    SHOW COMPUTE POOLS LIKE '{POOL}';
    DESCRIBE COMPUTE POOL {POOL};
    SELECT SYSTEM$GET_TAG('KEPT.S.TEAM', '{POOL}', 'COMPUTE POOL');
    SHOW IMAGE REPOSITORIES IN SCHEMA KEPT.S;
    SHOW IMAGES IN IMAGE REPOSITORY KEPT.S.REPO;
    SHOW SERVICES IN SCHEMA KEPT.S;
    DESCRIBE SERVICE KEPT.S.SVC;
    SHOW ENDPOINTS IN SERVICE KEPT.S.SVC;
    SHOW ROLES IN SERVICE KEPT.S.SVC;
    SHOW GRANTS OF SERVICE ROLE KEPT.S.SVC!ALL_ENDPOINTS_USAGE;
    SHOW SERVICE INSTANCES IN SERVICE KEPT.S.SVC;
    SHOW USER FUNCTIONS IN SCHEMA KEPT.S;
    DESCRIBE FUNCTION KEPT.S.ADD (FLOAT, FLOAT);
    SELECT SYSTEM$GET_SERVICE_STATUS('KEPT.S.SVC')
"""
NEXT = "SELECT KEPT.S.COUNTER.NEXTVAL"


def statements(text: str) -> list[str]:
    """The statements of a text, each on one line."""
    return [" ".join(part.split()) for part in text.split(";")]


def log_models(admin: SnowflakeConnection) -> None:
    """A model with two versions, a service of the first, and a model for the warehouse."""
    import pandas as pd
    from snowflake.ml.model import custom_model
    from snowflake.ml.registry import Registry
    from snowflake.snowpark import Session

    class Adder(custom_model.CustomModel):
        """Adds two numbers."""

        @custom_model.inference_api
        def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
            """The sums."""
            return pd.DataFrame({"TOTAL": frame["A"] + frame["B"]})

    session = Session.builder.configs({"connection": admin}).create()
    registry = Registry(session, database_name=DATABASE, schema_name="S")
    made = [
        registry.log_model(
            Adder(custom_model.ModelContext()),
            model_name=model,
            version_name=name,
            comment=f"version {name}",
            metrics={"rmse": 0.5},
            sample_input_data=pd.DataFrame({"A": [1.0], "B": [2.0]}),
            target_platforms=[platform],
        )
        for model, name, platform in (
            ("ADDER", "V1", "SNOWPARK_CONTAINER_SERVICES"),
            ("ADDER", "V2", "SNOWPARK_CONTAINER_SERVICES"),
            ("BRIEF", "V1", "WAREHOUSE"),
        )
    ]
    made[0].create_service(
        service_name="SVC",
        service_compute_pool=POOL,
        image_repo="KEPT.S.REPO",
        ingress_enabled=True,
        min_instances=1,
        max_instances=1,
        num_workers=1,
    )


def make(admin: SnowflakeConnection) -> None:
    """Put everything in."""
    for statement in statements(TABLES + ";" + ACCESS + ";" + SERVICES):
        admin.cursor().execute(statement)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.csv"
        file.write_text("a|b\n1|one\n2|two\n")
        admin.cursor().execute(f"PUT file://{file} @KEPT.S.FILES/in AUTO_COMPRESS = FALSE")
    admin.cursor().execute("COPY INTO KEPT.S.LOADED FROM @KEPT.S.FILES/in")
    admin.cursor().execute(NEXT)
    admin.cursor().execute("USE SCHEMA KEPT.S")
    log_models(admin)
    for statement in statements(CALLED):
        admin.cursor().execute(statement)


def finish(admin: SnowflakeConnection) -> None:
    """Change what was made, and let it sleep."""
    for statement in statements(AFTER):
        admin.cursor().execute(statement)


def answer(admin: SnowflakeConnection, question: str) -> Any:
    """Names of columns and rows, or the text of the refusal."""
    try:
        cursor = admin.cursor().execute(question)
        rows = cursor.fetchall()
    except connector.errors.ProgrammingError as error:
        return str(error.msg)
    names = [column.name for column in cursor.description]
    changing = {*CHANGING, *(["status"] if "ACCESS TOKENS" in question else [])}
    kept = [at for at, name in enumerate(names) if name not in changing]
    return [[names[at] for at in kept], *([row[at] for at in kept] for row in rows)]


def entered() -> list[Any]:
    """What the user with a password of its own reads, by the grants of its role."""
    user = connector.connect(connection_name="nunatak", user=USER, password=PASSWORD, role=None)
    found = [
        answer(user, "SELECT CURRENT_ROLE(), CURRENT_WAREHOUSE()"),
        answer(user, "SELECT N FROM KEPT.S.EVERY ORDER BY N"),
        answer(user, "SELECT * FROM KEPT.S.LOADED"),
    ]
    user.close()
    return found


def main() -> None:
    """Do as the argument says."""
    admin = connector.connect(connection_name="nunatak")
    if sys.argv[1] == "make":
        make(admin)
        print("null")  # after what the client prints of its progress
    elif sys.argv[1] == "finish":
        finish(admin)
    else:
        found = {question: answer(admin, question) for question in statements(QUESTIONS)}
        found["the user"] = entered()
        print(json.dumps(found, default=str))
    admin.close()


if __name__ == "__main__":
    main()
