"""Training: one step, one loop; data, callbacks, checks."""
