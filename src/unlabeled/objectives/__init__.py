"""The sums that are minimised: functions of embeddings that know no modality."""

from unlabeled.objectives.contrastive import nt_xent
from unlabeled.objectives.pairwise import margin_triplet, nt_logistic

__all__ = ["margin_triplet", "nt_logistic", "nt_xent"]
