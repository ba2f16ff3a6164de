"""How good a router is, said with an interval, on tasks where every candidate's outcome is known.

Splits give `held.Held`: the outcomes of the judged tasks and what each router expects of them or chose.

- What do the routers achieve, cost and regret, and who is better? `summary.summary`; by task type: `summary.by_type`.
- How many strong calls does a share of the quality need (APGR, CPT)? `summary.recovered_summary`, `curves.kept_curves`.
- What quality does any budget buy (AIQ)? `summary.aiq_summary`, `curves.bought_curves`.
- What does one router cost and achieve at each price of quality? `frontier.cost_quality`.
- Does 70 % mean 70 %? `calibration.calibration`, `calibration.reliability`.
- How does regret grow along a stream? `choices.cumulative_regret`.
- What interval has a figure of one's own, or its difference between two routers? `resampling.estimates`.

Where only the chosen candidate's outcome is known, ask `learnlab.routing.counterfactual`.
"""
