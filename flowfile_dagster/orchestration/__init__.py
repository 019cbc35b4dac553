"""Flows as Dagster definitions. `definitions` and `component` are the two doors; behind them lie, left to right:

- `project`: what is said of flows besides their files,
- `pages`: what people see of an asset,
- `specs`: flows to asset specs and checks, pure,
- `steps`: what runs in a step,
- `launching`: what makes it run.
"""
