"""The sums that are minimised, and the labels that fill given shares: functions that know no modality."""

from unlabeled.objectives.contrastive import nt_xent
from unlabeled.objectives.optimal_transport import BalancedAssignment, balanced_assignment

__all__ = ["BalancedAssignment", "balanced_assignment", "nt_xent"]
