"""Which candidate to send a task to: what can be known before it runs, learned from what came of others.

- What a router learns from and is: `tries`, `router`; what is wanted of a choice, and how it is drawn: `preference`,
  `policy`.
- From a store, split: `reading`, `splits`.
- Routers: `baselines`, `sona`; how one goes on learning: `continual`.
- How good they are: `evaluate`, where every outcome is known; `counterfactual`, where only that of the choice is.
- In use: `promoting` decides which one is, `keeping` holds it in the store, `deciding` routes a task by it.
"""
