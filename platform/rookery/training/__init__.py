"""Training: one network from a job; weights, history, predictions and card to a member folder."""

from rookery.training.job import TrainingJob
from rookery.training.loop import train
from rookery.training.member import Member, open_member, train_member
from rookery.training.progress import Progress

__all__ = ["Member", "Progress", "TrainingJob", "open_member", "train", "train_member"]
