"""Rights of a person: all that is held of them is handed out, or erased."""
