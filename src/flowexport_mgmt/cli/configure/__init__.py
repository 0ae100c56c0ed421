"""Configure mode: the candidate is edited, compared and committed."""
