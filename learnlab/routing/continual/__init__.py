"""Learning one kind of task after another, and what that costs: ways to learn, forgetting, and learning anew.

- What is learned after what, and what is judged by: `stream` (`domains`, `split`).
- The ways: fine-tuning, EWC, EWC++, replay, joint retraining: `memory`; how firmly they hold: `tuning.choose`.
- One stream learned in one way, and what was expected of every domain after each: `learning.learn`.
- How good, what was lost, what was known beforehand, with intervals: `scores`, `transfer`, `comparing.compared`.
- What taking in new tasks costs as a store grows: `growth`.
"""
