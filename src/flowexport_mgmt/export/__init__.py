"""Where records go: sessions and senders."""
