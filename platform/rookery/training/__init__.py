"""Training: one network from a job; weights, history, predictions and card to a member folder."""

from rookery.training.job import TrainingJob
from rookery.training.loop import Progress, train
from rookery.training.member import Member, open_member, train_member

__all__ = ["Member", "Progress", "TrainingJob", "open_member", "train", "train_member"]
