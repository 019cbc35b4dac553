"""Unit tests of flows: a few rows in, the expected rows out, without the sources and without the store."""
