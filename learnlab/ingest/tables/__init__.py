"""Tables with one execution a row: CSV, JSON and Parquet, by the names of their columns or a mapping."""
