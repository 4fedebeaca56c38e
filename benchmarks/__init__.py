"""Measures this library beside the alternatives; `./dev bench` runs it.

A question is a module in `questions`, which measures every contender in one run, in turns. The
figures go to `results.json`, and from there to the tables and plots of docs/explain/benchmarks.md.
"""
