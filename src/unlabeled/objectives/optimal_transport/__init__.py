"""Labels that fill given shares of a data set: entropic optimal transport with one number a cluster as its state."""

from unlabeled.objectives.optimal_transport.rows import Logits
from unlabeled.objectives.optimal_transport.solver import Assignment, BalancedAssignment, assign, balanced_assignment

__all__ = ["Assignment", "BalancedAssignment", "Logits", "assign", "balanced_assignment"]
