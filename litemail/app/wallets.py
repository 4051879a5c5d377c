"""What the operator does with wallets, beside a running installation or without one. Each is in the audit log."""

import os
import pwd
from collections.abc import Sequence
from dataclasses import dataclass

from litemail import wallet
from litemail.app.house import visited
from litemail.config import Settings
from litemail.kit import logging
from litemail.kit.db import Tx
from litemail.kit.pagination import PageRequest


@dataclass(frozen=True)
class WalletView:
    """A wallet with its newest transactions, the newest first."""

    balance: wallet.Balance
    auto_recharge: wallet.AutoRecharge
    lines: Sequence[wallet.Line]


async def grant_money(settings: Settings, workspace_id: str, *, amount: int, reason: str) -> wallet.Balance:
    """Puts minor units into a wallet, or takes them out (below zero). The balance then.

    Raises wallet.WalletMissing, wallet.InsufficientFunds, wallet.BadAmount.
    """
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("grant money") as tx:
        posted = await wallet.adjust(tx, workspace_id=workspace_id, amount=amount, reason=reason)
        await _audit(tx, "operator.wallet_granted", workspace_id, transaction=posted.id, amount=amount, reason=reason)
        return await wallet.balance(tx, workspace_id)


async def show_wallet(settings: Settings, workspace_id: str, *, limit: int) -> WalletView:
    """Raises wallet.WalletMissing."""
    logging.configure("warning")
    async with visited(settings) as house, house.database.begin_system("show a wallet") as tx:
        view = WalletView(
            balance=await wallet.balance(tx, workspace_id),
            auto_recharge=await wallet.find_auto_recharge(tx, workspace_id),
            lines=(await wallet.list_transactions(tx, PageRequest(limit=limit), workspace_id=workspace_id)).data,
        )
        await _audit(tx, "operator.wallet_shown", workspace_id)
        return view


async def _audit(tx: Tx, event: str, workspace_id: str, **data: object) -> None:
    who = pwd.getpwuid(os.getuid()).pw_name
    await tx.emit(
        event,
        workspace_id=workspace_id,
        subject=workspace_id,
        audience="audit",
        data={"operator": who, **data},
    )
