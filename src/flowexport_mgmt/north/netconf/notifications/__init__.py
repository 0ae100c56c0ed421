"""Event notifications: what happens is rendered once, kept for replay, and sent to subscribers."""
