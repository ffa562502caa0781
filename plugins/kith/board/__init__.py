"""Board: pages for who is on call, of a task and of all companies."""
