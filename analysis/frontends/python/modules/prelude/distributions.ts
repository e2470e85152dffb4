/** @file The distributions that models sample from: reparametrised samples are the mean, densities are formulas. */

const distributions = `
import math
import torch
import torch.nn.functional as F


class Distribution:
    def __init__(self, *args, **kwargs):
        pass

    def sample(self, sample_shape=()):
        return self.rsample(sample_shape).detach()

    def sample_n(self, n):
        return self.sample((n,))

    def expand(self, *args, **kwargs):
        return self

    @property
    def stddev(self):
        return torch.sqrt(self.variance)

    def perplexity(self):
        return torch.exp(self.entropy())


def _drawn(value, sample_shape):
    shape = tuple(sample_shape)
    return value + torch.randn_like(value) if len(shape) == 0 else value + torch.randn(*shape, *value.shape)


class Normal(Distribution):
    def __init__(self, loc, scale, validate_args=None):
        self.loc = loc
        self.scale = scale

    @property
    def mean(self):
        return self.loc

    @property
    def mode(self):
        return self.loc

    @property
    def stddev(self):
        return self.scale

    @property
    def variance(self):
        return self.scale ** 2

    def rsample(self, sample_shape=()):
        shape = tuple(sample_shape)
        if len(shape) == 0:
            return self.loc + self.scale * torch.randn_like(self.loc + self.scale)
        return self.loc + self.scale * torch.randn(*shape, *(self.loc + self.scale).shape)

    def log_prob(self, value):
        return -((value - self.loc) ** 2) / (2 * self.scale ** 2) - torch.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def entropy(self):
        return 0.5 + 0.5 * math.log(2 * math.pi) + torch.log(self.scale)

    def cdf(self, value):
        return 0.5 * (1 + torch.erf((value - self.loc) / (self.scale * math.sqrt(2))))


class LogNormal(Normal):
    def rsample(self, sample_shape=()):
        return torch.exp(super().rsample(sample_shape))


class Laplace(Normal):
    def log_prob(self, value):
        return -torch.log(2 * self.scale) - torch.abs(value - self.loc) / self.scale

    def entropy(self):
        return 1 + torch.log(2 * self.scale)


class Uniform(Distribution):
    def __init__(self, low, high, validate_args=None):
        self.low = low
        self.high = high

    def rsample(self, sample_shape=()):
        low = torch.as_tensor(self.low)
        shape = tuple(sample_shape)
        u = torch.rand_like(low) if len(shape) == 0 else torch.rand(*shape, *low.shape)
        return low + (self.high - self.low) * u


class Categorical(Distribution):
    def __init__(self, probs=None, logits=None, validate_args=None):
        if logits is None:
            self.probs = probs / probs.sum(-1, keepdim=True)
            self.logits = torch.log(self.probs)
        else:
            self.logits = logits - logits.logsumexp(dim=-1, keepdim=True)
            self.probs = F.softmax(logits, dim=-1)

    @property
    def mode(self):
        return self.probs.argmax(dim=-1)

    def sample(self, sample_shape=()):
        return torch.argmax(self.logits + torch.rand_like(self.logits), dim=-1)

    def log_prob(self, value):
        return self.logits.gather(-1, value.long().unsqueeze(-1)).squeeze(-1)

    def entropy(self):
        return -(self.logits * self.probs).sum(-1)


class OneHotCategorical(Categorical):
    def sample(self, sample_shape=()):
        return F.one_hot(super().sample(sample_shape), self.logits.shape[-1]).float()

    def rsample(self, sample_shape=()):
        drawn = self.sample(sample_shape)
        return drawn + self.probs - self.probs.detach()

    def log_prob(self, value):
        return (self.logits * value).sum(-1)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    pass


class RelaxedOneHotCategorical(OneHotCategorical):
    def __init__(self, temperature, probs=None, logits=None, validate_args=None):
        super().__init__(probs, logits)
        self.temperature = temperature

    def rsample(self, sample_shape=()):
        return F.softmax((self.logits + torch.randn_like(self.logits)) / self.temperature, dim=-1)


class Bernoulli(Distribution):
    def __init__(self, probs=None, logits=None, validate_args=None):
        self.probs = torch.sigmoid(logits) if probs is None else probs
        self.logits = torch.log(probs / (1 - probs)) if logits is None else logits

    @property
    def mean(self):
        return self.probs

    def sample(self, sample_shape=()):
        return (torch.rand_like(self.probs) < self.probs).float()

    def rsample(self, sample_shape=()):
        return self.sample(sample_shape) + self.probs - self.probs.detach()

    def log_prob(self, value):
        return -F.binary_cross_entropy_with_logits(self.logits, value, reduction="none")

    def entropy(self):
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class MultivariateNormal(Distribution):
    def __init__(self, loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None):
        self.loc = loc
        self.scale_tril = torch.linalg.cholesky(covariance_matrix) if scale_tril is None else scale_tril

    @property
    def mean(self):
        return self.loc

    def rsample(self, sample_shape=()):
        return self.loc + (self.scale_tril @ torch.randn_like(self.loc).unsqueeze(-1)).squeeze(-1)


class Independent(Distribution):
    def __init__(self, base_distribution, reinterpreted_batch_ndims=1, validate_args=None):
        self.base_dist = base_distribution
        self.axes = tuple(range(-reinterpreted_batch_ndims, 0))

    @property
    def mean(self):
        return self.base_dist.mean

    @property
    def mode(self):
        return self.base_dist.mode

    @property
    def stddev(self):
        return self.base_dist.stddev

    def sample(self, sample_shape=()):
        return self.base_dist.sample(sample_shape)

    def rsample(self, sample_shape=()):
        return self.base_dist.rsample(sample_shape)

    def log_prob(self, value):
        return self.base_dist.log_prob(value).sum(self.axes)

    def entropy(self):
        return self.base_dist.entropy().sum(self.axes)


def kl_divergence(p, q):
    if isinstance(p, Independent):
        return kl_divergence(p.base_dist, q.base_dist).sum(p.axes)
    if isinstance(p, Categorical):
        return (p.probs * (p.logits - q.logits)).sum(-1)
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - torch.log(ratio))


class kl:
    kl_divergence = kl_divergence
`;

/** Text by module name. */
export const distributionsPrelude: Readonly<Record<string, string>> = {
  "torch.distributions": distributions,
  "torch.distributions.normal": distributions,
  "torch.distributions.categorical": distributions,
  "torch.distributions.bernoulli": distributions,
  "torch.distributions.kl": distributions,
  "torch.distributions.independent": distributions,
};
