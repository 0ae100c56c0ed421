"""The transaction: datastores, edits, commits, locks, history and events."""
