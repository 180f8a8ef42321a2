"""Campaigns: experiments x rows x members from one file, as in a paper's table."""

from rookery.campaigns.document import CampaignDocument
from rookery.campaigns.load import Campaign, find_campaign, load_campaign
from rookery.campaigns.run import CampaignResult, run_campaign

__all__ = [
    "Campaign",
    "CampaignDocument",
    "CampaignResult",
    "find_campaign",
    "load_campaign",
    "run_campaign",
]
