"""Servers: engines and sessions know no database; one backend.py each knows our services."""
