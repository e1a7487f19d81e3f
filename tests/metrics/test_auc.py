"""AUC and average precision against scikit-learn and against every pair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from unlabeled.metrics.auc import auc, average_precision

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@settings(deadline=None)
@given(positives=scores, negatives=scores)
def test_they_are_those_of_scikit_learn_and_count_ties(positives: list[float], negatives: list[float]) -> None:
    p, n = np.array(positives), np.array(negatives)
    truth = np.arange(len(p) + len(n)) < len(p)
    every = [(a > b) + (a == b) / 2 for a in positives for b in negatives]
    assert auc(p, n) == pytest.approx(np.mean(every))
    assert auc(p, n) == pytest.approx(roc_auc_score(truth, np.concatenate([p, n])))
    assert average_precision(p, n) == pytest.approx(average_precision_score(truth, np.concatenate([p, n])))


def test_what_has_no_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="0 negatives"):
        auc(np.ones(2), np.ones(0))
    with pytest.raises(ValueError, match="no number"):
        average_precision(np.array([np.nan]), np.ones(1))
