"""SQL of plans and subscriptions. Times are those of the subscription's workspace."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from litemail.kit.db import Tx
from litemail.subscriptions.terms import Interval, Plan, Terms

SubscriptionStatus = Literal["active", "past_due", "suspended", "cancelled"]


class Subscription(msgspec.Struct, frozen=True):
    """A running contract; `plan` is the version that was bought.

    `used` slots hold a mailbox each, and `removals` of those go at the renewal. `next_*` is a change that waits for
    the renewal; `next_removals` were planned already when it was asked for. `due_at` is when something has to happen.
    """

    id: str
    workspace_id: str
    plan: Plan
    interval: Interval
    addon_mailboxes: int
    used: int
    removals: int
    status: SubscriptionStatus
    anchor_day: int
    current_period_start: datetime
    current_period_end: datetime
    cancel_at_period_end: bool
    next_plan: Plan | None
    next_interval: Interval | None
    next_addon_mailboxes: int | None
    next_removals: int
    failed_attempts: int
    due_at: datetime | None
    created_at: datetime

    @property
    def terms(self) -> Terms:
        return Terms(self.plan, self.interval, self.addon_mailboxes)

    @property
    def quantity(self) -> int:
        return self.terms.quantity

    @property
    def pending(self) -> Terms | None:
        """The change that waits for the renewal, as it was asked for."""
        if self.next_plan is None or self.next_interval is None or self.next_addon_mailboxes is None:
            return None
        return Terms(self.next_plan, self.next_interval, self.next_addon_mailboxes)

    @property
    def renewed_terms(self) -> Terms:
        """What the next period will be: the pending change if any, less an add-on for each removal, never below 0.

        Removals that were planned before a change was asked for are in the change's numbers already.
        """
        terms = self.pending or self.terms
        lowered = max(self.removals - self.next_removals, 0) if self.pending else self.removals
        return msgspec.structs.replace(terms, addon_mailboxes=max(terms.addon_mailboxes - lowered, 0))

    @property
    def free(self) -> int:
        """Slots that can be taken: not used, and still there after a downgrade that waits for the renewal."""
        if self.status not in ("active", "past_due"):
            return 0
        kept = self.used - self.removals
        return max(min(self.quantity - self.used, self.renewed_terms.quantity - kept), 0)


class PlanVersion(msgspec.Struct, frozen=True):
    """A line of the price list's history."""

    plan: Plan
    sold: bool
    set_by: str
    created_at: datetime


class Due(msgspec.Struct, frozen=True):
    id: str
    workspace_id: str
    due_at: datetime


_PLAN = """id, version, name, included_mailboxes, month, quarter, year, addon_month, addon_quarter, addon_year"""
_SUBSCRIPTION = """
SELECT s.id, s.workspace_id, to_jsonb(p) AS plan, s.interval, s.addon_mailboxes, s.used, s.removals, s.status,
       s.anchor_day, s.current_period_start, s.current_period_end, s.cancel_at_period_end,
       CASE WHEN n.id IS NOT NULL THEN to_jsonb(n) END AS next_plan, s.next_interval, s.next_addon_mailboxes,
       s.next_removals, s.failed_attempts, s.due_at, s.created_at
FROM subscriptions s
JOIN plans p ON p.id = s.plan_id AND p.version = s.plan_version
LEFT JOIN plans n ON n.id = s.next_plan_id AND n.version = s.next_plan_version
"""
_OF_WORKSPACE = "(%(workspace_id)s::text IS NULL OR s.workspace_id = %(workspace_id)s)"


async def list_plans(tx: Tx) -> list[Plan]:
    """The newest version of each plan that is sold, cheapest first."""
    return await tx.all(
        Plan,
        f"""SELECT {_PLAN} FROM plans p
            WHERE sold AND version = (SELECT max(version) FROM plans WHERE id = p.id)
            ORDER BY month, id""",
    )


async def find_plan(tx: Tx, plan_id: str) -> Plan | None:
    """Its newest version, if it is sold."""
    return await tx.find(
        Plan,
        f"""SELECT {_PLAN} FROM plans p
            WHERE id = %(id)s AND sold AND version = (SELECT max(version) FROM plans WHERE id = p.id)""",
        id=plan_id,
    )


async def lock_plans(tx: Tx) -> None:
    """One change of the price list at a time."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('litemail plans', 0))")


async def newest_version(tx: Tx, plan_id: str) -> int:
    """0 where there is none, sold or not."""
    return await tx.value(int, "SELECT max(version) FROM plans WHERE id = %(id)s", id=plan_id) or 0


async def insert_plan(tx: Tx, plan: Plan, *, sold: bool, by: str) -> None:
    await tx.execute(
        f"""INSERT INTO plans ({_PLAN}, sold, set_by, created_at)
            VALUES (%(id)s, %(version)s, %(name)s, %(included_mailboxes)s, %(month)s, %(quarter)s, %(year)s,
                    %(addon_month)s, %(addon_quarter)s, %(addon_year)s, %(sold)s, %(by)s, %(now)s)""",
        **msgspec.structs.asdict(plan),
        sold=sold,
        by=by,
        now=tx.now,
    )


async def list_versions(tx: Tx) -> list[PlanVersion]:
    return await tx.all(
        PlanVersion,
        "SELECT to_jsonb(p) AS plan, sold, set_by, created_at FROM plans p ORDER BY created_at DESC, id, version DESC",
    )


async def insert_subscription(
    tx: Tx,
    *,
    subscription_id: str,
    workspace_id: str,
    terms: Terms,
    start: datetime,
    end: datetime,
) -> Subscription:
    await tx.execute(
        """INSERT INTO subscriptions (id, workspace_id, plan_id, plan_version, interval, addon_mailboxes, quantity,
                                      status, anchor_day, current_period_start, current_period_end, due_at, created_at)
           VALUES (%(id)s, %(workspace_id)s, %(plan_id)s, %(plan_version)s, %(interval)s, %(addons)s, %(quantity)s,
                   'active', %(anchor_day)s, %(start)s, %(end)s, %(end)s, %(start)s)""",
        id=subscription_id,
        workspace_id=workspace_id,
        plan_id=terms.plan.id,
        plan_version=terms.plan.version,
        interval=terms.interval,
        addons=terms.addon_mailboxes,
        quantity=terms.quantity,
        anchor_day=start.day,
        start=start,
        end=end,
    )
    inserted = await find_subscription(tx, subscription_id, workspace_id=workspace_id)
    assert inserted is not None
    return inserted


async def find_subscription(
    tx: Tx, subscription_id: str, *, workspace_id: str | None, lock: bool = False
) -> Subscription | None:
    """`workspace_id` None: of any, for the program itself."""
    return await tx.find(
        Subscription,
        f"{_SUBSCRIPTION} WHERE s.id = %(id)s AND {_OF_WORKSPACE}" + (" FOR NO KEY UPDATE OF s" if lock else ""),
        id=subscription_id,
        workspace_id=workspace_id,
    )


async def list_subscriptions(tx: Tx, *, workspace_id: str, limit: int, after: str | None) -> list[Subscription]:
    return await tx.all(
        Subscription,
        f"""{_SUBSCRIPTION} WHERE s.workspace_id = %(workspace_id)s AND (%(after)s::text IS NULL OR s.id < %(after)s)
            ORDER BY s.id DESC LIMIT %(limit)s""",
        workspace_id=workspace_id,
        limit=limit,
        after=after,
    )


async def count_subscriptions(tx: Tx, *, workspace_id: str) -> int:
    return (
        await tx.value(
            int,
            "SELECT count(*) FROM subscriptions WHERE workspace_id = %(workspace_id)s",
            workspace_id=workspace_id,
        )
        or 0
    )


async def list_usable(tx: Tx, *, workspace_id: str, lock: bool) -> list[Subscription]:
    """Those whose slots can be taken, oldest first."""
    return await tx.all(
        Subscription,
        f"""{_SUBSCRIPTION} WHERE s.workspace_id = %(workspace_id)s AND s.status IN ('active', 'past_due')
            ORDER BY s.id"""
        + (" FOR NO KEY UPDATE OF s" if lock else ""),
        workspace_id=workspace_id,
    )


async def add_use(tx: Tx, subscription_id: str, *, used: int = 0, removals: int = 0) -> None:
    await tx.execute(
        "UPDATE subscriptions SET used = used + %(used)s, removals = removals + %(removals)s WHERE id = %(id)s",
        id=subscription_id,
        used=used,
        removals=removals,
    )


async def set_terms(
    tx: Tx, subscription_id: str, terms: Terms, *, anchor_day: int, start: datetime, end: datetime
) -> None:
    """New terms from now on, and the period that they run in. What waited for the renewal is dropped."""
    await tx.execute(
        """UPDATE subscriptions
           SET plan_id = %(plan_id)s, plan_version = %(plan_version)s, interval = %(interval)s,
               addon_mailboxes = %(addons)s, quantity = %(quantity)s, anchor_day = %(anchor_day)s,
               current_period_start = %(start)s, current_period_end = %(end)s, due_at = %(end)s,
               next_plan_id = NULL, next_plan_version = NULL, next_interval = NULL, next_addon_mailboxes = NULL,
               next_removals = 0
           WHERE id = %(id)s""",
        id=subscription_id,
        plan_id=terms.plan.id,
        plan_version=terms.plan.version,
        interval=terms.interval,
        addons=terms.addon_mailboxes,
        quantity=terms.quantity,
        anchor_day=anchor_day,
        start=start,
        end=end,
    )


async def set_pending(tx: Tx, subscription_id: str, terms: Terms) -> None:
    """What the renewal will change. The removals planned by now are in its numbers already."""
    await tx.execute(
        """UPDATE subscriptions
           SET next_plan_id = %(plan_id)s, next_plan_version = %(plan_version)s, next_interval = %(interval)s,
               next_addon_mailboxes = %(addons)s, next_removals = removals
           WHERE id = %(id)s""",
        id=subscription_id,
        plan_id=terms.plan.id,
        plan_version=terms.plan.version,
        interval=terms.interval,
        addons=terms.addon_mailboxes,
    )


async def drop_pending(tx: Tx, subscription_id: str) -> None:
    await tx.execute(
        """UPDATE subscriptions
           SET next_plan_id = NULL, next_plan_version = NULL, next_interval = NULL, next_addon_mailboxes = NULL,
               next_removals = 0
           WHERE id = %(id)s""",
        id=subscription_id,
    )


async def set_cancel_at_period_end(tx: Tx, subscription_id: str, *, cancel: bool) -> None:
    await tx.execute(
        "UPDATE subscriptions SET cancel_at_period_end = %(cancel)s WHERE id = %(id)s",
        id=subscription_id,
        cancel=cancel,
    )


async def renew(tx: Tx, subscription_id: str, terms: Terms, *, anchor_day: int, start: datetime, end: datetime) -> None:
    """The next period begins: its terms, the planned removals done, nothing owed."""
    await tx.execute(
        """UPDATE subscriptions SET used = used - removals, removals = 0, status = 'active', failed_attempts = 0
           WHERE id = %(id)s""",
        id=subscription_id,
    )
    await set_terms(tx, subscription_id, terms, anchor_day=anchor_day, start=start, end=end)


async def set_status(
    tx: Tx, subscription_id: str, status: SubscriptionStatus, *, failed_attempts: int, due_at: datetime
) -> None:
    await tx.execute(
        """UPDATE subscriptions SET status = %(status)s, failed_attempts = %(failed)s, due_at = %(due_at)s
           WHERE id = %(id)s""",
        id=subscription_id,
        status=status,
        failed=failed_attempts,
        due_at=due_at,
    )


async def end(tx: Tx, subscription_id: str) -> None:
    """Cancelled for good: it holds no mailbox any more."""
    await tx.execute(
        """UPDATE subscriptions SET status = 'cancelled', used = 0, removals = 0, due_at = NULL WHERE id = %(id)s""",
        id=subscription_id,
    )
    await drop_pending(tx, subscription_id)


async def list_due(tx: Tx, *, limit: int, workspace_id: str | None = None) -> list[Due]:
    """What is due by the clock of its workspace, the longest due first."""
    return await tx.all(
        Due,
        """SELECT id, workspace_id, due_at FROM (
               SELECT id, workspace_id, due_at FROM subscriptions
               WHERE due_at <= %(now)s AND (%(workspace_id)s::text IS NULL OR workspace_id = %(workspace_id)s)
               UNION
               SELECT s.id, s.workspace_id, s.due_at FROM workspaces w JOIN subscriptions s ON s.workspace_id = w.id
               WHERE w.clock_ahead > '0' AND s.due_at <= %(now)s + w.clock_ahead
                 AND (%(workspace_id)s::text IS NULL OR w.id = %(workspace_id)s)) AS due
           ORDER BY due_at, id LIMIT %(limit)s""",
        now=tx.now,
        workspace_id=workspace_id,
        limit=limit,
    )


async def next_due(tx: Tx, workspace_id: str) -> datetime | None:
    """When something of this workspace falls due next, or fell due that is not done."""
    return await tx.value(
        datetime, "SELECT min(due_at) FROM subscriptions WHERE workspace_id = %(id)s", id=workspace_id
    )


async def list_owing(tx: Tx, payer: str) -> Sequence[str]:
    """The subscriptions that wait for money of this wallet, the longest first."""
    return await tx.values(
        str,
        """SELECT s.id FROM subscriptions s JOIN workspaces w ON w.id = s.workspace_id
           WHERE coalesce(w.billing_workspace_id, w.id) = %(payer)s AND s.status IN ('past_due', 'suspended')
           ORDER BY s.current_period_end, s.id""",
        payer=payer,
    )
