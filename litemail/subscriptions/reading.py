"""Reading subscriptions."""

from litemail.kit.db import Tx
from litemail.kit.errors import Error, Kind
from litemail.kit.pagination import Page, PageRequest
from litemail.subscriptions.queries import Subscription


class SubscriptionNotFound(Error):
    kind = Kind.NOT_FOUND
    code = "subscription.not_found"
    message = "There is no subscription {subscription_id} in this workspace."
    action = "List the subscriptions with GET /v1/subscriptions and use one of their ids."


async def get(tx: Tx, subscription_id: str) -> Subscription:
    """Raises SubscriptionNotFound."""
    raise NotImplementedError


async def list_(tx: Tx, request: PageRequest) -> Page[Subscription]:
    """Newest first."""
    raise NotImplementedError
