"""Twins of the outside world for sandbox workspaces: real servers that behave and misbehave like the vendors.

The magic values (`wrong-password`, `needs-totp`, ...) exist only here.
"""
