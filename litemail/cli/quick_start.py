"""Imported first: loading the program makes many objects and no garbage, and looking for it costs 0.2 s of a start.

A process that stays switches collection on again when it is ready (`app.process`).
"""

import gc

gc.disable()
