"""CURL: learns from a stream, finds its own components, adds some when it is surprised, rehearses what it generates."""

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from unlabeled import chance
from unlabeled.distributed import collect, rank, world_size
from unlabeled.encoders.images.dense import Channels
from unlabeled.encoders.mixture import DecoderName, Mixture, Terms, Upsampling, VarianceName
from unlabeled.errors import UserError
from unlabeled.training.budget import ENDLESS
from unlabeled.training.expansion import Growth, Patience, birth, chunks, default_threshold, still
from unlabeled.training.heads import width_of
from unlabeled.training.method import Batch, Plan, Update
from unlabeled.training.optimizers import OneClockAdam
from unlabeled.training.replay import REPLAYS, ReplayName
from unlabeled.views import images

FULL = 1000
"""Steps between snapshots of a stream without an end, once no component can be added any more."""


class CURL(nn.Module):
    """A variational auto-encoder with a mixture of Gaussians as its prior, learnt on a stream (Rao et al. 2019).

        loss = - mean ll(x),    ll = sum_k pi_k (log p(x | z_k) - KL(q(z | x, k) || p(z | k))) - KL(pi || uniform)
        pi = q(y | x) over the K active components;    z_k ~ q(z | x, k), one draw each

    On a step with real data, samples with ll below the threshold are collected; a hundred of them make component K + 1,
    a copy of the one that explains them best, which then learns them. Every other step, once there is a past, rehearses
    what a frozen copy of prior and decoder generates. D. Rao, F. Visin, A. A. Rusu, Y. W. Teh, R. Pascanu, R. Hadsell:
    Continual unsupervised representation learning, NeurIPS 2019; defaults are the official code's main experiment,
    whose batches are of 100.
    Departures: the buffer teaches the new component's index and never labels; a batch larger than the buffer takes it
    whole; a label that is no component is an error. The representation is the mean of q(z | x, most probable k).

    Args:
        encoder: any module that gives (B, `encoder.width`); the paper's is mlp.
        components: N, at most so many.
        start: components that are active from the first step on.
        latent: D.
        decoder: single, one MLP for all components; multi, one each; deconv, convolutions.
        decoder_widths: of its layers; by default 500 500, and 128 64 32 channels of deconv.
        upsampling: of deconv: transposed convolutions, or resize and convolve.
        output: what a pixel is: bernoulli, or gaussian for grey and colour (ours).
        pixel_deviation: of gaussian pixels, above 0.
        binarise: pixels above a half become 1 and others 0; never where they are gaussian.
        colour: three channels in place of their mean.
        variance: of z, from what the network gives: softplus, exp, or deviation, which is softplus squared.
        prior_bias: whether the components' priors share a bias, as published.
        expansion: whether components are added.
        threshold: c_new in nats a picture; by default the published -200 of 784 bits, in proportion, and of gaussian
            pixels the bound of a picture that is off by 1.2 deviations everywhere.
        buffer: poor samples that make a component.
        wait: steps on real data between components.
        burn_in: steps before the first is added.
        passes: over the buffer, for the new component.
        replay: fixed, generated from a snapshot taken at fixed times; dynamic, from one taken at every new component;
            reservoir, 1,000 real samples (ours, for comparison); none.
        snapshot_every: steps between fixed snapshots; by default a stream's own period, of a shuffled one the steps
            divided by the number of classes, or by ten where there are no labels; a stream without an end has no
            periods: snapshots come with new components, and every thousand steps once none can be added any more.
        replay_every: one step of so many rehearses, at least 2.
        supervised_replay: rehearse with the component that was generated from (SMGR).
        supervised: components are the classes of the data, whose labels are learnt; nothing is added.
        kl_over_batch: the KL of the components is that of their mean over the batch.
        learning_rate: of Adam, constant.
    """

    modalities: ClassVar = ("images",)
    views: ClassVar = {"images": images.plain}
    encoders: ClassVar = {"images": "mlp"}
    keeps: ClassVar = 10
    endless: ClassVar = True
    key: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        components: int = 30,
        start: int = 1,
        latent: int = 32,
        decoder: DecoderName = "single",
        decoder_widths: tuple[int, ...] = (),
        upsampling: Upsampling = "transposed",
        output: Literal["bernoulli", "gaussian"] = "bernoulli",
        pixel_deviation: float = 0.25,
        binarise: bool = True,
        colour: bool = False,
        variance: VarianceName = "softplus",
        prior_bias: Literal["shared", "none"] = "shared",
        expansion: bool = True,
        threshold: float | None = None,
        buffer: int = 100,
        wait: int = 100,
        burn_in: int = 100,
        passes: int = 10,
        replay: ReplayName = "fixed",
        snapshot_every: int | None = None,
        replay_every: int = 2,
        supervised_replay: bool = False,
        supervised: bool = False,
        kl_over_batch: bool = False,
        learning_rate: float = 1e-3,
    ) -> None:
        super().__init__()
        if min(components, latent, *(decoder_widths or (1,))) < 1 or passes < 0:
            raise ValueError("components, latent and decoder_widths take at least 1, passes 0")
        if not 1 <= start <= components:
            raise ValueError(f"start takes 1 to {components}, the number of components, got {start}")
        if snapshot_every is not None and snapshot_every < 1:
            raise ValueError(f"snapshot_every takes a number of at least 1, got {snapshot_every}")
        if not (pixel_deviation > 0 and learning_rate > 0):
            raise ValueError("pixel_deviation and learning_rate take numbers above 0")
        if supervised and replay not in ("fixed", "none"):
            raise ValueError(f"supervised takes replay fixed or none, for it adds no components, got {replay}")
        if replay == "dynamic" and not expansion:
            raise ValueError("replay dynamic rehearses from when a component was added last: leave expansion on")
        if replay == "dynamic" and snapshot_every is not None:
            raise ValueError("replay dynamic takes its snapshots with new components: leave snapshot_every out")
        side = getattr(encoder, "image_size", None)
        if side is None:
            raise ValueError("curl needs an encoder of pictures of one size")
        if colour and any(isinstance(each, Channels) and each.channels == 1 for each in encoder.modules()):
            raise ValueError("colour needs an encoder that sees it: --network.channels 3")
        self.encoder, self.components, self.colour, self.over_batch = encoder, components, colour, kl_over_batch
        deviation = None if output == "bernoulli" else pixel_deviation
        self.binarise = binarise and deviation is None
        self.picture = (3 if colour else 1, side, side)
        widths = tuple(decoder_widths) or ((128, 64, 32) if decoder == "deconv" else (500, 500))
        self.mixture = Mixture(
            width_of(encoder), components, latent, self.picture, decoder, widths, upsampling, deviation,
            prior_bias == "shared", variance,
        )  # fmt: skip
        self.mixture.active.fill_(start)
        least = default_threshold(self.picture[0] * side**2, deviation) if threshold is None else threshold
        self.growth = Growth(Patience(least, buffer, wait, burn_in)) if expansion and not supervised else None
        self.passes, self.learning_rate = passes, learning_rate
        self.replay = REPLAYS[replay](components, self.mixture.rehearsed, replay_every)
        self.fixed, self.snapshot_every = replay in ("fixed", "reservoir"), snapshot_every
        self.supervised, self.supervised_replay = supervised, supervised_replay or supervised
        self.register_buffer("key", torch.randint(2**62, ()))
        self.labels: Tensor | None = None
        self.at, self.drawn, self.batch_size = 0, 0, 0
        self.classes: list[str] = []
        self.period: int | None = None
        self.learnt, self.rehearsed = 0, False
        self.births: list[dict[str, Any]] = []
        self.last: tuple[Terms, Tensor] | None = None

    # --- the model --------------------------------------------------------------------------------------------------

    def pictures(self, views: Tensor) -> Tensor:
        """Views (B, 3, S, S) in [0, 1] as the model sees them, (B, C, S, S): grey or colour, perhaps bits."""
        seen = views if self.colour else views.mean(1, keepdim=True)
        return (seen > 0.5).to(seen.dtype) if self.binarise else seen

    def hidden(self, pictures: Tensor) -> Tensor:
        """(B, C, S, S) to the encoder's (B, E)."""
        found: Tensor = self.encoder(pictures.expand(-1, 3, -1, -1))
        return found

    def terms(self, pictures: Tensor) -> Terms:
        """(B, C, S, S) to what the bound is made of, for all active components."""
        return self.mixture.terms(self.hidden(pictures), pictures, self.noise)

    def component_bound(self, hidden: Tensor, pictures: Tensor, component: Tensor) -> Tensor:
        """What takes its place where components are known, (B,)."""
        return self.mixture.component_bound(hidden, pictures, component, self.noise)

    def draws(self) -> torch.Generator:
        """Chance of this step, the same on all processes, another at every call."""
        self.drawn += 1
        return chance.torch_generator(int(self.key), chance.MODEL, self.at, self.drawn)

    def noise(self, like: Tensor) -> Tensor:
        """Standard normal draws for this process's rows of the global batch."""
        whole = torch.randn(len(like) * world_size(), *like.shape[1:], generator=self.draws())
        return whole[rank() * len(like) :][: len(like)].to(like)

    def represent(self, batch: Tensor) -> Tensor:
        """(B, 3, S, S) to the mean of z under its most probable component, (B, D)."""
        return self.assigned(batch)[1]

    def assigned(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """q(y | x), (B, K), and the mean of z under the most probable component, (B, D)."""
        return self.mixture.assigned(self.hidden(self.pictures(views)))

    def described(self, views: Tensor, sampled: bool = False) -> Tensor:
        """(B, 3, S, S) to rows of q(y | x), z, ll, E log p(x | z), E KL(z) and KL(y), (B, K + D + 4).

        Args:
            views: as above.
            sampled: draw y from q(y | x) and z from q(z | x, y), in place of the mode and its mean.
        """
        pictures = self.pictures(views)
        hidden = self.hidden(pictures)
        shares, latents = self.mixture.assigned(hidden)
        if sampled:
            latents = self.mixture.drawn(hidden, self.draws(), self.noise)
        terms = self.mixture.terms(hidden, pictures, self.noise)
        # the bound is of the sample alone, also where --kl-over-batch was learnt with
        return torch.cat([shares, latents, terms.bound()[:, None], terms.parts()], 1)

    # --- learning ---------------------------------------------------------------------------------------------------

    def prepare(self, samples: Any) -> None:
        """Take the labels where they are to be learnt, and the names of the classes.

        Raises:
            UserError: labels are missing, or there are more classes than components.
        """
        self.classes = [] if samples.labels is None else list(samples.classes)
        if not self.supervised:
            return
        if samples.labels is None or (samples.labels < 0).any():
            raise UserError("--supervised needs a label for every sample; sort the data into one folder a class.")
        if len(self.classes) > self.components:
            raise UserError(f"--components {self.components} is fewer than the {len(self.classes)} classes; raise it.")
        self.labels = torch.as_tensor(samples.labels, dtype=torch.int64)

    def keep_time(self, period: int) -> None:
        """Take snapshots where a stream goes on to other classes, unless `snapshot_every` says otherwise."""
        self.period = period

    def optimizer(self, batch_size: int, steps: int) -> Plan:
        """Adam at a constant rate; the time between snapshots, and what the buffer's passes take at once."""
        self.batch_size = batch_size
        if self.fixed:
            usual = None if steps == ENDLESS else max(1, steps // (len(self.classes) or 10))
            self.replay.period = self.snapshot_every or self.period or usual
        return Plan(OneClockAdam(self.parameters(), self.learning_rate), lambda step: 1.0)

    def before_step(self, step: int) -> None:
        """Note the step, which decides what it draws and whether it rehearses."""
        self.at, self.drawn = step, 0

    def loss(self, batch: Batch) -> Tensor:
        """Minus the mean bound of real data; of known components where it is supervised."""
        pictures = self.pictures(batch.views)
        if self.labels is not None:
            return -self.component_bound(self.hidden(pictures), pictures, self._seen(batch.index)).mean()
        return -self.terms(pictures).bound(self.over_batch).mean()

    def step(self, batch: Batch, update: Update) -> Tensor:
        """Rehearse where that is due, else learn the batch, and grow where it was too strange."""
        if self.fixed and self.replay.period is None and not self._may_grow():
            self.replay.period = FULL
        self.replay.before(self.at, self.mixture)
        self.rehearsed = self.replay.due(self.at)
        if self.rehearsed:
            return self._rehearse(len(batch.index), update)
        self.learnt += 1
        if self.labels is not None:
            return self._learn_labelled(batch, update)
        pictures = self.pictures(batch.views)
        terms = self.terms(pictures)
        bound = terms.bound(self.over_batch)
        update(-bound.mean())
        self.last = terms, bound.detach()
        self.replay.after(pictures, terms.logits.softmax(1), self.draws)
        if self.growth is not None:
            full = self.growth.after(self.at, pictures, bound, self._may_grow())
            if full is not None:
                self._grow(*full, update)
        return -bound.detach().mean()

    def _may_grow(self) -> bool:
        return self.growth is not None and int(self.mixture.active) < self.components

    def _learn_labelled(self, batch: Batch, update: Update) -> Tensor:
        loss = self.loss(batch)
        update(loss)
        shares = one_hot(self._seen(batch.index), int(self.mixture.active))
        self.replay.after(batch.views, shares, self.draws)
        return loss

    def _rehearse(self, count: int, update: Update) -> Tensor:
        pixels, component = self.replay.batch(count, self.draws)
        pictures = pixels.reshape(-1, *self.picture)
        if self.supervised_replay and component is not None:
            loss = -self.component_bound(self.hidden(pictures), pictures, component).mean()
        else:
            loss = -self.terms(pictures).bound(self.over_batch).mean()
        update(loss)
        return loss.detach()

    def _seen(self, index: Tensor) -> Tensor:
        """The labels of a batch; classes up to the highest that any process has met are active."""
        assert self.labels is not None
        labels = self.labels.to(index.device)[index]
        highest = max(collect(int(labels.max())))
        self.mixture.active.fill_(max(int(self.mixture.active), highest + 1))
        return labels

    def _grow(self, poor: Tensor, bounds: Tensor, update: Update) -> None:
        """A new component from poor samples: the copy of the one that explains them best, which then learns them."""
        self.replay.before_growth(self.mixture)
        batch = min(self.batch_size, len(poor) // world_size() * world_size())
        poor, bounds = poor[-(len(poor) // batch * batch) :], bounds[-(len(poor) // batch * batch) :]
        with still(self.encoder, self.mixture.decoder), torch.no_grad():
            hidden = torch.cat([self.hidden(part) for part in chunks(poor, batch)])
            shares = self.mixture.assigned(hidden)[0].sum(0)
        source = int(shares.argmax())
        new = self.mixture.grow(source)
        self.births.append(birth(new, self.at, source, float(shares[source] / len(poor)), poor, bounds))
        own = slice(rank() * batch // world_size(), (rank() + 1) * batch // world_size())
        moving = [*self.mixture.posterior.parameters(), *self.mixture.prior.parameters()]
        with still(self.encoder, self.mixture.decoder):
            for _ in range(self.passes):
                for seen, rows in zip(chunks(poor, batch), chunks(hidden, batch), strict=True):
                    component = torch.full_like(rows[own, 0], new, dtype=torch.int64)
                    update(-self.component_bound(rows[own], seen[own], component).mean(), moving)

    # --- what is kept and told --------------------------------------------------------------------------------------

    def memory(self) -> dict[str, Any]:
        """What the stream has left behind beside the weights, and the names of its classes."""
        growth = {} if self.growth is None else self.growth.memory()
        left = {"growth": growth, "replay": self.replay.memory(), "births": self.births, "learnt": self.learnt}
        return left | {"classes": self.classes}

    def remember(self, memory: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if self.growth is not None:
            self.growth.remember(memory["growth"], self.key.device)
        self.replay.remember(memory["replay"], self.mixture)
        self.births, self.learnt = memory["births"], memory["learnt"]

    def shares(self) -> Tensor:
        """The share of all real samples so far that each active component explained, (K,)."""
        counts = self.replay.counts()[: int(self.mixture.active)]
        return counts / counts.sum().clamp(min=1e-12)

    def figures(self) -> dict[str, float]:
        """Of the last batch of real data: components, the bound and its parts in nats, the share of poor samples."""
        told = {"components": float(self.mixture.active)}
        if self.last is None:
            return told
        terms, bound = self.last
        parts = ("log_likelihood", "latent_kl", "component_kl")
        told |= {"bound": float(bound.mean()), **dict(zip(parts, terms.parts().detach().mean(0).tolist(), strict=True))}
        if self.growth is not None:
            told["poor"] = float((bound < self.growth.patience.threshold).float().mean())
        return told
