import torch

torch.set_num_threads(1)  # small networks, and often other tests beside
