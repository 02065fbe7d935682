"""The parts of a server by name, as tests reach for them, and what hands them to handlers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

from nunatak.access.service import Access
from nunatak.audit.log import AuditLog
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog
from nunatak.compute.families import Families
from nunatak.compute.nodes import Machine
from nunatak.config import Settings
from nunatak.disk import Disk
from nunatak.models.dropping import ModelDropper
from nunatak.models.editing import ModelEditor
from nunatak.models.live_versions import LiveVersions
from nunatak.models.making import ModelMaker
from nunatak.models.objects import ModelObjects
from nunatak.models.registry import Models
from nunatak.objects.account import account_objects
from nunatak.objects.databases import Databases, Schemas
from nunatak.objects.functions import Functions
from nunatak.objects.granting.granting import Granting
from nunatak.objects.network import IntegrationObjects, NetworkRuleObjects
from nunatak.objects.places import Places
from nunatak.objects.pools import Pools
from nunatak.objects.repositories import ImageRepositories
from nunatak.objects.roles import RoleAccounts
from nunatak.objects.secrets import SecretObjects
from nunatak.objects.sequences import Sequences
from nunatak.objects.tags import Tags
from nunatak.objects.users import UserAccounts
from nunatak.objects.warehouses import Warehouses
from nunatak.services.assembly import Services
from nunatak.services.calling.addresses import Addresses
from nunatak.services.calling.routes import Routes
from nunatak.services.commands.commands import ServiceCommands
from nunatak.services.commands.create import Creator
from nunatak.services.commands.deploy import Deployments
from nunatak.services.commands.repository_images import RepositoryImages
from nunatak.services.control import ControlPlane
from nunatak.services.model.runtime_config import LiveSource
from nunatak.services.model.vault import Vault
from nunatak.services.watching.logs import Logs
from nunatak.services.watching.monitor import Monitor, ShownServices
from nunatak.sql.language.injection import Injector
from nunatak.sql.language.queries import QueryControl
from nunatak.stages.records import FileFormatRecords, StageRecords
from nunatak.stages.service import Stages
from nunatak.warehouse.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class AccountParts:
    """The services that keep objects of the account."""

    plain: Objects
    places: Places
    users: UserAccounts
    roles: RoleAccounts
    granting: Granting
    databases: Databases
    schemas: Schemas
    sequences: Sequences
    warehouses: Warehouses
    tags: Tags
    pools: Pools
    functions: Functions
    secrets: SecretObjects
    network_rules: NetworkRuleObjects
    integrations: IntegrationObjects
    repositories: ImageRepositories
    images: RepositoryImages
    stages: StageRecords
    file_formats: FileFormatRecords


def account_parts(
    settings: Settings,
    catalog: Catalog,
    *,
    access: Access,
    databases: Databases,
    schemas: Schemas,
    sequences: Sequences,
    services: Services,
    vault: Vault,
) -> AccountParts:
    """Those that a server has."""
    made = account_objects(settings, catalog, access=access, services=services, vault=vault)
    made |= {Databases: databases, Schemas: schemas, Sequences: sequences}
    found = {name: made[kind] for name, kind in get_type_hints(AccountParts).items()}
    return AccountParts(**found)


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The parts; a test has those that it needs."""

    settings: Settings
    disk: Disk
    catalog: Catalog
    access: Access
    stages: Stages
    objects: AccountParts
    models: Models
    warehouse: Warehouse
    queries: QueryControl
    audit: AuditLog
    control: ControlPlane
    services: ServiceCommands
    creator: Creator
    deployments: Deployments
    monitor: Monitor
    shown: ShownServices
    logs: Logs
    inputs: LiveSource
    routes: Routes
    addresses: Addresses
    families: Families
    machine: Machine


def injector_of(parts: Parts) -> Injector:
    """What calls handlers with those parts, each by its type, as far as there are some."""
    objects = getattr(parts, "objects", None)
    found = {
        Settings: "settings",
        Disk: "disk",
        Catalog: "catalog",
        Access: "access",
        Stages: "stages",
        Models: "models",
        Warehouse: "warehouse",
        QueryControl: "queries",
        AuditLog: "audit",
        ControlPlane: "control",
        ServiceCommands: "services",
        Creator: "creator",
        Deployments: "deployments",
        Monitor: "monitor",
        ShownServices: "shown",
        Logs: "logs",
        LiveSource: "inputs",
        Routes: "routes",
        Addresses: "addresses",
        Families: "families",
        Machine: "machine",
    }
    keeping = {
        Objects: "plain",
        Places: "places",
        UserAccounts: "users",
        RoleAccounts: "roles",
        Granting: "granting",
        Databases: "databases",
        Schemas: "schemas",
        Sequences: "sequences",
        Warehouses: "warehouses",
        Tags: "tags",
        Pools: "pools",
        Functions: "functions",
        SecretObjects: "secrets",
        NetworkRuleObjects: "network_rules",
        IntegrationObjects: "integrations",
        ImageRepositories: "repositories",
        RepositoryImages: "images",
        StageRecords: "stages",
        FileFormatRecords: "file_formats",
    }
    changing = {
        ModelMaker: "maker",
        LiveVersions: "live",
        ModelEditor: "editor",
        ModelDropper: "dropper",
    }
    models = getattr(parts, "models", None)
    services = {kind: getattr(parts, name, None) for kind, name in found.items()}
    services |= {kind: getattr(objects, name, None) for kind, name in keeping.items()}
    services |= {kind: getattr(models, name, None) for kind, name in changing.items()}
    services[ModelObjects] = None if models is None else ModelObjects(models)
    return Injector(services)
