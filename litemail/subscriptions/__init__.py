"""Plans, subscriptions, and the slots that mailboxes take.

For the slices above, in the transaction of their own change:

    ids = await subscriptions.take_slots(tx, 3)            # one subscription id for each mailbox
    await subscriptions.release_slots(tx, ids)             # removed now
    removal_at = await subscriptions.release_slot_at_renewal(tx, subscription_id)
    await subscriptions.cancel_release(tx, subscription_id)

Events tell what happened to a subscription (the subject): `subscription.renewed` (slots whose release was asked for
are free already: the handler removes the mailboxes whose `removal_at` is not after the data's `removals_until` and
releases nothing), `subscription.suspended`, `subscription.restored`, `subscription.cancelled` (all its slots are gone
with it), `subscription.period_moved` (removals happen at the data's `current_period_end` now).
"""

from litemail.subscriptions.changing import NothingToChange as NothingToChange
from litemail.subscriptions.changing import PaymentDue as PaymentDue
from litemail.subscriptions.changing import SlotsInUse as SlotsInUse
from litemail.subscriptions.changing import SubscriptionCancelled as SubscriptionCancelled
from litemail.subscriptions.changing import cancel as cancel
from litemail.subscriptions.changing import change as change
from litemail.subscriptions.changing import quote_change as quote_change
from litemail.subscriptions.plans import UnknownPlan as UnknownPlan
from litemail.subscriptions.plans import list_plans as list_plans
from litemail.subscriptions.plans import list_versions as list_versions
from litemail.subscriptions.plans import set_plan as set_plan
from litemail.subscriptions.plans import set_price_list as set_price_list
from litemail.subscriptions.plans import withdraw_plan as withdraw_plan
from litemail.subscriptions.purchasing import grant as grant
from litemail.subscriptions.purchasing import purchase as purchase
from litemail.subscriptions.purchasing import quote_purchase as quote_purchase
from litemail.subscriptions.queries import Due as Due
from litemail.subscriptions.queries import PlanVersion as PlanVersion
from litemail.subscriptions.queries import Subscription as Subscription
from litemail.subscriptions.queries import SubscriptionStatus as SubscriptionStatus
from litemail.subscriptions.queries import list_due as list_due
from litemail.subscriptions.queries import list_owing as list_owing
from litemail.subscriptions.queries import next_due as next_due
from litemail.subscriptions.reading import SubscriptionNotFound as SubscriptionNotFound
from litemail.subscriptions.reading import get as get
from litemail.subscriptions.reading import list_ as list_
from litemail.subscriptions.renewing import Outcome as Outcome
from litemail.subscriptions.renewing import note_failure as note_failure
from litemail.subscriptions.renewing import renew as renew
from litemail.subscriptions.slots import DowngradeNeedsRemoval as DowngradeNeedsRemoval
from litemail.subscriptions.slots import NoSubscription as NoSubscription
from litemail.subscriptions.slots import RenewalPassed as RenewalPassed
from litemail.subscriptions.slots import SlotsExhausted as SlotsExhausted
from litemail.subscriptions.slots import buy_slots as buy_slots
from litemail.subscriptions.slots import cancel_release as cancel_release
from litemail.subscriptions.slots import free_slots as free_slots
from litemail.subscriptions.slots import quote_slots as quote_slots
from litemail.subscriptions.slots import release_slot_at_renewal as release_slot_at_renewal
from litemail.subscriptions.slots import release_slots as release_slots
from litemail.subscriptions.slots import take_slots as take_slots
from litemail.subscriptions.terms import Interval as Interval
from litemail.subscriptions.terms import Plan as Plan
from litemail.subscriptions.terms import Proration as Proration
from litemail.subscriptions.terms import Terms as Terms
