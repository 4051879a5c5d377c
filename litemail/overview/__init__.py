"""Read-only views over many slices."""
