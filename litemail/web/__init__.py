"""The HTTP edge: authenticates, opens transactions, renders answers and errors."""
