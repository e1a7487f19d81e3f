"""The sums that are minimised: functions of embeddings that know no modality."""

from unlabeled.objectives.contrastive import nt_xent, nt_xent_by_blocks

__all__ = ["nt_xent", "nt_xent_by_blocks"]
