"""Types generated from the YANG modules; see tools/generate_model.py."""
