"""Vendors behind small typed protocols; concrete providers are named only in app.py."""
