"""Orders: every intention to spend, quoted, confirmed by a hold on the wallet, fulfilled and captured, or released."""

from litemail.billing import Line as Line
from litemail.orders.queries import Item as Item
from litemail.orders.queries import ItemStatus as ItemStatus
from litemail.orders.queries import Order as Order
from litemail.orders.queries import OrderStatus as OrderStatus
from litemail.orders.quoting import MaxChargeExceeded as MaxChargeExceeded
from litemail.orders.quoting import Quote as Quote
from litemail.orders.quoting import ShownQuote as ShownQuote
from litemail.orders.quoting import payer_of as payer_of
from litemail.orders.quoting import quote as quote
from litemail.orders.quoting import show_quote as show_quote
from litemail.orders.service import NewItem as NewItem
from litemail.orders.service import OrderNotFound as OrderNotFound
from litemail.orders.service import await_payment as await_payment
from litemail.orders.service import cancel as cancel
from litemail.orders.service import cancel_unpaid as cancel_unpaid
from litemail.orders.service import complete as complete
from litemail.orders.service import confirm_paid as confirm_paid
from litemail.orders.service import find_by_key as find_by_key
from litemail.orders.service import get as get
from litemail.orders.service import list_ as list_
from litemail.orders.service import list_open as list_open
from litemail.orders.service import place as place
from litemail.orders.service import refund as refund
from litemail.orders.service import settle_items as settle_items
from litemail.orders.service import start as start
