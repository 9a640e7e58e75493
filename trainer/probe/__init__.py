"""Probing a grown mind: where its continuations end, and where the way there is decided."""
