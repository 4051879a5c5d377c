"""Routes of aliases, and of the question where mail goes."""

from typing import Annotated, Literal

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from pydantic import Field

from litemail.kit.actor import requires
from litemail.kit.clock import rfc3339
from litemail.kit.db import Tx
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.wire import Given, RequestModel, Timestamp, checked, operation
from litemail.mailboxes import aliases, routing
from litemail.mailboxes.alias_queries import Alias as AliasRow
from litemail.mailboxes.routing import Result, Route
from litemail.protocols.address import parse

_EXAMPLE = {
    "id": "als_01k5m3v8w0e3t9f7a2b4c6d8ee",
    "address": "sales@getbrandmerge.test",
    "created_at": "2026-01-29T18:41:56.867Z",
}


class AliasCreate(RequestModel):
    """`address` is on an active domain of the workspace, whichever."""

    address: Annotated[str, Field(max_length=1000), checked(parse)]


class Alias(msgspec.Struct, frozen=True):
    id: str
    address: str
    created_at: Timestamp


class AddressRoute(msgspec.Struct, frozen=True):
    """`deliver_to` are mailboxes here, `forward_to` addresses outside, `pending` those whose owners have not agreed
    yet. `rule_id` is the forwarding or catch-all that counts; `reason` says why mail is rejected.
    """

    address: str
    result: Result
    mailbox_id: str | None
    deliver_to: list[str]
    forward_to: list[str]
    pending: list[str]
    rule_id: str | None
    reason: Literal["unknown", "disabled"] | None


@get(
    "/mailboxes/{mailbox_id:str}/aliases",
    **operation(
        "List the aliases of a mailbox",
        group="Mailboxes",
        scope=requires("mailboxes:read"),
        errors=("mailbox.not_found", "request.bad_cursor"),
        example={"data": [_EXAMPLE], "next_cursor": None},
    ),
)
async def list_aliases(mailbox_id: FromPath[str], tx: Given[Tx], page_request: Given[PageRequest]) -> Page[Alias]:
    return (await aliases.list_(tx, mailbox_id, page_request)).map(show)


@post(
    "/mailboxes/{mailbox_id:str}/aliases",
    **operation(
        "Give a mailbox another address",
        description="Mail to it arrives in the mailbox, and the mailbox may send as it.",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=(
            "mailbox.not_found",
            "mailbox.domain_not_usable",
            "mailbox.address_taken",
            "mailbox.too_many_aliases",
        ),
        example=_EXAMPLE,
        request_example={"address": "sales@getbrandmerge.test"},
    ),
)
async def create_alias(mailbox_id: FromPath[str], data: JSONBody[AliasCreate], tx: Given[Tx]) -> Alias:
    return show(await aliases.create(tx, mailbox_id, data.address))


@delete(
    "/mailboxes/{mailbox_id:str}/aliases/{alias_id:str}",
    **operation(
        "Take an address from a mailbox",
        group="Mailboxes",
        scope=requires("mailboxes:write"),
        errors=("mailbox.not_found", "mailbox.alias_not_found"),
    ),
)
async def delete_alias(mailbox_id: FromPath[str], alias_id: FromPath[str], tx: Given[Tx]) -> None:
    await aliases.delete(tx, mailbox_id, alias_id)


@get(
    "/domains/{domain:str}/route",
    **operation(
        "See who gets mail to an address",
        description="By the rules that our mail server obeys: the mailbox of that very address, else the one that has "
        "it as an alias, else the catch-all, else nobody. Mail marked as spam is not forwarded.",
        group="Domains",
        scope=requires("domains:read"),
        errors=("domain.not_found", "route.other_domain"),
        example={
            "address": "caroline@getbrandmerge.test",
            "result": "mailbox",
            "mailbox_id": "mbx_01k5m3v8w0e3t9f7a2b4c6d8ee",
            "deliver_to": ["caroline@getbrandmerge.test"],
            "forward_to": [],
            "pending": ["archive@example.com"],
            "rule_id": "rule_01k5m3v8w0e3t9f7a2b4c6d8ee",
            "reason": None,
        },
    ),
)
async def get_route(domain: FromPath[str], address: FromQuery[str], tx: Given[Tx]) -> AddressRoute:
    return show_route(await routing.explain(tx, domain, address))


def show(row: AliasRow) -> Alias:
    return Alias(row.id, row.address, rfc3339(row.created_at))


def show_route(route: Route) -> AddressRoute:
    return AddressRoute(
        address=str(route.address),
        result=route.result,
        mailbox_id=route.mailbox_id,
        deliver_to=[receiver.email for receiver in route.deliver_to],
        forward_to=[route.forward_to] if route.forward_to else [],
        pending=[route.pending] if route.pending else [],
        rule_id=route.rule_id,
        reason=route.reason,
    )


ROUTES: list[HTTPRouteHandler] = [list_aliases, create_alias, delete_alias, get_route]
