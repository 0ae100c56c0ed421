"""Benchmarks: each compares our code with a reference that does the same work in the same run.

``./scripts/bench`` runs every module of this package that has a function
``run(*, quick: bool) -> list[Result]``.
"""
