"""The doors: how management gets in."""
