"""Configurations as documents: built from lines and files, rendered as text, compared."""
