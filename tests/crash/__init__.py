"""Processes that die before and after every write, and a checker that looks at what is left."""
