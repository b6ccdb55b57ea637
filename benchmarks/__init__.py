"""Benchmarks: kerasish against Keras and against hand-written loops, on the same engine and machine.

`python -m benchmarks` prints the table. See README.md in this folder.
"""
