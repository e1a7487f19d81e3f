"""Batch norm whose mean and variance are those of the whole batch, over all processes, on any backend.

torch's `SyncBatchNorm` refuses to run on the CPU; this one is exact on gloo and NCCL, value and
gradient, and is torch's own kernel where there is one process or no training.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from unlabeled.distributed import world_size


class _Normalise(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) over the rows of all processes; one message forward, one backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        axes = [0, *range(2, x.ndim)]
        wide = x.to(torch.float64 if x.dtype == torch.float64 else torch.float32)
        local_var, local_mean = torch.var_mean(wide, axes, correction=0)  # (C,)
        count = wide.new_full((1,), x.numel() / x.shape[1])
        parts = [torch.empty(2 * x.shape[1] + 1, dtype=wide.dtype, device=x.device) for _ in range(world_size())]
        dist.all_gather(parts, torch.cat([count, local_mean, local_var]))
        counts, means, variances = torch.split(torch.stack(parts), [1, x.shape[1], x.shape[1]], 1)  # (R, 1), (R, C) x 2
        total = counts.sum()
        mean = (counts * means).sum(0) / total
        # variance of the whole = mean of the shards' variances + spread of their means: no cancellation
        var = (counts * (variances + (means - mean).square())).sum(0) / total
        shape = [1, -1, *[1] * (x.ndim - 2)]
        inverse = torch.rsqrt(var + eps)
        normal = (wide - mean.view(shape)) * inverse.view(shape)
        ctx.save_for_backward(normal, inverse, total)
        ctx.mark_non_differentiable(mean, var, total)
        return normal.to(x.dtype), mean, var, total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, None]:
        normal, inverse, total = ctx.saved_tensors
        axes, shape = [0, *range(2, normal.ndim)], [1, -1, *[1] * (normal.ndim - 2)]
        wide = gradient.to(normal.dtype)
        sums = torch.cat([wide.sum(axes), (wide * normal).sum(axes)])
        dist.all_reduce(sums)
        mean_gradient, mean_product = (sums / total).chunk(2)
        centred = wide - mean_gradient.view(shape) - normal * mean_product.view(shape)
        return (centred * inverse.view(shape)).to(gradient.dtype), None


class BatchNorm(nn.Module):
    """Batch norm over the batch of all processes, any number of trailing dimensions.

    Args:
        like: the torch layer whose parameters, buffers and settings are taken over (shared, not copied).
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, like: nn.modules.batchnorm._BatchNorm) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = like.num_features, like.eps, like.momentum
        self.register_parameter("weight", like.weight)
        self.register_parameter("bias", like.bias)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(like, name))
        # timm fuses dropout and activation into some of its batch norms
        self.drop: nn.Module = getattr(like, "drop", nn.Identity())
        self.act: nn.Module = getattr(like, "act", nn.Identity())
        self.training = like.training

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) to the same shape."""
        if not self.training:
            mean, var = self.running_mean, self.running_var
            return self._end(batch_norm(x, mean, var, self.weight, self.bias, False, 0.0, self.eps))
        normal, mean, var, total = _Normalise.apply(x, self.eps)
        with torch.no_grad():
            self.num_batches_tracked += 1
            share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
            unbiased = var * (total / (total - 1).clamp_min(1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)
        shape = [1, -1, *[1] * (x.ndim - 2)]
        if self.weight is not None:
            normal = normal * self.weight.view(shape)
        return self._end(normal + self.bias.view(shape) if self.bias is not None else normal)

    def _end(self, x: Tensor) -> Tensor:
        ended: Tensor = self.act(self.drop(x))
        return ended


def over_processes(module: nn.Module) -> nn.Module:
    """Replace every batch norm below `module` by one over all processes; nothing changes in one process.

    Returns:
        The module, changed in place (or the replacement, where it is itself a batch norm).
    """
    if world_size() == 1:
        return module
    if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats:
        return BatchNorm(module)
    for name, child in module.named_children():
        setattr(module, name, over_processes(child))
    return module
