"""What a mixture of Gaussians as the prior of an auto-encoder is made of: posterior, prior, decoders."""

from unlabeled.encoders.mixture.decoders import DecoderName, Upsampling
from unlabeled.encoders.mixture.model import Mixture, Terms
from unlabeled.encoders.mixture.posterior import Posterior, VarianceName
from unlabeled.encoders.mixture.prior import Prior

__all__ = ["DecoderName", "Mixture", "Posterior", "Prior", "Terms", "Upsampling", "VarianceName"]
