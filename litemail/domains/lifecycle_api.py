"""Routes of domains that are changed by hand, removed and restored."""

from litestar import delete, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from litemail.domains import forwarding, lifecycle
from litemail.domains.schemas import EXAMPLE, Domain, DomainUpdate, show
from litemail.kit.actor import requires
from litemail.kit.db import Tx
from litemail.kit.wire import Given, operation


@patch(
    "/domains/{domain:str}",
    **operation(
        "Change a domain",
        description="Fields left out stay as they are. `auto_renew` is for domains that were bought here.",
        group="Domains",
        scope=requires("domains:write"),
        errors=("domain.not_found", "domain.not_purchased"),
        example={**EXAMPLE, "tags": ["outreach"]},
        request_example={"tags": ["outreach"]},
    ),
)
async def change_domain(domain: FromPath[str], data: JSONBody[DomainUpdate], tx: Given[Tx]) -> Domain:
    row = await lifecycle.change(tx, domain, data.changes())
    return show(row, await forwarding.of(tx, row.id))


@delete(
    "/domains/{domain:str}",
    **operation(
        "Remove a domain",
        description="Only one without mailboxes and aliases. Its zone is served no longer; for 30 days it can be "
        "restored with all its records and settings.",
        group="Domains",
        scope=requires("domains:write"),
        errors=("domain.not_found", "domain.in_use"),
    ),
)
async def remove_domain(domain: FromPath[str], tx: Given[Tx]) -> None:
    await lifecycle.remove(tx, domain)


@post(
    "/domains/{domain:str}/restore",
    status_code=200,
    **operation(
        "Restore a removed domain",
        description="Within 30 days, by id or name. It is checked at once and active again when it is still delegated "
        "to its name servers.",
        group="Domains",
        scope=requires("domains:write"),
        errors=(
            "domain.not_found",
            "domain.not_removed",
            "domain.removed_too_long_ago",
            "domain.already_connected",
        ),
        example={**EXAMPLE, "status": "pending", "mailbox_count": 0},
    ),
)
async def restore_domain(domain: FromPath[str], tx: Given[Tx]) -> Domain:
    row = await lifecycle.restore(tx, domain)
    return show(row, await forwarding.of(tx, row.id))


ROUTES: list[HTTPRouteHandler] = [change_domain, remove_domain, restore_domain]
