"""A small dbt project, from seed to documentation, with a model of every kind.

    tools_dbt.py <empty folder> <connections.toml>

Prints a JSON object: for each command whether it succeeded and what became of each node.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from dbt.cli.main import dbtRunner

FOLDER = Path(sys.argv[1])
CONNECTION = tomllib.loads(Path(sys.argv[2]).read_text())["nunatak"]
FILES = {
    "dbt_project.yml": "name: trial\nversion: '1.0'\nprofile: trial\n",
    "seeds/raw.csv": "id,name,amount,day\n1,a,1.5,2024-01-01\n2,b,2.5,2024-01-02\n3,c,,\n",
    "models/whole.sql": "{{ config(materialized='table') }} select * from {{ ref('raw') }}",
    "models/seen.sql": "{{ config(materialized='view') }} "
    "select id, upper(name) as name from {{ ref('whole') }}",
    "models/grown.sql": "{{ config(materialized='incremental', unique_key='id') }} "
    "select id, name, amount from {{ ref('raw') }} "
    "{% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}",
    "models/schema.yml": """
models:
  - name: whole
    columns:
      - name: id
        data_tests: [unique, not_null]
  - name: seen
    description: the names in upper case
    columns:
      - name: id
        data_tests:
          - relationships: {arguments: {to: ref('whole'), field: id}}
""",
    "snapshots/kept.sql": "{% snapshot kept %}{{ config(target_schema='kept', unique_key='id', "
    "strategy='check', check_cols=['name']) }} select * from {{ ref('raw') }}{% endsnapshot %}",
}
COMMANDS = (
    *(["seed"], ["run"], ["run"], ["snapshot"], ["snapshot"], ["test"]),
    *(["seed", "--full-refresh"], ["run", "--full-refresh"], ["docs", "generate"]),
)


def write_project() -> None:
    """The project's files, and a profile of the connection."""
    for name, text in FILES.items():
        file = FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    output = {name: CONNECTION[name] for name in ("account", "user", "password", "host", "port")}
    output |= {name: CONNECTION[name] for name in ("protocol", "role", "warehouse", "database")}
    output |= {"type": "snowflake", "schema": "trial", "threads": 2}
    profile = {"trial": {"target": "dev", "outputs": {"dev": output}}}
    (FOLDER / "profiles.yml").write_text(yaml.safe_dump(profile))


def run(command: list[str]) -> list[Any]:
    """One command of dbt: whether it succeeded, and the status of each node."""
    common = ["--project-dir", str(FOLDER), "--profiles-dir", str(FOLDER)]
    done = dbtRunner().invoke(["--quiet", "--no-version-check", *command, *common])
    nodes = getattr(done.result, "results", None) or []
    return [done.success, sorted({str(node.status) for node in nodes if hasattr(node, "status")})]


write_project()
commands = [[*command, *run(command)] for command in COMMANDS]
catalog = json.loads((FOLDER / "target" / "catalog.json").read_text())
columns = {name: list(node["columns"]) for name, node in catalog["nodes"].items()}
print(json.dumps({"commands": commands, "columns": columns, "errors": catalog["errors"]}))
