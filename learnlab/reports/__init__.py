"""Reports: charts, what a notebook publishes, running notebooks and rendering them."""

from learnlab.reports.process import draw_offline, skip_slow_grammar

skip_slow_grammar()
draw_offline()
