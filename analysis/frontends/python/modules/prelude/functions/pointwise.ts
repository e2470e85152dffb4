/** @file Functions of torch that work entry by entry, or along one axis, in terms of more common ones. */

/** Stand-in for parts of `torch` and `torch.nn.functional`. */
export const pointwise = `
import math
from collections import namedtuple
import torch
import torch.nn.functional as F

_Sorted = namedtuple("Sorted", ["values", "indices"])
_Range = namedtuple("aminmax", ["min", "max"])


def logaddexp(input, other):
    input, other = torch.broadcast_tensors(input, other)
    return torch.logsumexp(torch.stack([input, other]), 0)


def logaddexp2(input, other):
    return logaddexp(input * math.log(2), other * math.log(2)) / math.log(2)


def logit(input, eps=None):
    if eps is not None:
        input = input.clamp(eps, 1 - eps)
    return torch.log(input) - torch.log(1 - input)


def erfc(input):
    return 1 - torch.erf(input)


def hypot(input, other):
    return torch.sqrt(input * input + other * other)


def sinc(input):
    turned = input * math.pi
    safe = torch.where(input == 0, torch.ones_like(turned), turned)
    return torch.where(input == 0, torch.ones_like(turned), torch.sin(safe) / safe)


def xlogy(input, other):
    return torch.where(input == 0, torch.zeros_like(input * other), input * torch.log(other))


def copysign(input, other):
    size = torch.abs(input)
    return torch.where(other < 0, -size, size)


def heaviside(input, values):
    return torch.where(input == 0, values, (input > 0).to(values.dtype))


def deg2rad(input):
    return input * (math.pi / 180)


def rad2deg(input):
    return input * (180 / math.pi)


def ldexp(input, other):
    return input * torch.pow(2.0, other)


def bitwise_not(input):
    return torch.logical_not(input) if input.dtype == torch.bool else -input - 1


def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    return torch.abs(input - other) <= atol + rtol * torch.abs(other)


def signbit(input):
    return input < 0


def isposinf(input):
    return input == math.inf


def isneginf(input):
    return input == -math.inf


def lgamma(input):
    return torch._opaque("torch.lgamma", [input], input.shape)


def digamma(input):
    return torch._opaque("torch.digamma", [input], input.shape)


def polygamma(n, input):
    return torch._opaque("torch.polygamma", [input], input.shape)


def erfinv(input):
    return torch._opaque("torch.erfinv", [input], input.shape)


def i0(input):
    return torch._opaque("torch.i0", [input], input.shape)


gammaln = lgamma
psi = digamma


def logcumsumexp(input, dim):
    return torch.log(torch.cumsum(torch.exp(input), dim))


def _running(input, dim, best, worst):
    moved = input.transpose(dim, -1)
    n = moved.shape[-1]
    seen = torch.tril(torch.ones(n, n)) > 0
    values = best(moved.unsqueeze(-2).masked_fill(~seen, worst), -1)
    return _Sorted(values[0].transpose(dim, -1), values[1].transpose(dim, -1))


def cummax(input, dim):
    return _running(input, dim, torch.max, -math.inf)


def cummin(input, dim):
    return _running(input, dim, torch.min, math.inf)


def aminmax(input, dim=None, keepdim=False):
    if dim is None:
        return _Range(torch.min(input), torch.max(input))
    return _Range(torch.amin(input, dim, keepdim), torch.amax(input, dim, keepdim))


def kthvalue(input, k, dim=-1, keepdim=False):
    values, indices = torch.sort(input, dim=dim)
    values, indices = values.narrow(dim, k - 1, 1), indices.narrow(dim, k - 1, 1)
    return _Sorted(values, indices) if keepdim else _Sorted(values.squeeze(dim), indices.squeeze(dim))


def median(input, dim=None, keepdim=False):
    if dim is None:
        flat = input.flatten()
        return kthvalue(flat, (flat.shape[0] + 1) // 2, 0).values
    return kthvalue(input, (input.shape[dim] + 1) // 2, dim, keepdim)


def quantile(input, q, dim=None, keepdim=False, interpolation="linear"):
    if not isinstance(q, (int, float)):
        parts = [quantile(input, float(p), dim, keepdim, interpolation) for p in q.tolist()]
        return torch.stack(parts)
    if dim is None:
        input, dim = input.flatten(), 0
    ordered = torch.sort(input, dim=dim).values
    place = q * (input.shape[dim] - 1)
    low = math.floor(place)
    high = math.ceil(place)
    part = place - low
    if interpolation == "lower":
        part = 0.0
    elif interpolation == "higher":
        part = 1.0 if high > low else 0.0
    elif interpolation == "midpoint":
        part = 0.5 if high > low else 0.0
    elif interpolation == "nearest":
        part = float(round(part))
    out = ordered.narrow(dim, low, 1) * (1 - part) + ordered.narrow(dim, high, 1) * part
    return out if keepdim else out.squeeze(dim)


def bucketize(input, boundaries, out_int32=False, right=False):
    before = boundaries <= input.unsqueeze(-1) if right else boundaries < input.unsqueeze(-1)
    return before.long().sum(-1)


def searchsorted(sorted_sequence, input, out_int32=False, right=False, side=None, sorter=None):
    if sorted_sequence.dim() > 1:
        sorted_sequence = sorted_sequence.unsqueeze(-2)
    return bucketize(input, sorted_sequence, right=right or side == "right")


def trapezoid(y, x=None, dx=1.0, dim=-1):
    n = y.shape[dim]
    means = (y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)) / 2
    return (means * (dx if x is None else torch.diff(x))).sum(dim)


trapz = trapezoid


def dist(input, other, p=2):
    return torch.linalg.vector_norm(input - other, p)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    return torch.linalg.vector_norm(x1 - x2 + eps, p, -1, keepdim)


def pdist(input, p=2.0):
    n = input.shape[0]
    first = torch.tensor([i for i in range(n) for j in range(i + 1, n)])
    second = torch.tensor([j for i in range(n) for j in range(i + 1, n)])
    return torch.linalg.vector_norm(input[first] - input[second], p, -1)


def renorm(input, p, dim, maxnorm):
    others = [d for d in range(input.dim()) if d != dim % input.dim()]
    length = torch.linalg.vector_norm(input, p, others, True)
    return input * torch.clamp(maxnorm / (length + 1e-7), max=1.0)


def _reduced(values, reduction):
    return values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None,
                        reduce=None, reduction="mean"):
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = torch.minimum(far, pairwise_distance(positive, negative, p, eps))
    return _reduced(F.relu(near - far + margin), reduction)


def triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False,
                                      reduction="mean"):
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = torch.minimum(far, distance(positive, negative))
    return _reduced(F.relu(near - far + margin), reduction)


def margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    return _reduced(F.relu(-target * (input1 - input2) + margin), reduction)


def cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"):
    alike = F.cosine_similarity(input1, input2, -1)
    return _reduced(torch.where(target == 1, 1 - alike, F.relu(alike - margin)), reduction)


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    return _reduced(torch.where(target == 1, input, F.relu(margin - input)), reduction)


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    return _reduced(torch.log1p(torch.exp(-target * input)), reduction)


def poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None,
                     reduction="mean"):
    if log_input:
        return _reduced(torch.exp(input) - target * input, reduction)
    return _reduced(input - target * torch.log(input + eps), reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    var = torch.clamp(var, min=eps)
    return _reduced(0.5 * (torch.log(var) + (input - target) ** 2 / var), reduction)


def _power_pool(input, norm_type, kernel_size, mean):
    out = mean(torch.pow(input, norm_type))
    return torch.pow(torch.sign(out) * F.relu(torch.abs(out)) * kernel_size, 1.0 / norm_type)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    return _power_pool(input, norm_type, kernel_size, lambda x: F.avg_pool1d(x, kernel_size, stride, 0, ceil_mode))


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    kh, kw = kernel_size if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
    return _power_pool(input, norm_type, kh * kw, lambda x: F.avg_pool2d(x, kernel_size, stride, 0, ceil_mode))


def embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
                  sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None):
    rows = F.embedding(input, weight)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(-1)
    if offsets is None:
        if mode == "max":
            return rows.max(1).values
        return rows.sum(1) if mode == "sum" else rows.mean(1)
    if include_last_offset:
        offsets = offsets[:-1]
    if mode == "max":
        return torch._opaque("F.embedding_bag", [rows, offsets], [offsets.shape[0], weight.shape[1]])
    place = torch.arange(input.shape[0]).unsqueeze(0)
    begun = (place >= offsets.unsqueeze(-1)).float()
    ended = torch.cat([begun[1:], torch.zeros(1, input.shape[0])])
    member = begun - ended
    if mode == "mean":
        member = member / torch.clamp(member.sum(1, keepdim=True), min=1.0)
    return member @ rows
`;
