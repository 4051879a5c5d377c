"""The API reference at /docs: pages for people, the same as Markdown, an index and a collection for machines.

All of it is made from the contract that `web.openapi` builds of the routes, so it cannot differ from what is served.
"""

from litemail.web.reference.routes import router as router
