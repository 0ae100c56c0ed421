"""The commands: declared as data, read along the grammar, carried out over a session."""
