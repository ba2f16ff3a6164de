"""Captured calls: of a pool's methods, of functions, of pieces of code."""
