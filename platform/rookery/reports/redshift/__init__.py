"""Reports of redshift PDFs, as papers of photometric redshifts judge them."""

from rookery.reports.redshift.assessment import RedshiftAssessment, assess_redshifts
from rookery.reports.redshift.evaluation import KIND, evaluate_redshifts

__all__ = ["KIND", "RedshiftAssessment", "assess_redshifts", "evaluate_redshifts"]
