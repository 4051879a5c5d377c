"""Reading subscriptions, and locking one to change it."""

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest, page
from litemail.subscriptions import queries
from litemail.subscriptions.queries import Subscription


class SubscriptionNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "subscription.not_found"
    message = "There is no subscription {subscription_id} in this workspace."
    action = "List the subscriptions with GET /v1/subscriptions and use one of their ids."


async def get(tx: Tx, subscription_id: str) -> Subscription:
    """Raises SubscriptionNotFound."""
    found = await queries.find_subscription(tx, subscription_id, workspace_id=own_workspace(tx))
    if found is None:
        raise SubscriptionNotFound(subscription_id=subscription_id)
    return found


async def lock(tx: Tx, subscription_id: str) -> Subscription:
    """It stays as it is until the transaction ends. Raises SubscriptionNotFound."""
    found = await queries.find_subscription(tx, subscription_id, workspace_id=own_workspace(tx), lock=True)
    if found is None:
        raise SubscriptionNotFound(subscription_id=subscription_id)
    return found


async def list_(tx: Tx, request: PageRequest) -> Page[Subscription]:
    """Newest first."""
    workspace_id = the_workspace(tx)
    rows = await queries.list_subscriptions(tx, workspace_id=workspace_id, limit=request.limit + 1, after=request.after)
    total = await queries.count_subscriptions(tx, workspace_id=workspace_id) if request.count else None
    return page(rows, request, key=lambda row: row.id, total=total)


def own_workspace(tx: Tx) -> str | None:
    """The actor's; the program itself sees all."""
    return None if tx.actor is None else tx.actor.workspace_id


def the_workspace(tx: Tx) -> str:
    assert tx.actor is not None
    return tx.actor.workspace_id
