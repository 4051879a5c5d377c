"""IMAP: Maildir++ folders served under pymap's protocol engine."""
