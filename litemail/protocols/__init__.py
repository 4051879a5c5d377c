"""Pure functions and types of the protocols we speak: no clock, no network, no database."""
