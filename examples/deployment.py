"""What every deployment needs before its model: a pool, a repository, a way out for the build."""

from __future__ import annotations

import argparse
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from snowflake.snowpark import Session


def arguments(description: str) -> argparse.Namespace:
    """The command line that the examples share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--connection", default="nunatak", help="name of a table in connections.toml"
    )
    parser.add_argument(
        "--index-hosts",
        default="",
        help="host:port pairs of the package indexes that builds may reach, separated by commas "
        "(`nunatak index-hosts` prints this machine's)",
    )
    return parser.parse_args()


def prepare(session: Session, index_hosts: str) -> str | None:
    """Create the objects a service is deployed with; answers the integration's name, or None
    when no host was given (builds then reach the server's own package indexes only)."""
    for statement in (
        "CREATE DATABASE IF NOT EXISTS DEMO",
        "CREATE SCHEMA IF NOT EXISTS DEMO.ML",
        "USE SCHEMA DEMO.ML",
        (
            "CREATE COMPUTE POOL IF NOT EXISTS DEMO_POOL MIN_NODES = 1 MAX_NODES = 1 "
            "INSTANCE_FAMILY = CPU_X64_S AUTO_SUSPEND_SECS = 3600"
        ),
        "CREATE IMAGE REPOSITORY IF NOT EXISTS DEMO.ML.IMAGES",
    ):
        session.sql(statement).collect()
    hosts = [host for host in index_hosts.split(",") if host]
    if not hosts:
        return None
    listed = ", ".join(f"'{host}'" for host in hosts)
    for statement in (
        (
            "CREATE OR REPLACE NETWORK RULE DEMO.ML.PACKAGE_INDEXES "
            f"MODE = EGRESS TYPE = HOST_PORT VALUE_LIST = ({listed})"
        ),
        (
            "CREATE OR REPLACE EXTERNAL ACCESS INTEGRATION PACKAGE_INDEXES "
            "ALLOWED_NETWORK_RULES = (DEMO.ML.PACKAGE_INDEXES) ENABLED = TRUE"
        ),
        "CREATE ROLE IF NOT EXISTS DEMO_ENGINEER",
        "GRANT USAGE ON DATABASE DEMO TO ROLE DEMO_ENGINEER",
        "GRANT USAGE ON SCHEMA DEMO.ML TO ROLE DEMO_ENGINEER",
        "GRANT USAGE ON COMPUTE POOL DEMO_POOL TO ROLE DEMO_ENGINEER",
        "GRANT READ ON IMAGE REPOSITORY DEMO.ML.IMAGES TO ROLE DEMO_ENGINEER",
        "GRANT USAGE ON INTEGRATION PACKAGE_INDEXES TO ROLE DEMO_ENGINEER",
    ):
        session.sql(statement).collect()
    return "PACKAGE_INDEXES"


def access_token(session: Session, name: str) -> str:
    """A new programmatic access token of the current user, for calls over HTTP."""
    if _has_token(session, name):
        session.sql(f"ALTER USER ADMIN REMOVE PROGRAMMATIC ACCESS TOKEN {name}").collect()
    row = session.sql(f"ALTER USER ADMIN ADD PROGRAMMATIC ACCESS TOKEN {name}").collect()[0]
    return str(row["token_secret"])


def _has_token(session: Session, name: str) -> bool:
    rows = session.sql("SHOW USER PROGRAMMATIC ACCESS TOKENS FOR USER ADMIN").collect()
    return any(row["name"] == name for row in rows)


def post(url: str, token: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Call an endpoint; answers one dictionary of outputs for each row, in order."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": "application/json",
            "Authorization": f'Snowflake Token="{token}"',
        },
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        rows: Sequence[Sequence[Any]] = json.load(answer)["data"]
    return [row[1] for row in rows]
