"""The example code location: every flow under ``flows/`` as Dagster assets."""
