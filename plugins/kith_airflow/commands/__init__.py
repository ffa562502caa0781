"""The commands of `make`, each a function that returns its exit code."""
