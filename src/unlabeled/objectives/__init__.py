"""The sums that are minimised: functions of embeddings that know no modality."""

from unlabeled.objectives.contrastive import nt_xent

__all__ = ["nt_xent"]
