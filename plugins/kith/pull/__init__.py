"""Pull: source to raw."""
