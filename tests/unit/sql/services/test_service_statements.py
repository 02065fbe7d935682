"""Pools, repositories, rules, integrations, secrets and services, as clients and people write."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from nunatak.errors import (
    InvalidArgument,
    ObjectExists,
    ObjectInUse,
    ObjectNotFound,
    PrivilegeMissing,
    SyntaxInvalid,
    Unsupported,
)
from nunatak.services.commands.deploy import build_name
from support.plane import DIGEST, QUERY_ID, World, open_world

SPEC = """
models:
- {name: DB.S.M, version: V1}
image_build: {compute_pool: POOL, image_repo: DB.S.REPO, force_rebuild: false,
  external_access_integrations: [PYPI], builder_image: ignored}
service: {name: DB.S.SVC, compute_pool: POOL, ingress_enabled: true, min_instances: 0,
  max_instances: 1, num_workers: 2, unknown_key: 1}
"""
POOL = "CREATE COMPUTE POOL POOL MIN_NODES = 1 MAX_NODES = 2 INSTANCE_FAMILY = CPU_X64_XS"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("os.fsync", lambda _: None)  # a slow disk is not what is tested
    with open_world(tmp_path) as opened:
        yield opened


@pytest.fixture
def deployed(world: World) -> World:
    """A world in which DB.S.SVC runs."""
    prepare(world)
    deploy(world)
    return world


def prepare(world: World) -> None:
    world.rows(POOL)
    world.rows("CREATE IMAGE REPOSITORY DB.S.REPO")
    world.rows(
        "CREATE OR REPLACE NETWORK RULE R MODE = EGRESS TYPE = HOST_PORT "
        "VALUE_LIST = ('Packages.example.com', 'files.example.com:8443')"
    )
    world.rows("CREATE EXTERNAL ACCESS INTEGRATION PYPI ALLOWED_NETWORK_RULES = (R) ENABLED = TRUE")


def deploy(world: World, spec: str = SPEC) -> str:
    text = spec.replace("'", "''")
    return str(world.while_looking(lambda: world.value(f"CALL SYSTEM$DEPLOY_MODEL('{text}')")))


def test_the_clients_deployment_runs(world: World) -> None:
    prepare(world)

    text = deploy(world)

    assert text == "Service DB.S.SVC successfully deployed"
    (container,) = world.rows("SHOW SERVICE CONTAINERS IN SERVICE DB.S.SVC")
    assert container["service_status"] == "RUNNING"
    assert container["instance_id"] == "0"
    assert container["container_name"] == "model-inference"
    build = world.snapshot().builds[0]
    assert build.spec.hosts == ("packages.example.com:443", "files.example.com:8443")


def test_the_build_service_can_be_followed_by_its_name(deployed: World) -> None:
    name = build_name(QUERY_ID)

    (container,) = deployed.rows(f"SHOW SERVICE CONTAINERS IN SERVICE DB.S.{name}")
    log = deployed.value(f"CALL SYSTEM$GET_SERVICE_LOGS('DB.S.{name}', '0', 'model-build')")

    assert (container["service_status"], container["status"]) == ("DONE", "DONE")
    assert "installing everything" in log


def test_a_missing_service_is_told_in_the_words_that_clients_wait_for(world: World) -> None:
    with pytest.raises(ObjectNotFound, match="does not exist"):
        world.rows("SHOW SERVICE CONTAINERS IN SERVICE DB.S.MODEL_BUILD_12345678")


def test_describe_shows_a_specification_that_can_be_read(deployed: World) -> None:
    row = deployed.row("DESC SERVICE DB.S.SVC")

    spec = yaml.safe_load(row["spec"])["spec"]
    assert row["status"] == "RUNNING"
    assert re.fullmatch(r"svc\.[0-9a-f]{6}\.svc\.spcs\.internal", row["dns_name"])
    assert spec["containers"][0]["env"]["SPCS_MODEL_INFERENCE_SERVER__NUM_WORKERS"] == "2"
    assert spec["endpoints"] == [{"name": "inference", "port": 5000, "public": True}]


def test_the_specification_is_only_for_the_owner(deployed: World) -> None:
    deployed.parts.access.grants.grant(
        ["USAGE"], "SERVICE", "DB.S.SVC", role="ANALYST", by="ACCOUNTADMIN"
    )
    deployed.session.role = "ANALYST"

    assert deployed.row("DESCRIBE SERVICE DB.S.SVC")["spec"] is None
    with pytest.raises(PrivilegeMissing, match="MONITOR"):
        deployed.rows("SHOW SERVICE CONTAINERS IN SERVICE DB.S.SVC")


def test_the_endpoint_has_an_address_that_clients_show(deployed: World) -> None:
    deployed.services.addresses.public = "127.0.0.1:8085"

    row = deployed.row("SHOW ENDPOINTS IN SERVICE DB.S.SVC")

    assert (row["name"], row["port"], row["is_public"]) == ("inference", 5000, "true")
    assert row["ingress_url"].startswith("127.0.0.1:8085/ep/e")
    assert row["ingress_url"].endswith(".snowflakecomputing.app")


def test_show_services_by_prefix_pool_and_kind(deployed: World) -> None:
    by_prefix = deployed.rows("SHOW SERVICES IN SCHEMA DB.S STARTS WITH 'SVC'")
    on_pool = deployed.rows("SHOW SERVICES IN COMPUTE POOL POOL")
    services = deployed.rows("SHOW SERVICES EXCLUDE JOBS IN ACCOUNT")
    jobs = deployed.rows("SHOW JOB SERVICES IN DATABASE DB")

    assert [(row["name"], row["status"]) for row in by_prefix] == [("SVC", "RUNNING")]
    assert [row["name"] for row in on_pool] == [build_name(QUERY_ID), "SVC"]
    assert [row["is_job"] for row in services] == ["false"]
    assert [row["is_job"] for row in jobs] == ["true"]


def test_suspend_and_resume(deployed: World) -> None:
    deployed.rows("ALTER SERVICE DB.S.SVC SUSPEND")
    deployed.settle()
    (suspended,) = deployed.rows("SHOW SERVICE CONTAINERS IN SERVICE DB.S.SVC")
    deployed.rows("ALTER SERVICE DB.S.SVC RESUME")
    deployed.settle()

    assert (suspended["service_status"], suspended["instance_id"]) == ("SUSPENDED", None)
    assert deployed.state() == "RUNNING"


def test_properties_are_set_and_unset(deployed: World) -> None:
    deployed.rows(
        "ALTER SERVICE DB.S.SVC SET MIN_INSTANCES = 2 MAX_INSTANCES = 3 AUTO_SUSPEND_SECS = 300 "
        "COMMENT = 'it''s ours'"
    )
    row = deployed.row("SHOW SERVICES LIKE 'SVC'")
    deployed.rows("ALTER SERVICE DB.S.SVC UNSET AUTO_SUSPEND_SECS, COMMENT")

    assert (row["min_instances"], row["max_instances"]) == (2, 3)
    assert (row["auto_suspend_secs"], row["comment"]) == (300, "it's ours")
    assert deployed.row("SHOW SERVICES LIKE 'SVC'")["auto_suspend_secs"] == 0


def test_impossible_bounds_are_refused(deployed: World) -> None:
    with pytest.raises(InvalidArgument, match="MIN_INSTANCES"):
        deployed.rows("ALTER SERVICE DB.S.SVC SET MIN_INSTANCES = 5")


def test_the_specification_of_a_service_is_not_altered(deployed: World) -> None:
    with pytest.raises(InvalidArgument, match="cannot be altered"):
        deployed.rows("ALTER SERVICE DB.S.SVC FROM SPECIFICATION $$x$$")
    with pytest.raises(ObjectNotFound):
        deployed.rows("ALTER SERVICE NONE FROM SPECIFICATION $$x$$")
    assert deployed.rows("ALTER SERVICE IF EXISTS NONE FROM SPECIFICATION $$x$$")


def test_a_dropped_service_is_gone_at_once_and_its_name_free(deployed: World) -> None:
    deployed.rows("DROP SERVICE DB.S.SVC FORCE")

    with pytest.raises(ObjectNotFound):
        deployed.rows("DESCRIBE SERVICE DB.S.SVC")
    assert deployed.rows("SHOW SERVICES EXCLUDE JOBS IN ACCOUNT") == []
    deployed.settle()
    assert deployed.runtime.running == {}
    deployed.query_id = "0" * 31 + "1"
    assert deploy(deployed) == "Service DB.S.SVC successfully deployed"


def test_drop_if_exists(world: World) -> None:
    assert "already dropped" in world.value("DROP SERVICE IF EXISTS DB.S.NOTHING")
    with pytest.raises(ObjectNotFound):
        world.rows("DROP SERVICE DB.S.NOTHING")


def test_logs_of_an_instance(deployed: World) -> None:
    deployed.runtime.log = "hello from the model"

    text = deployed.value("CALL SYSTEM$GET_SERVICE_LOGS('SVC', 0, 'model-inference', 10)")

    assert text == "hello from the model"
    with pytest.raises(ObjectNotFound, match="model-inference"):
        deployed.rows("CALL SYSTEM$GET_SERVICE_LOGS('SVC', '0', 'main')")


STAMPED = """early
2026-11-30T10:00:00.100Z one
2026-11-30T10:00:01.200Z two
  goes on
2026-11-30T10:00:02.300Z three
"""
LOGS: list[tuple[str, str]] = [
    ("500, False, '', True", STAMPED.replace("  goes on", "2026-11-30T10:00:01.200Z   goes on")),
    ("500, FALSE, '', FALSE", "early\none\ntwo\n  goes on\nthree\n"),
    ("2, FALSE, '', FALSE", "  goes on\nthree\n"),
    ("500, FALSE, '2026-11-30T10:00:01.200Z', FALSE", "two\n  goes on\nthree\n"),
    ("500, FALSE, '2026-11-30T11:00:02.300+01:00', FALSE", "three\n"),
    ("500, FALSE, '2026-11-30 10:00:02.300123456', TRUE", ""),
    ("1, FALSE, '2026-11-30T10:00:00Z', TRUE", "2026-11-30T10:00:02.300Z three\n"),
    ("500, FALSE, '2026-11-30T10:00:02Z'", "2026-11-30T10:00:02.300Z three\n"),
    ("500, FALSE", STAMPED),
    ("500, NULL, NULL, NULL", STAMPED),
]


@pytest.mark.parametrize(("arguments", "wanted"), LOGS)
def test_logs_as_the_command_line_asks_for_them(
    deployed: World, arguments: str, wanted: str
) -> None:
    deployed.runtime.log = STAMPED
    call = f"SYSTEM$GET_SERVICE_LOGS('SVC', '0', 'model-inference', {arguments})"
    assert deployed.value(f"call {call};") == wanted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("500, 'maybe', '', FALSE", "previous logs"),
        ("500, FALSE, 'yesterday', FALSE", "'yesterday' is no timestamp"),
        ("500, FALSE, '', 'maybe'", "include timestamps"),
        ("0, FALSE, '', FALSE", "between 1 and 10000"),
        ("500, FALSE, '', FALSE, 1", "takes 3 to 7 arguments"),
    ],
)
def test_wrong_arguments_of_logs_are_named(deployed: World, arguments: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        deployed.rows(f"CALL SYSTEM$GET_SERVICE_LOGS('SVC', '0', 'model-inference', {arguments})")


def test_the_log_of_a_build_heeds_its_arguments(deployed: World) -> None:
    call = f"SYSTEM$GET_SERVICE_LOGS('DB.S.{build_name(QUERY_ID)}', '0', 'model-build'"
    whole = str(deployed.value(f"CALL {call})"))
    assert whole.count("\n") > 1
    assert deployed.value(f"CALL {call}, 1)") == whole.splitlines(keepends=True)[-1]
    assert not str(deployed.value(f"CALL {call}, 500, FALSE, '', FALSE)")).startswith("20")
    with pytest.raises(InvalidArgument, match="no log of an earlier run"):
        deployed.rows(f"CALL {call}, 500, TRUE)")


GATEWAYS = [
    "CREATE GATEWAY g FROM SPECIFICATION $$spec: {type: traffic_split}$$",
    "CREATE OR REPLACE GATEWAY IF NOT EXISTS db.s.g FROM SPECIFICATION $$a$$",
    "ALTER GATEWAY g SET COMMENT = 'x'",
    "DESC GATEWAY g",
    "DESCRIBE GATEWAY g",
    "DROP GATEWAY IF EXISTS g",
    "SHOW GATEWAYS",
    "SHOW GATEWAYS LIKE 'g%' IN SCHEMA DB.S",
]


@pytest.mark.parametrize("statement", GATEWAYS)
def test_gateways_are_refused_by_name(world: World, statement: str) -> None:
    with pytest.raises(Unsupported, match="Unsupported feature 'GATEWAY'"):
        world.rows(statement)


@pytest.mark.parametrize(
    "given",
    [
        "autocapture: true",
        "autocapture: 'true'",
        "autocapture: 1",
        "inference_engine_spec: {inference_engine_name: python_generic, autocapture: true}",
        "inference_engine_spec: {inference_engine_args: ['--autocapture']}",
        "inference_engine_spec: {inference_engine_args: ['--enable-autocapture=true']}",
    ],
)
def test_capturing_is_refused_when_a_model_is_deployed(world: World, given: str) -> None:
    prepare(world)
    with pytest.raises(Unsupported, match=r"Feature autocapture is not supported\."):
        deploy(world, SPEC.replace("unknown_key: 1", given))
    assert world.rows("SHOW SERVICES") == []


@pytest.mark.parametrize("given", ["autocapture: false", "autocapture: null", "autocapture: 'off'"])
def test_capturing_may_be_switched_off(world: World, given: str) -> None:
    prepare(world)
    deploy(world, SPEC.replace("unknown_key: 1", given))
    assert variables(world)["SPCS_MODEL_INFERENCE_SERVER__AUTOCAPTURE_ENABLED"] == "false"


def variables(world: World) -> dict[str, str]:
    spec = yaml.safe_load(world.row("DESC SERVICE DB.S.SVC")["spec"])
    found: dict[str, str] = spec["spec"]["containers"][0]["env"]
    return found


def test_capturing_is_refused_in_a_services_specification(deployed: World) -> None:
    text = deployed.row("DESC SERVICE DB.S.SVC")["spec"]
    variable = "SPCS_MODEL_INFERENCE_SERVER__AUTOCAPTURE_ENABLED: 'false'"
    assert variable in text
    create = "CREATE SERVICE DB.S.{} IN COMPUTE POOL POOL FROM SPECIFICATION $${}$$"
    deployed.rows(create.format("OWN", text))
    for wanted in (variable.replace("'false'", "'true'"), variable + "\n      autocapture: true"):
        changed = text.replace(variable, wanted)
        for statement in (
            create.format("COPY", changed),
            f"ALTER SERVICE DB.S.OWN FROM SPECIFICATION $${changed}$$",
        ):
            with pytest.raises(Unsupported, match="autocapture"):
                deployed.rows(statement)


def test_capturing_cannot_be_switched_on_later(deployed: World) -> None:
    for statement in (
        "ALTER SERVICE SVC SET AUTOCAPTURE = TRUE",
        "ALTER SERVICE SVC AUTOCAPTURE = TRUE",
    ):
        with pytest.raises(Unsupported, match=r"Feature autocapture is not supported\."):
            deployed.rows(statement)
    deployed.rows("ALTER SERVICE SVC SET AUTOCAPTURE = FALSE")
    deployed.rows("ALTER SERVICE SVC UNSET AUTOCAPTURE")


@pytest.mark.parametrize(
    ("written", "column", "value"),
    [
        ("MIN_INSTANCES = 2 MAX_INSTANCES = 3", "min_instances", 2),
        ("MAX_INSTANCES = 3", "max_instances", 3),
        ("SET MAX_INSTANCES = 3", "max_instances", 3),
        ("AUTO_SUSPEND_SECS = 600", "auto_suspend_secs", 600),
        ("AUTO_RESUME = FALSE", "auto_resume", "false"),
        ("COMMENT = 'it''s'", "comment", "it's"),
    ],
)
def test_properties_may_be_set_without_the_word(
    deployed: World, written: str, column: str, value: object
) -> None:
    deployed.rows(f"ALTER SERVICE SVC {written}")
    assert deployed.row("DESC SERVICE DB.S.SVC")[column] == value


@pytest.mark.parametrize("written", ["", "SET", "MINIMUM = 1", "MIN_INSTANCES", "STOP"])
def test_what_is_no_property_is_refused(deployed: World, written: str) -> None:
    with pytest.raises(SyntaxInvalid):
        deployed.rows(f"ALTER SERVICE SVC {written}")


def test_status_as_older_clients_ask_for_it(deployed: World) -> None:
    (entry,) = json.loads(deployed.value("CALL SYSTEM$GET_SERVICE_STATUS('DB.S.SVC', 5)"))

    assert (entry["status"], entry["serviceName"]) == ("READY", "SVC")


def test_a_deployment_needs_its_privileges(world: World) -> None:
    prepare(world)
    world.session.role = "ANALYST"

    with pytest.raises(PrivilegeMissing, match="CREATE SERVICE"):
        deploy(world)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[]", "YAML map"),
        ("models: [", "not valid YAML"),
        ("{models: [], service: {}}", "exactly one model"),
        ("{models: [{name: M, version: V1}]}", "'service'"),
        ("{models: [{name: M, version: V1}], service: {name: X}}", "compute_pool"),
        (
            "{models: [{name: M, version: V1}], service: {name: X, compute_pool: P, cpu: lots}}",
            "number of CPUs",
        ),
    ],
)
def test_a_malformed_deployment_says_what_is_wrong(world: World, text: str, what: str) -> None:
    with pytest.raises(InvalidArgument, match=what):
        deploy(world, text)


def test_an_engine_that_is_not_offered_is_named(world: World) -> None:
    spec = SPEC.replace("num_workers: 2", "inference_engine_spec: {inference_engine_name: vllm}")

    with pytest.raises(Unsupported, match="vllm"):
        deploy(world, spec)


def test_a_pool_starts_and_is_shown(world: World) -> None:
    world.rows(POOL)
    starting = world.row("SHOW COMPUTE POOLS LIKE 'POOL'")
    world.settle()
    row = world.row("DESCRIBE COMPUTE POOL POOL")

    assert starting["state"] == "STARTING"
    assert (row["state"], row["idle_nodes"], row["auto_resume"]) == ("IDLE", 1, "true")
    assert (row["min_nodes"], row["max_nodes"]) == (1, 2)
    (node,) = world.rows("SHOW NODES IN COMPUTE POOL POOL")
    assert (node["state"], node["vcpu"]) == ("IDLE", 1.0)


def test_a_family_larger_than_the_machine_is_said_so(world: World) -> None:
    world.rows(POOL.replace("CPU_X64_XS", "CPU_X64_L"))

    message = world.row("DESCRIBE COMPUTE POOL POOL")["status_message"]

    assert "has 2 CPU, 8.0 GiB here, not 28 CPU" in message


def test_a_pool_with_services_is_not_dropped(deployed: World) -> None:
    with pytest.raises(ObjectInUse, match="SVC"):
        deployed.rows("DROP COMPUTE POOL POOL")

    deployed.rows("ALTER COMPUTE POOL POOL STOP ALL")
    deployed.settle()
    assert "dropped" in deployed.value("DROP COMPUTE POOL POOL")


def test_a_suspended_pool_suspends_its_services_and_brings_them_back(deployed: World) -> None:
    deployed.rows("ALTER COMPUTE POOL POOL SUSPEND")
    deployed.settle()
    states = (deployed.state(), deployed.row("SHOW COMPUTE POOLS")["state"])
    deployed.rows("ALTER COMPUTE POOL POOL RESUME")
    deployed.settle()

    assert states == ("SUSPENDED", "SUSPENDED")
    assert deployed.state() == "RUNNING"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("MIN_NODES = 0 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S", "above 0"),
        ("MIN_NODES = 2 MAX_NODES = 1 INSTANCE_FAMILY = CPU_X64_S", "MAX_NODES"),
        ("MIN_NODES = 1 MAX_NODES = 1", "INSTANCE_FAMILY"),
        ("MIN_NODES = 1 MAX_NODES = 1 INSTANCE_FAMILY = HUGE", "CPU_X64_XS"),
    ],
)
def test_a_pool_that_cannot_be_says_why(world: World, text: str, what: str) -> None:
    with pytest.raises(InvalidArgument, match=what):
        world.rows(f"CREATE COMPUTE POOL P {text}")


def test_pool_words_that_do_not_go_together(world: World) -> None:
    with pytest.raises(SyntaxInvalid):
        world.rows("CREATE OR REPLACE COMPUTE POOL P MIN_NODES = 1")
    world.rows(POOL)
    with pytest.raises(ObjectExists):
        world.rows(POOL)
    assert "already exists" in world.value(POOL.replace("POOL POOL", "POOL IF NOT EXISTS POOL"))


def test_all_documented_families_are_known(world: World) -> None:
    names = {row["name"] for row in world.rows("SHOW COMPUTE POOL INSTANCE FAMILIES")}

    assert {"CPU_X64_XS", "CPU_X64_L", "HIGHMEM_X64_M", "GPU_NV_S", "GEN_X64_G2_8"} <= names


def test_rules_integrations_and_repositories_are_shown(world: World) -> None:
    prepare(world)

    rule = world.row("DESCRIBE NETWORK RULE R")
    shown = world.row("SHOW EXTERNAL ACCESS INTEGRATIONS LIKE 'PYPI'")
    described = {row["property"]: row for row in world.rows("DESC INTEGRATION PYPI")}
    repository = world.row("SHOW IMAGE REPOSITORIES LIKE 'REPO' IN SCHEMA DB.S")

    assert rule["value_list"] == "packages.example.com:443,files.example.com:8443"
    assert shown["enabled"] == "true"
    assert described["ALLOWED_NETWORK_RULES"]["property_value"] == "[DB.S.R]"
    assert (
        repository["repository_url"]
        == world.row("DESC IMAGE REPOSITORY DB.S.REPO")["repository_url"]
    )
    address = world.parts.addresses.repository_url("/db/s/repo")
    assert repository["repository_url"] == address


def test_images_of_a_repository(deployed: World) -> None:
    (image,) = deployed.rows("SHOW IMAGES IN IMAGE REPOSITORY DB.S.REPO")

    assert image["digest"] == f"sha256:{DIGEST}"
    assert image["image_path"] == f"/db/s/repo/model-inference@sha256:{DIGEST}"


@pytest.mark.parametrize("value", ["0.0.0.0:8080", "host.example.com:81", "a b", "host:99999"])
def test_hosts_that_no_rule_may_name(world: World, value: str) -> None:
    with pytest.raises(InvalidArgument):
        world.rows(f"CREATE NETWORK RULE R MODE = EGRESS TYPE = HOST_PORT VALUE_LIST = ('{value}')")


def test_a_disabled_integration_does_not_open_the_network(world: World) -> None:
    prepare(world)
    world.rows("ALTER EXTERNAL ACCESS INTEGRATION PYPI SET ENABLED = FALSE")

    with pytest.raises(InvalidArgument, match="disabled"):
        deploy(world)


def test_a_secret_is_kept_encrypted_and_never_shown(world: World) -> None:
    world.rows("CREATE SECRET TOK TYPE = GENERIC_STRING SECRET_STRING = 'open sesame'")
    world.rows("CREATE SECRET LOGIN TYPE = PASSWORD USERNAME = 'me' PASSWORD = 'hidden'")
    world.rows("ALTER SECRET LOGIN SET PASSWORD = 'new one'")

    shown = world.rows("SHOW SECRETS") + world.rows("DESCRIBE SECRET LOGIN")

    assert "open sesame" not in str(shown)
    assert "new one" not in str(shown)
    stored = b"".join(file.read_bytes() for file in world.settings.home.glob("catalog.sqlite*"))
    assert b"open sesame" not in stored
    assert (world.settings.home / "keys" / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_a_role_sees_only_what_it_has_a_privilege_on(deployed: World) -> None:
    deployed.session.role = "ANALYST"

    assert deployed.rows("SHOW SERVICES IN ACCOUNT") == []
    assert deployed.rows("SHOW COMPUTE POOLS") == []
    with pytest.raises(ObjectNotFound):
        deployed.rows("ALTER SERVICE DB.S.SVC SUSPEND")


def test_a_specification_can_be_read_changed_and_run_as_ones_own(deployed: World) -> None:
    spec = deployed.row("DESCRIBE SERVICE SVC")["spec"].replace(
        "NUM_WORKERS: '2'", "NUM_WORKERS: '1'"
    )
    deployed.rows("ALTER COMPUTE POOL POOL SET MAX_NODES = 2")

    deployed.rows(
        f"CREATE SERVICE MINE IN COMPUTE POOL POOL FROM SPECIFICATION $${spec}$$ MAX_INSTANCES = 1"
    )
    deployed.settle()

    row = deployed.row("DESCRIBE SERVICE MINE")
    assert (row["status"], row["auto_suspend_secs"]) == ("RUNNING", 0)
    assert yaml.safe_load(row["spec"])["spec"] == yaml.safe_load(spec)["spec"]


def test_a_template_is_filled(deployed: World) -> None:
    spec = deployed.row("DESCRIBE SERVICE SVC")["spec"].replace("'2'", "'{{ workers }}'")
    text = f"CREATE SERVICE T IN COMPUTE POOL POOL FROM SPECIFICATION_TEMPLATE $${spec}$$ USING "

    with pytest.raises(InvalidArgument, match="workers"):
        deployed.rows(text + "(other => 1)")
    deployed.rows(text + "(workers => 3)")

    spec = yaml.safe_load(deployed.row("DESCRIBE SERVICE T")["spec"])["spec"]
    assert spec["containers"][0]["env"]["SPCS_MODEL_INFERENCE_SERVER__NUM_WORKERS"] == "3"


def test_a_plain_container_is_refused_with_the_reason(world: World) -> None:
    world.rows(POOL)
    spec = "{spec: {containers: [{name: main, image: /db/s/repo/nginx:latest}]}}"

    with pytest.raises(Unsupported, match="no container engine"):
        world.rows(f"CREATE SERVICE X IN COMPUTE POOL POOL FROM SPECIFICATION '{spec}'")


def test_a_function_of_ones_own_on_an_endpoint(deployed: World) -> None:
    text = (
        "CREATE FUNCTION F (x FLOAT) RETURNS {} SERVICE = SVC ENDPOINT = inference "
        "MAX_BATCH_ROWS = 10 AS '/{}'"
    )
    deployed.rows(text.format("DOUBLE PRECISION", "predict"))
    found = deployed.services.routes.by_user_function(deployed.session.qualify(("F",)))

    assert found is not None
    route, method = found
    assert (route.max_batch_rows, method.spec.path) == (10, "predict")
    assert method.signature.is_native
    assert deployed.row("SHOW FUNCTIONS IN SCHEMA DB.S")["arguments"] == "F(FLOAT) RETURN FLOAT"
    deployed.rows("COMMENT ON FUNCTION F (FLOAT) IS 'of mine'")
    assert deployed.row("SHOW FUNCTIONS IN SCHEMA DB.S")["description"] == "of mine"
    deployed.rows("ALTER FUNCTION IF EXISTS F(FLOAT) UNSET COMMENT")
    assert deployed.row("SHOW FUNCTIONS IN SCHEMA DB.S")["description"] == "user-defined function"
    deployed.rows("DROP FUNCTION F(FLOAT)")
    assert deployed.services.routes.by_user_function(deployed.session.qualify(("F",))) is None
    with pytest.raises(InvalidArgument, match="/predict"):
        deployed.rows(text.format("OBJECT", "nothing"))


def test_a_function_with_a_patience_of_its_own(deployed: World) -> None:
    text = "CREATE OR REPLACE FUNCTION F (x FLOAT) RETURNS OBJECT SERVICE = SVC "
    text += "ENDPOINT = inference"
    own = "MAX_BATCH_RETRIES = 0 BATCH_TIMEOUT_SECS = 30 ON_BATCH_FAILURE = ABORT"
    deployed.rows(f"{text} {own} AS '/predict'")
    found = deployed.services.routes.by_user_function(deployed.session.qualify(("F",)))

    assert found is not None
    assert (found[0].batches.timeout_s, found[0].batches.retries) == (30, 0)
    with pytest.raises(InvalidArgument, match="BATCH_TIMEOUT_SECS"):
        deployed.rows(f"{text} BATCH_TIMEOUT_SECS = 0 AS '/predict'")
    with pytest.raises(InvalidArgument, match="ABORT or RETURN_NULL"):
        deployed.rows(f"{text} ON_BATCH_FAILURE = IGNORE AS '/predict'")


def test_a_function_says_what_it_is(deployed: World) -> None:
    deployed.rows(
        "CREATE FUNCTION F (x FLOAT) RETURNS OBJECT NOT NULL STRICT IMMUTABLE SERVICE = SVC "
        "ENDPOINT = inference MAX_BATCH_ROWS = 7 ON_BATCH_FAILURE = RETURN_NULL AS '/predict'"
    )
    found = deployed.services.routes.by_user_function(deployed.session.qualify(("F",)))
    shown = {row["property"]: row["value"] for row in deployed.rows("DESC FUNCTION F (FLOAT)")}

    assert found is not None
    assert (found[0].batches.strict, found[0].batches.null_on_failure) == (True, True)
    assert found[1].signature.is_nullable
    assert shown["signature"] == "(X FLOAT)"
    assert shown["null handling"] == "RETURNS NULL ON NULL INPUT"
    assert shown["service"] == "DB.S.SVC"
    assert (shown["body"], shown["max_batch_rows"]) == ("/predict", "7")
    assert shown["on_batch_failure"] == "RETURN_NULL"
    with pytest.raises(ObjectNotFound):
        deployed.rows("DESCRIBE FUNCTION NOPE ()")


def test_a_function_without_a_service_is_not_offered(world: World) -> None:
    with pytest.raises(Unsupported, match="functions on services"):
        world.rows("CREATE FUNCTION F (x FLOAT) RETURNS FLOAT AS '/x'")


def test_a_change_that_instances_are_started_with_replaces_them(deployed: World) -> None:
    (before,) = deployed.runtime.running

    deployed.rows("ALTER SERVICE SVC SET LOG_LEVEL = 'DEBUG'")
    deployed.settle()

    (after,) = deployed.runtime.running
    assert after != before
    assert deployed.runtime.specs[after].log_level == "DEBUG"
