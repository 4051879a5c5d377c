"""The wallet: a ledger that balances, payments on their way in, saved payment methods, auto-recharge.

Amounts are integers of minor units. A wallet belongs to the workspace that pays (`actor.paying_workspace_id`).
"""

from litemail.wallet.ledger import adjust as adjust
from litemail.wallet.ledger import balance as balance
from litemail.wallet.ledger import capture as capture
from litemail.wallet.ledger import charge as charge
from litemail.wallet.ledger import find_order as find_order
from litemail.wallet.ledger import grant as grant
from litemail.wallet.ledger import hold as hold
from litemail.wallet.ledger import list_transactions as list_transactions
from litemail.wallet.ledger import open_ as open_
from litemail.wallet.ledger import refund as refund
from litemail.wallet.ledger import release as release
from litemail.wallet.ledger import top_up as top_up
from litemail.wallet.ledger_queries import Balance as Balance
from litemail.wallet.ledger_queries import Kind as Kind
from litemail.wallet.ledger_queries import Line as Line
from litemail.wallet.ledger_queries import OrderSums as OrderSums
from litemail.wallet.payments import NotYourPayment as NotYourPayment
from litemail.wallet.payments import begin_top_up as begin_top_up
from litemail.wallet.payments import get_payment as get_payment
from litemail.wallet.payments import open_checkout as open_checkout
from litemail.wallet.payments_queries import Payment as Payment
from litemail.wallet.payments_queries import PaymentMethod as PaymentMethod
from litemail.wallet.payments_queries import count_unapplied_events as count_unapplied_events
from litemail.wallet.payments_queries import find_by_request as find_by_request
from litemail.wallet.posting import BadAmount as BadAmount
from litemail.wallet.posting import HoldExceeded as HoldExceeded
from litemail.wallet.posting import InsufficientFunds as InsufficientFunds
from litemail.wallet.posting import KeyReused as KeyReused
from litemail.wallet.posting import NothingHeld as NothingHeld
from litemail.wallet.posting import PaymentRequired as PaymentRequired
from litemail.wallet.posting import Posted as Posted
from litemail.wallet.posting import RefundExceeded as RefundExceeded
from litemail.wallet.posting import WalletMissing as WalletMissing
from litemail.wallet.proof import Difference as Difference
from litemail.wallet.proof import first_difference as first_difference
from litemail.wallet.recharge_queries import AutoRecharge as AutoRecharge
from litemail.wallet.recharging import RechargeState as RechargeState
from litemail.wallet.recharging import due_recharges as due_recharges
from litemail.wallet.recharging import find_auto_recharge as find_auto_recharge
from litemail.wallet.recharging import next_recharge_at as next_recharge_at
from litemail.wallet.recharging import recharge as recharge
from litemail.wallet.rescuing import PATIENCE as PATIENCE
from litemail.wallet.rescuing import Rescue as Rescue
from litemail.wallet.rescuing import rescue as rescue
from litemail.wallet.settling import receive_gateway_event as receive_gateway_event
