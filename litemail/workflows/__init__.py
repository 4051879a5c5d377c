"""What crosses slices, one use case per file; api.py holds the routes that start one."""
