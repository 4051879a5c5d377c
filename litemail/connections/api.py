"""Routes of connections."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody
from litestar.response import ServerSentEvent

from litemail.connections import service, stream
from litemail.connections.queries import ConnectionStatus, InboxStatus
from litemail.connections.schemas import (
    ConnectInbox,
    Connection,
    Inbox,
    NewConnection,
    show_connection,
    show_inbox,
    show_new_connection,
)
from litemail.kit.actor import Actor, Mode, requires
from litemail.kit.db import Database, Tx
from litemail.kit.notify import Listener
from litemail.kit.outbound import Guard
from litemail.kit.pagination import Page, PageRequest
from litemail.kit.secrets import Secrets
from litemail.kit.wire import Given, operation
from litemail.mailboxes import MailAccess
from litemail.providers.platform import Registry

_CONNECTION_ID = "con_01k5m3v8w0e3t9f7a2b4c6d8ee"
_INBOX_ID = "cin_01k5m3v8w0e3t9f7a2b4c6d8ef"
_EMAIL = "caroline@getbrandmerge.com"
_BEGUN = "2026-01-29T18:41:56.867Z"
REQUEST_EXAMPLE = {
    "platform_type": "instantly",
    "platform_email": "support@litemail.ai",
    "platform_pass": "Lite@Mail2024!",
    "inbox_type": "gmail",
    "inboxes": [{"email": _EMAIL, "pass": "Caroline@Thompson2025"}],
}
NEW_EXAMPLE = {
    "id": _CONNECTION_ID,
    "status": "queued",
    "platform_type": "instantly",
    "platform_account_id": "pfa_01k5m3v8w0e3t9f7a2b4c6d8eg",
    "inbox_type": "gmail",
    "total": 1,
    "connected": 0,
    "failed": 0,
    "inboxes": [{"id": _INBOX_ID, "email": _EMAIL, "status": "queued"}],
    "created_at": _BEGUN,
}
CONNECTION_EXAMPLE = {
    "id": _CONNECTION_ID,
    "status": "completed",
    "platform_type": "instantly",
    "platform_account_id": "pfa_01k5m3v8w0e3t9f7a2b4c6d8eg",
    "inbox_type": "gmail",
    "total": 1,
    "connected": 1,
    "failed": 0,
    "action_required": 0,
    "cancelled": 0,
    "created_at": _BEGUN,
    "finished_at": "2026-01-29T18:42:01.204Z",
}
INBOX_EXAMPLE = {
    "id": _INBOX_ID,
    "email": _EMAIL,
    "status": "connected",
    "already": False,
    "action": None,
    "error": None,
    "servers": None,
    "updated_at": "2026-01-29T18:42:01.190Z",
}
_GROUP = "Connect Inbox"


@post(
    "/connect-inbox",
    status_code=200,
    **operation(
        "Connect inboxes to a sending platform",
        description="Takes up to 1,000 inboxes and answers at once; the work goes on by itself, and no inbox is added "
        "twice whatever happens. Give `platform_email` and `platform_pass`, or `platform_api_key`, or "
        "`platform_account_id`. `inbox_type` `custom` takes `imap` and `smtp`, for all or in each inbox; without "
        "them they are found by SRV records, autoconfig and MX, or the inbox fails. `litemail` "
        "takes mailboxes of this workspace without `pass` and also needs the scope `mailboxes:credentials`. Any fault "
        "refuses the whole call. Passwords are never shown again.",
        group=_GROUP,
        scope=requires("connections:write"),
        errors=(
            "platform.unknown",
            "platform.file_only",
            "platform.login_not_offered",
            "sandbox.no_twin",
            "sandbox.outside_host",
            "outbound.host_invalid",
            "outbound.port_not_allowed",
            "outbound.address_not_allowed",
            "mailhost.not_public",
        ),
        example=NEW_EXAMPLE,
        request_example=REQUEST_EXAMPLE,
    ),
)
async def connect_inboxes(
    data: JSONBody[ConnectInbox],
    tx: Given[Tx],
    platforms: Given[Registry],
    guards: Given[Mapping[Mode, Guard]],
    mail_access: Given[MailAccess],
    secrets: Given[Secrets],
) -> NewConnection:
    row, inboxes = await service.create(
        tx, data, platforms=platforms, guards=guards, mail_access=mail_access, secrets=secrets
    )
    return show_new_connection(row, inboxes)


@get(
    "/connect-inbox",
    **operation(
        "List connections",
        group=_GROUP,
        scope=requires("connections:read"),
        errors=("request.bad_cursor",),
        example={"data": [CONNECTION_EXAMPLE], "next_cursor": None},
    ),
)
async def list_connections(
    tx: Given[Tx], page_request: Given[PageRequest], status: FromQuery[ConnectionStatus | None] = None
) -> Page[Connection]:
    return (await service.list_(tx, page_request, status=status)).map(show_connection)


@get(
    "/connect-inbox/{connection_id:str}",
    **operation(
        "Get a connection",
        group=_GROUP,
        scope=requires("connections:read"),
        errors=("connection.not_found",),
        example=CONNECTION_EXAMPLE,
    ),
)
async def get_connection(connection_id: FromPath[str], tx: Given[Tx]) -> Connection:
    return show_connection(await service.get(tx, connection_id))


@get(
    "/connect-inbox/{connection_id:str}/inboxes",
    **operation(
        "List the inboxes of a connection",
        description="In the order in which they were given.",
        group=_GROUP,
        scope=requires("connections:read"),
        errors=("connection.not_found", "request.bad_cursor"),
        example={"data": [INBOX_EXAMPLE], "next_cursor": None},
    ),
)
async def list_inboxes(
    connection_id: FromPath[str],
    tx: Given[Tx],
    page_request: Given[PageRequest],
    status: FromQuery[InboxStatus | None] = None,
) -> Page[Inbox]:
    return (await service.list_inboxes(tx, connection_id, page_request, status=status)).map(show_inbox)


@get(
    "/connect-inbox/{connection_id:str}/events",
    media_type="text/event-stream",
    responses={204: ResponseSpec(None, description="You have seen the end; there is nothing more.")},
    **operation(
        "Follow a connection",
        description="Server-Sent Events: `inbox` for each inbox as it is now, then whenever one changes, and `done` "
        "with the connection at the end. A client that comes back with `Last-Event-ID` gets what it missed; one that "
        "has seen `done` gets 204, which tells it not to come back.",
        group=_GROUP,
        scope=requires("connections:read"),
        errors=("connection.not_found",),
        example=f"id: 7\nevent: inbox\ndata: {json.dumps(INBOX_EXAMPLE)}\n\n"
        f"id: 9\nevent: done\ndata: {json.dumps(CONNECTION_EXAMPLE)}\n\n",
    ),
)
async def follow_connection(
    connection_id: FromPath[str],
    actor: Given[Actor],
    database: Given[Database],
    listener: Given[Listener],
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=100)] = None,
) -> Response[Any]:
    after = stream.last_seen(last_event_id)
    # Not the request's transaction: that would be held as long as the stream.
    async with database.begin(actor) as tx:
        connection = await service.get(tx, connection_id)
    if stream.is_over(connection) and after >= connection.version:
        return Response(None, status_code=204)
    return ServerSentEvent(stream.changes(database, listener, actor, connection_id, after=after))


@post(
    "/connect-inbox/{connection_id:str}/retry",
    status_code=202,
    **operation(
        "Try the failed inboxes of a connection again",
        description="Only when the connection has finished, and within 7 days: then the passwords are erased.",
        group=_GROUP,
        scope=requires("connections:write"),
        errors=(
            "connection.not_found",
            "connection.not_finished",
            "connection.nothing_to_retry",
            "connection.secrets_expired",
        ),
        example={**CONNECTION_EXAMPLE, "status": "queued", "connected": 0, "finished_at": None},
    ),
)
async def retry_connection(connection_id: FromPath[str], tx: Given[Tx]) -> Connection:
    return show_connection(await service.retry(tx, connection_id))


@delete(
    "/connect-inbox/{connection_id:str}",
    status_code=200,
    **operation(
        "Cancel a connection",
        description="Nothing new begins and all passwords are erased. Inboxes that are connected stay so; one that "
        "the platform is just adding ends as it ends, within two seconds.",
        group=_GROUP,
        scope=requires("connections:write"),
        errors=("connection.not_found", "connection.already_finished"),
        example={**CONNECTION_EXAMPLE, "status": "cancelled", "connected": 0, "cancelled": 1},
    ),
)
async def cancel_connection(connection_id: FromPath[str], tx: Given[Tx]) -> Connection:
    return show_connection(await service.cancel(tx, connection_id))


ROUTES: list[HTTPRouteHandler] = [
    connect_inboxes,
    list_connections,
    get_connection,
    list_inboxes,
    follow_connection,
    retry_connection,
    cancel_connection,
]
