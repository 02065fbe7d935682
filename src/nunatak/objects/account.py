"""Front of the room: the services for objects of the account, made once and handed to callers."""

from __future__ import annotations

from dataclasses import dataclass

from nunatak.access.service import Access
from nunatak.catalog.objects import Objects
from nunatak.catalog.store import Catalog
from nunatak.config import Settings
from nunatak.objects.databases import Databases
from nunatak.objects.functions import Functions
from nunatak.objects.network import Integrations, NetworkRules
from nunatak.objects.places import Places
from nunatak.objects.pools import Pools
from nunatak.objects.repositories import ImageRepositories
from nunatak.objects.roles import RoleAccounts
from nunatak.objects.ruled import RuledObjects
from nunatak.objects.secrets import Secrets
from nunatak.objects.sequences import Sequences
from nunatak.objects.tags import Tags
from nunatak.objects.users import UserAccounts
from nunatak.objects.warehouses import Warehouses
from nunatak.services.assembly import Services
from nunatak.services.commands.repository_images import RepositoryImages
from nunatak.services.model.vault import Vault


@dataclass(frozen=True, kw_only=True)
class AccountObjects:
    """Services for objects of the account. They take names, options and the role that acts as
    plain values, and each call is one transaction; who may is decided before."""

    plain: Objects
    places: Places
    users: UserAccounts
    roles: RoleAccounts
    databases: Databases
    sequences: Sequences
    warehouses: Warehouses
    tags: Tags
    pools: Pools
    functions: Functions
    secrets: RuledObjects
    network_rules: RuledObjects
    integrations: RuledObjects
    repositories: ImageRepositories
    images: RepositoryImages

    @classmethod
    def of(
        cls,
        settings: Settings,
        catalog: Catalog,
        *,
        access: Access,
        databases: Databases,
        sequences: Sequences,
        services: Services,
        vault: Vault,
    ) -> AccountObjects:
        """The services over one catalog; services that run follow what concerns them."""
        announce, refresh = services.commands.announce, services.control.refresh
        return cls(
            plain=Objects(catalog),
            places=Places(catalog),
            users=UserAccounts(access, settings),
            roles=RoleAccounts(catalog, access),
            databases=databases,
            sequences=sequences,
            warehouses=Warehouses(catalog),
            tags=Tags(catalog),
            pools=Pools(catalog, services),
            functions=Functions(catalog, routes=services.routes, refresh=refresh),
            secrets=RuledObjects(catalog, Secrets(vault), announce=announce),
            network_rules=RuledObjects(catalog, NetworkRules(), announce=announce),
            integrations=RuledObjects(catalog, Integrations(), announce=announce),
            repositories=ImageRepositories(catalog, services.addresses),
            images=RepositoryImages(catalog),
        )
