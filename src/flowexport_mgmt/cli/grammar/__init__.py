"""The served schema as the grammar of lines: fetched once, then read from the user's cache."""
