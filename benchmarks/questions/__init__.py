"""The questions, one in each module. Its `measure(small)` returns one or more `Figures`."""
