"""Who is billed, and invoices: one for each captured order, one for each refund."""

from litemail.billing.invoicing import credit_order as credit_order
from litemail.billing.invoicing import find_gap as find_gap
from litemail.billing.invoicing import invoice_order as invoice_order
from litemail.billing.invoicing import set_terms as set_terms
from litemail.billing.queries import Details as Details
from litemail.billing.queries import Invoice as Invoice
from litemail.billing.queries import Line as Line
from litemail.billing.service import DetailsRequired as DetailsRequired
from litemail.billing.service import require_details as require_details
