"""Reports: charts, what a notebook publishes, running notebooks and rendering them."""
