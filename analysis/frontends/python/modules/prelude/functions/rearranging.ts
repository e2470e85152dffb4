/** @file Functions of torch that move entries, in terms of more common ones. */

/** Stand-in for parts of `torch`. */
export const rearranging = `
import torch


def _tensors(tensors):
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)


def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    n = input.shape[-1] + abs(offset)
    if offset == 0:
        out = input.unsqueeze(-1) * torch.eye(n)
    else:
        rows = torch.arange(input.shape[-1]).unsqueeze(-1) + max(0, -offset)
        placed = (torch.arange(n).unsqueeze(0) == rows).float()
        columns = torch.arange(input.shape[-1]).unsqueeze(-1) + max(0, offset)
        beside = (torch.arange(n).unsqueeze(0) == columns).float()
        out = placed.t() @ (input.unsqueeze(-1) * beside)
    if (dim1 % out.dim(), dim2 % out.dim()) == (out.dim() - 2, out.dim() - 1):
        return out
    return torch.movedim(out, (-2, -1), (dim1, dim2))


def diag(input, diagonal=0):
    return diag_embed(input, diagonal) if input.dim() == 1 else torch.diagonal(input, diagonal)


def diagflat(input, offset=0):
    return diag_embed(input.flatten(), offset)


def trace(input):
    return (input * torch.eye(input.shape[0], input.shape[1])).sum()


def fill_diagonal_(input, value, wrap=False):
    return torch.where(torch.eye(input.shape[0], input.shape[1]) > 0, torch.full_like(input, value), input)


def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    if offset != 0 or (dim1, dim2) != (0, 1) or input.dim() != 2 or input.shape[0] != input.shape[1]:
        return torch._opaque("torch.diagonal_scatter", [input, src], input.shape)
    return torch.where(torch.eye(input.shape[0]) > 0, diag_embed(src), input)


def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    n = input.shape[dim]
    start = 0 if start is None else max(0, start + n if start < 0 else start)
    end = n if end is None else min(n, end + n if end < 0 else end)
    parts = []
    for k, place in enumerate(range(start, end, step)):
        parts.append((place, src.narrow(dim, k, 1)))
    out = []
    at = 0
    for place, part in parts:
        if place > at:
            out.append(input.narrow(dim, at, place - at))
        out.append(part)
        at = place + 1
    if at < n:
        out.append(input.narrow(dim, at, n - at))
    return torch.cat(out, dim)


def select_scatter(input, src, dim, index):
    index = index + input.shape[dim] if index < 0 else index
    return slice_scatter(input, src.unsqueeze(dim), dim, index, index + 1)


def hsplit(input, indices_or_sections):
    return torch.tensor_split(input, indices_or_sections, dim=0 if input.dim() == 1 else 1)


def vsplit(input, indices_or_sections):
    return torch.tensor_split(input, indices_or_sections, dim=0)


def dsplit(input, indices_or_sections):
    return torch.tensor_split(input, indices_or_sections, dim=2)


def atleast_1d(*tensors):
    out = [t.reshape(1) if t.dim() == 0 else t for t in _tensors(tensors)]
    return out[0] if len(out) == 1 else tuple(out)


def _two(t):
    return t.reshape(1, 1) if t.dim() == 0 else t.unsqueeze(0) if t.dim() == 1 else t


def atleast_2d(*tensors):
    out = [_two(t) for t in _tensors(tensors)]
    return out[0] if len(out) == 1 else tuple(out)


def atleast_3d(*tensors):
    out = [_two(t).unsqueeze(-1) if t.dim() < 3 else t for t in _tensors(tensors)]
    return out[0] if len(out) == 1 else tuple(out)


def column_stack(tensors):
    return torch.hstack([t.reshape(t.numel(), 1) if t.dim() <= 1 else t for t in tensors])


def dstack(tensors):
    return torch.cat([_two(t).unsqueeze(-1) if t.dim() < 3 else t for t in tensors], 2)


row_stack = torch.vstack


def block_diag(*tensors):
    blocks = [_two(t) for t in tensors]
    width = sum(b.shape[1] for b in blocks)
    rows = []
    before = 0
    for b in blocks:
        after = width - before - b.shape[1]
        rows.append(torch.cat([torch.zeros(b.shape[0], before), b, torch.zeros(b.shape[0], after)], 1))
        before += b.shape[1]
    return torch.cat(rows, 0)


def cartesian_prod(*tensors):
    if len(tensors) == 1:
        return tensors[0]
    grid = torch.meshgrid(*tensors, indexing="ij")
    return torch.stack([g.flatten() for g in grid], -1)


def take(input, index):
    return input.flatten()[index]


def as_strided(input, size, stride, storage_offset=0):
    place = torch.tensor(storage_offset)
    for n, step in zip(size, stride):
        place = place.unsqueeze(-1) + torch.arange(n) * step
    return input.flatten()[place]


def _ordered(n):
    return torch.arange(n, dtype=torch.float32)


def vander(x, N=None, increasing=False):
    n = x.shape[-1] if N is None else N
    powers = _ordered(n) if increasing else _ordered(n).flip(0)
    return torch.pow(x.unsqueeze(-1), powers)
`;
