"""Answers as text: JSON, YAML, tables, CSV, indented text."""
