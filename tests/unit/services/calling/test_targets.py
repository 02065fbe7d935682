"""What a call in SQL means, and who may make it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from nunatak.access.privileges.decide import Decision
from nunatak.access.privileges.requirement import ActingRoles, Requirement, RolesInForce
from nunatak.catalog.names import QualifiedName
from nunatak.catalog.sqltypes import FLOAT
from nunatak.compute.spec import MethodSpec
from nunatak.errors import ObjectNotFound, PrivilegeMissing, Unsupported
from nunatak.services.calling.routes import Route, Routes, RouteTarget
from nunatak.services.calling.targets import CallTargets, ServiceInstances
from nunatak.services.model.changes import Changes
from nunatak.services.model.functions import FunctionSpec, UserFunction
from nunatak.services.model.ports import ServedMethod, ServedModel
from nunatak.services.model.spec import ModelRef
from nunatak.services.model.states import ServiceState
from nunatak.transport.address import UnixAddress
from nunatak.warehouse.core.call_markers import ModelCall
from nunatak.warehouse.core.results import Field
from nunatak.warehouse.core.session import Session
from nunatak.warehouse.model_calls.arguments import MethodParameter, MethodSignature

SESSION = Session(id=1, user="ADA", role="R", database="D", schema="S")


def method(name: str, *, kind: str = "FUNCTION") -> ServedMethod:
    return ServedMethod(
        spec=MethodSpec(name=name, handler="h", path=name.lower(), kind=kind),
        signature=MethodSignature(
            inputs=(MethodParameter("A", FLOAT),), outputs=(Field("y", FLOAT),)
        ),
    )


class Models:
    """One model, D.S.M, that the warehouse runs."""

    asked: tuple[QualifiedName, str] | None = None

    def resolve(self, model: QualifiedName, version: str) -> ServedModel:
        raise NotImplementedError

    def resolve_for_warehouse(self, model: QualifiedName, version: str) -> ServedModel:
        self.asked = (model, version)
        if model.name not in ("M", "SVC"):
            raise ObjectNotFound("Model", str(model))
        return self.load(ModelRef("D", "S", model.name, version, "v1"))

    def name_of(self, ref: ModelRef) -> QualifiedName:
        return ref.model

    def load(self, ref: ModelRef) -> ServedModel:
        methods = (method("PREDICT"), method("EXPLAIN", kind="TABLE_FUNCTION"))
        return ServedModel(ref=ref, folder=Path("/m"), digest="d", methods=methods)


PREDICT = method("PREDICT")
OF_F = FunctionSpec(
    service=("D", "S", "SVC"), endpoint="inference", path="predict", arguments=(), returns="FLOAT"
)


class World:
    def __init__(self, *granted: str, sees: bool = True) -> None:
        self.granted, self.sees = granted, sees
        self.models = Models()
        self.routes = Routes(changes=Changes(), wake=lambda _: None)
        self.routes.publish(
            [
                Route(
                    service_id=7,
                    service=QualifiedName("D", "S", "SVC"),
                    endpoint="inference",
                    endpoint_id="abc",
                    state=ServiceState.RUNNING,
                    message="",
                    public=True,
                    max_batch_rows=None,
                    methods=(method("PREDICT"), method("__CALL__")),
                    functions=(UserFunction(QualifiedName("D", "S", "F"), PREDICT, OF_F),),
                    targets=(RouteTarget("0", UnixAddress(Path("/s"))),),
                )
            ]
        )
        self.targets = CallTargets(
            routes=self.routes,
            models=self.models,
            warehouse=None,  # type: ignore[arg-type]  # nothing is opened here
            rights=self,
        )

    def owner_of(self, kind: str, title: str) -> str:
        return f"OWNER_OF_{kind}_{title}"

    def decide(self, requirement: Requirement, *, role: ActingRoles) -> Decision:
        role = role.primary if isinstance(role, RolesInForce) else role
        text = f"{requirement.kind} {requirement.object_name} {role}"
        return Decision(text in self.granted, text, is_seen=self.sees)

    def require(self, requirement: Requirement, *, role: ActingRoles) -> None:
        if not (decision := self.decide(requirement, role=role)).is_allowed:
            raise PrivilegeMissing(decision.reason)

    def label(self, *target: str, method: str | None = None, is_model: bool = False) -> str:
        call = ModelCall("F", target, method, is_model=is_model)
        return self.targets.resolve(SESSION, call).label


MODEL = "MODEL D.S.M R"
SERVICE = "SERVICE_ROLE D.S.SVC!INFERENCE_SERVICE_FUNCTION_USAGE R"
ENDPOINTS = "SERVICE_ROLE D.S.SVC!ALL_ENDPOINTS_USAGE R"


def test_a_name_with_a_method_is_the_service_before_the_model() -> None:
    world = World(SERVICE, "MODEL D.S.SVC R")
    assert world.label("SVC", method="PREDICT") == "D.S.SVC!PREDICT"
    assert world.models.asked is None
    world.label("SVC", method="PREDICT", is_model=True)
    assert world.models.asked == (QualifiedName("D", "S", "SVC"), "DEFAULT")


@pytest.mark.parametrize("name", ["PREDICT", "predict"])
def test_a_model_is_found_with_its_method(name: str) -> None:
    assert World(MODEL).label("M", method=name) == "D.S.M!PREDICT"


def test_a_function_is_named_by_service_and_method() -> None:
    world = World(ENDPOINTS)
    assert world.targets.knows_function(SESSION, ("SVC_PREDICT",))
    assert world.targets.knows_function(SESSION, ("D", "S", "SVC___CALL__"))
    assert not world.targets.knows_function(SESSION, ("SUM",))
    assert not world.targets.knows_function(Session(id=2, user="U", role="R"), ("SVC_PREDICT",))
    assert world.label("SVC_PREDICT") == "D.S.SVC!PREDICT"


@pytest.mark.parametrize("target", [("M",), ("SVC",)])
def test_without_a_grant_nothing_is_told(target: Sequence[str]) -> None:
    with pytest.raises(PrivilegeMissing):
        World().label(*target, method="PREDICT")


def test_an_unknown_method_is_refused_with_those_there_are() -> None:
    with pytest.raises(ObjectNotFound, match=r"D\.S\.SVC!FIT.*PREDICT, __CALL__"):
        World(SERVICE).label("SVC", method="FIT")


def test_methods_that_answer_tables_are_refused() -> None:
    with pytest.raises(Unsupported, match="EXPLAIN"):
        World(MODEL).label("M", method="EXPLAIN")


def test_a_service_is_called_where_its_instances_listen() -> None:

    world = World(SERVICE)
    instances = ServiceInstances(world.routes, 7)
    assert instances.ready() == [UnixAddress(Path("/s"))]
    assert instances.wait(threading.Event()) == [UnixAddress(Path("/s"))]


def test_a_function_calls_the_service_with_the_rights_that_its_owner_has_now() -> None:
    function = "FUNCTION D.S.F R"
    owner = ENDPOINTS.replace(" R", " OWNER_OF_FUNCTION_D.S.F")
    assert World(function, owner).label("F") == "D.S.SVC!PREDICT"
    with pytest.raises(PrivilegeMissing, match="FUNCTION"):
        World(owner, ENDPOINTS).label("F")
    with pytest.raises(PrivilegeMissing, match="rights of its owner"):
        World(function, ENDPOINTS, SERVICE).label("F")


def test_a_service_that_may_not_be_seen_is_not_there() -> None:
    hidden, absent = World(MODEL, "MODEL D.S.SVC R", sees=False), World(sees=False)

    assert not hidden.targets.knows_function(SESSION, ("SVC_PREDICT",))
    assert not hidden.targets.knows_function(SESSION, ("F",))
    with pytest.raises(ObjectNotFound, match=r"Function 'D\.S\.SVC_PREDICT' does not"):
        hidden.label("SVC_PREDICT")
    assert hidden.label("SVC", method="PREDICT") == "D.S.SVC!PREDICT"
    assert hidden.models.asked is not None, "the model of that name is meant"
    with pytest.raises(PrivilegeMissing, match="MODEL"):
        absent.label("SVC", method="PREDICT")
