"""Training: one network from a job; weights, history, predictions and card to a member folder."""
