"""The sums that are minimised, and the labels that fill given shares: functions that know no modality."""

from unlabeled.objectives.contrastive import nt_xent
from unlabeled.objectives.mixture_elbo import component_elbo, mixture_elbo
from unlabeled.objectives.mutual_information import local_global
from unlabeled.objectives.optimal_transport import Assignment, BalancedAssignment, assign, balanced_assignment
from unlabeled.objectives.pairwise import margin_triplet, nt_logistic
from unlabeled.objectives.reconstruction import reconstruction
from unlabeled.objectives.walk_context import walk_context

__all__ = [
    "Assignment",
    "BalancedAssignment",
    "assign",
    "balanced_assignment",
    "component_elbo",
    "local_global",
    "margin_triplet",
    "mixture_elbo",
    "nt_logistic",
    "nt_xent",
    "reconstruction",
    "walk_context",
]
