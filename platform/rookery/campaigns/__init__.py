"""Campaigns: experiments x rows x members from one file, as in a paper's table."""
