"""Jobs of workflows."""

from collections.abc import Mapping

from litemail.kit.jobs import Job
from litemail.workflows.advance_clock import advance_clock
from litemail.workflows.fulfil_order import fulfil_order, resume_orders, start_paid_order
from litemail.workflows.renew_domains import look_at_term, look_at_terms
from litemail.workflows.renew_subscriptions import pay_what_is_owed, renew_due, renew_subscription

JOBS: Mapping[str, Job] = {
    "workflows.fulfil_order": fulfil_order,
    "workflows.start_paid_order": start_paid_order,
    "workflows.resume_orders": resume_orders,
    "workflows.renew_subscription": renew_subscription,
    "workflows.renew_due": renew_due,
    "workflows.pay_what_is_owed": pay_what_is_owed,
    "workflows.look_at_terms": look_at_terms,
    "workflows.look_at_term": look_at_term,
    "workflows.advance_clock": advance_clock,
}
HANDLERS: Mapping[str, str] = {
    "payment.succeeded": "workflows.start_paid_order",
    "wallet.topped_up": "workflows.pay_what_is_owed",
    "wallet.adjusted": "workflows.pay_what_is_owed",
    "wallet.refunded": "workflows.pay_what_is_owed",
}
SCHEDULES: Mapping[str, str] = {
    "workflows.renew_due": "* * * * * 5",
    "workflows.resume_orders": "*/5 * * * * 35",
    "workflows.look_at_terms": "23 * * * *",
}
