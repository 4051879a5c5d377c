"""The composition root: settings become a database, keys, servers, a worker and an API.

`house` opens what every process has; `parts` opens the servers, and names concrete providers: nobody else does;
`process` runs a list of parts until it is stopped; `operator` holds what commands do beside a running installation.
"""

from litemail.app.dataplane import render_powerdns as render_powerdns
from litemail.app.house import House as House
from litemail.app.house import Part as Part
from litemail.app.operator import Finding as Finding
from litemail.app.operator import approve_live as approve_live
from litemail.app.operator import examine as examine
from litemail.app.operator import migrate_only as migrate_only
from litemail.app.prices import list_plan_versions as list_plan_versions
from litemail.app.prices import list_plans as list_plans
from litemail.app.prices import set_plan as set_plan
from litemail.app.prices import withdraw_plan as withdraw_plan
from litemail.app.process import Running as Running
from litemail.app.process import run as run
from litemail.app.process import run_api_workers as run_api_workers
from litemail.app.wallets import WalletView as WalletView
from litemail.app.wallets import grant_money as grant_money
from litemail.app.wallets import show_wallet as show_wallet
