"""Litemail: an open, self-hostable platform for mailbox infrastructure."""
