"""What the operator's settings say to customers is kept in the database, where every process finds the same."""

from litemail import billing
from litemail.app import prices
from litemail.app.house import House


async def publish(house: House) -> None:
    """From now on invoices show the tax rate and the seller of these settings, and their price list is sold if any."""
    async with house.database.begin_system("terms of sale") as tx:
        await billing.set_terms(tx, tax_rate=int(house.settings.tax_rate * 100), seller=house.settings.invoice_seller)
        await prices.publish(tx, house.settings)
