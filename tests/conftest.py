import sys, types

try:
    import unlabeled.data.photographs
except ImportError:
    m = types.ModuleType("unlabeled.data.photographs")
    m.photographs = None
    sys.modules["unlabeled.data.photographs"] = m

import torch

torch.set_num_threads(1)  # small networks, and often other tests beside
