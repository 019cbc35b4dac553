"""Flowfile flows as Dagster assets."""
