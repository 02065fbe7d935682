"""The composition root: every room is made once and handed to those above it."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nunatak.access.bootstrap import DATABASE, WAREHOUSE, share_first_objects
from nunatak.access.privileges.roles import ACCOUNTADMIN
from nunatak.access.service import Access
from nunatak.audit.log import AuditLog
from nunatak.catalog.engine import Database
from nunatak.catalog.objects import Existing
from nunatak.catalog.store import Catalog, Key
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine, detect_machine
from nunatak.compute.process.bounds import InstanceBounds
from nunatak.compute.process.runtime import ProcessRuntime
from nunatak.config import Settings
from nunatak.disk import Disk
from nunatak.images.image import ImageBuilder, ImageLimits
from nunatak.ingress.gate import AccessAuthorities, Gate
from nunatak.ingress.handler import Ingress
from nunatak.ingress.metrics import MetricsPage
from nunatak.models.dropping import ModelDropper
from nunatak.models.editing import ModelEditor
from nunatak.models.live_versions import LiveVersions
from nunatak.models.making import ModelMaker
from nunatak.models.objects import ModelObjects
from nunatak.models.registry import Models
from nunatak.models.snowfiles import ModelFiles
from nunatak.objects.account import account_objects
from nunatak.objects.databases import Databases, Schemas
from nunatak.objects.sequences import Sequences
from nunatak.objects.table_guard import CatalogTableGuard
from nunatak.objects.warehouses import Warehouses
from nunatak.protocol.app import ProtocolApp, audit_log, create_app
from nunatak.protocol.queries import QueryRegistry
from nunatak.protocol.results.kept_results import StoredResults
from nunatak.protocol.results.result_store import ResultStore
from nunatak.protocol.statements.execution import query_registry
from nunatak.protocol.statements.recorded import record_end
from nunatak.services.assembly import Backends, Probes, Services, assemble_services
from nunatak.services.calling.addresses import Addresses
from nunatak.services.calling.model_source import ModelVersions
from nunatak.services.calling.routes import Routes
from nunatak.services.calling.targets import CallTargets
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.create import Creator
from nunatak.services.commands.deploy import Deployments
from nunatak.services.commands.platforms import where_runnable
from nunatak.services.commands.repository_images import images_in_use
from nunatak.services.control import ControlPlane
from nunatak.services.model.runtime_config import LiveSource
from nunatak.services.model.secret_uses import SecretReader
from nunatak.services.model.snapshot import Snapshots
from nunatak.services.model.usage import ServiceUsage
from nunatak.services.model.vault import Vault
from nunatak.services.reconcile.system_pools import prepare_system_pools
from nunatak.services.watching.logs import Logs
from nunatak.services.watching.monitor import Monitor, ShownServices
from nunatak.sql.frontend import FrontEnd
from nunatak.sql.language.functions import functions_in_queries
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.queries import QueryControl
from nunatak.sql.storage.transfers import MODELS, STAGES
from nunatak.stages.folders import tidy
from nunatak.stages.service import Stages
from nunatak.stages.sources import StageFileSource
from nunatak.warehouse.core.hooks import Hooks
from nunatak.warehouse.model_calls.planner import ModelCalls
from nunatak.warehouse.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class Server:
    """The parts of one running server."""

    settings: Settings
    injector: Injector
    app: ProtocolApp
    ingress: Ingress

    @property
    def control(self) -> ControlPlane:
        """The loops that keep services as they are wanted."""
        return self.injector.get(ControlPlane)

    @property
    def access(self) -> Access:
        """Users, roles, tokens."""
        return self.injector.get(Access)

    def prepare(self) -> None:
        """Make what every account has, and remove what a crash left behind."""
        warehouses, databases = self.injector.get(Warehouses), self.injector.get(Databases)
        made = [
            warehouses.create(
                Key("WAREHOUSE", WAREHOUSE), ACCOUNTADMIN, {}, existing=Existing.KEEP
            ),
            databases.create(Key("DATABASE", DATABASE), ACCOUNTADMIN, {}, existing=Existing.KEEP),
        ]
        if not all(one.is_kept for one in made):
            share_first_objects(self.access)
        catalog, warehouse = self.injector.get(Catalog), self.injector.get(Warehouse)
        with catalog.read() as tx:
            known = {record.name for record in tx.list_kind("DATABASE")}
            tidy(self.settings, tx)
        warehouse.engine.expect(known)
        prepare_system_pools(catalog, self.access.grants, self.injector.get(Machine))
        for name in set(warehouse.databases()) - known:
            warehouse.drop_database(name)
        self.injector.get(ModelDropper).collect_garbage()

    def hold_databases(self) -> AbstractContextManager[None]:
        """Meanwhile the databases' files are only appended to."""
        return self.injector.get(Warehouse).hold.held()

    def close(self) -> None:
        """Write and release everything."""
        self.injector.get(Warehouse).close()
        self.injector.get(Catalog).close()


def assemble(settings: Settings, *, port: int) -> Server:
    """Make every room of a server that listens on `port`."""
    disk = Disk.of(settings)
    catalog = Catalog(Database.open(settings.catalog_file))
    access = Access(catalog.database, settings)
    models = _models(settings, catalog)
    vault = Vault(settings.folder("keys"))
    services = _services(settings, catalog, models, access=access, vault=vault)
    services.addresses.public = f"{settings.host}:{port}"
    stages = Stages(catalog, access, settings)
    results = ResultStore.of(settings, disk=disk, clock=access.clock)
    hooks = Hooks(
        planner=ModelCalls(_call_targets(access, models, services)),
        results=StoredResults(results),
        stages=stages,
        guard=CatalogTableGuard(catalog, access, settings),
    )
    audit = audit_log(settings, access.clock)
    queries = query_registry(settings.limits, access.clock, on_end=partial(record_end, audit))
    warehouse = Warehouse(settings, hooks=hooks)
    injector = Injector(
        {
            Settings: settings,
            Disk: disk,
            Catalog: catalog,
            Access: access,
            Stages: stages,
            Warehouse: warehouse,
            QueryControl: queries,
            AuditLog: audit,
            Databases: Databases(catalog, warehouse, models.dropper, settings),
            Schemas: Schemas(catalog, warehouse, models.dropper, settings),
            Sequences: Sequences(catalog, warehouse),
            **_by_models(models),
            **_by_services(services),
            **account_objects(settings, catalog, access=access, services=services, vault=vault),
        }
    )
    warehouse.add_functions(functions_in_queries(injector))
    app = _app(injector, results, queries)
    ingress = _ingress(settings, access, services.routes)
    return Server(settings=settings, injector=injector, app=app, ingress=ingress)


def _by_models(models: Models) -> dict[type, Any]:
    """Services that read and change models, by type."""
    return {
        Models: models,
        ModelObjects: ModelObjects(models),
        ModelMaker: models.maker,
        LiveVersions: models.live,
        ModelEditor: models.editor,
        ModelDropper: models.dropper,
    }


def _by_services(services: Services) -> dict[type, Any]:
    """Parts that ask and tell services that run, by type."""
    return {
        ControlPlane: services.control,
        ServiceCommands: services.commands,
        Creator: services.creator,
        Deployments: services.deployments,
        Monitor: services.monitor,
        ShownServices: services.shown,
        Logs: services.logs,
        LiveSource: services.inputs,
        Addresses: services.addresses,
        Machine: services.machine,
    }


def _models(settings: Settings, catalog: Catalog) -> Models:
    return Models(
        catalog, settings.folder("models"), usage=ServiceUsage(), where_runnable=where_runnable
    )


def _app(injector: Injector, results: ResultStore, queries: QueryRegistry) -> ProtocolApp:
    settings, access = injector.get(Settings), injector.get(Access)
    files = ModelFiles(injector.get(Models))
    return create_app(
        settings=settings,
        access=access,
        statements=FrontEnd(injector),
        results=results,
        disk=injector.get(Disk),
        queries=queries,
        audit=injector.get(AuditLog),
        sources={STAGES: StageFileSource(settings), MODELS: files},
        metrics=MetricsPage(access, injector.get(Monitor).metric_page),
    )


def _services(
    settings: Settings, catalog: Catalog, models: Models, *, access: Access, vault: Vault
) -> Services:
    """Services that run models, for services and in the warehouse."""
    bounds, machine = settings.limits, detect_machine()
    runtime = ProcessRuntime(
        settings.folder("instances"),
        bounds=InstanceBounds(
            processes=bounds.instance_processes,
            open_files=bounds.instance_open_files,
            work_bytes=bounds.instance_work_bytes,
            temporary_bytes=bounds.instance_temporary_bytes,
        ),
        allow_unconfined=settings.allow_unconfined,
    )
    limits = ImageLimits(
        build_s=bounds.build_s,
        quota_bytes=bounds.environments_bytes,
        processes=bounds.build_processes,
        open_files=bounds.build_open_files,
        data_bytes=int(machine.memory_bytes * bounds.build_memory_share),
        allow_unconfined=settings.allow_unconfined,
    )
    builder = ImageBuilder(
        settings.home,
        limits=limits,
        in_use=_InUse(catalog, settings.folder("instances")),
    )
    backends = Backends(
        runtime=runtime,
        builder=builder,
        models=ModelVersions(models),
        secrets=SecretReader(vault, allows=access.allows),
        allows=access.allows,
    )
    families = Families.load(settings.home / "families.yaml")
    snapshots = Snapshots(catalog, families, machine)
    return assemble_services(settings, snapshots, backends, Probes())


def _call_targets(access: Access, models: Models, services: Services) -> CallTargets:
    """Targets of calls of models in SQL: to services, or to the warehouse's own instances."""
    return CallTargets(
        routes=services.routes,
        models=ModelVersions(models),
        warehouse=services.warehouse,
        rights=access,
    )


def _ingress(settings: Settings, access: Access, routes: Routes) -> Ingress:
    return Ingress(
        routes,
        Gate(AccessAuthorities(access)),
        body_limit_bytes=settings.limits.request_body_bytes,
        domain=settings.domain,
    )


@dataclass(frozen=True, slots=True)
class _InUse:
    """Digests of the images of services, and of the environments that instances run in."""

    catalog: Catalog
    instances: Path

    def __call__(self) -> set[str]:
        """Those of now; an environment's folder is its digest."""
        found = set(images_in_use(self.catalog))
        for file in self.instances.glob("*/instance.json"):
            try:
                python = Path(json.loads(file.read_text())["python"][0])
            except (OSError, ValueError, LookupError):
                continue  # the instance is being started or removed
            found.update(part.name for part in python.parents)
        return found
