/** @file Fourier transforms as the linear maps that they are. */

/** Stand-in for `torch.fft`. */
export const fourier = `
import math
import torch
from torch._complex import ComplexTensor


def _scale(n, norm, inverse):
    if norm == "ortho":
        return 1 / math.sqrt(n)
    whole = norm != "forward" if inverse else norm == "forward"
    return 1 / n if whole else 1.0


def _resized(x, n):
    size = x.shape[-1]
    if n is None or n == size:
        return x
    if n < size:
        return x[..., :n]
    return torch.cat([x, torch.zeros(*x.shape[:-1], n - size)], dim=-1)


def _parts(input, n, dim):
    if isinstance(input, ComplexTensor):
        return _resized(input.real.transpose(dim, -1), n), _resized(input.imag.transpose(dim, -1), n)
    return _resized(input.transpose(dim, -1), n), None


def _turned(real, imag, dim):
    return ComplexTensor(real.transpose(dim, -1), imag.transpose(dim, -1))


def _full(input, n, dim, norm, inverse):
    real, imag = _parts(input, n, dim)
    size = real.shape[-1]
    cos, sin = torch._dft(size, size, _scale(size, norm, inverse))
    if inverse:
        sin = -sin
    if imag is None:
        return _turned(real @ cos, -(real @ sin), dim)
    return _turned(real @ cos + imag @ sin, imag @ cos - real @ sin, dim)


def fft(input, n=None, dim=-1, norm=None):
    return _full(input, n, dim, norm, False)


def ifft(input, n=None, dim=-1, norm=None):
    return _full(input, n, dim, norm, True)


def rfft(input, n=None, dim=-1, norm=None):
    real, _ = _parts(input, n, dim)
    size = real.shape[-1]
    cos, sin = torch._dft(size, size // 2 + 1, _scale(size, norm, False))
    return _turned(real @ cos, -(real @ sin), dim)


def irfft(input, n=None, dim=-1, norm=None):
    half = input.shape[dim]
    size = 2 * (half - 1) if n is None else n
    kept = size // 2 + 1
    real, imag = _parts(input, kept, dim)
    if imag is None:
        imag = torch.zeros_like(real)
    cos, sin = torch._dft(size, kept, _scale(size, norm, True), True)
    out = real @ cos.T - imag @ sin.T
    return out.transpose(dim, -1)


def _over(transform, input, s, dim, norm):
    axes = list(range(input.ndim)) if dim is None else list(dim)
    for i, axis in enumerate(axes):
        input = transform(input, n=None if s is None else s[i], dim=axis, norm=norm)
    return input


def fft2(input, s=None, dim=(-2, -1), norm=None):
    return _over(fft, input, s, dim, norm)


def ifft2(input, s=None, dim=(-2, -1), norm=None):
    return _over(ifft, input, s, dim, norm)


def fftn(input, s=None, dim=None, norm=None):
    return _over(fft, input, s, dim, norm)


def ifftn(input, s=None, dim=None, norm=None):
    return _over(ifft, input, s, dim, norm)


def rfft2(input, s=None, dim=(-2, -1), norm=None):
    last = rfft(input, n=None if s is None else s[-1], dim=dim[-1], norm=norm)
    return _over(fft, last, None if s is None else s[:-1], dim[:-1], norm)


def rfftn(input, s=None, dim=None, norm=None):
    return rfft2(input, s, tuple(range(input.ndim)) if dim is None else dim, norm)


def irfft2(input, s=None, dim=(-2, -1), norm=None):
    first = _over(ifft, input, None if s is None else s[:-1], dim[:-1], norm)
    return irfft(first, n=None if s is None else s[-1], dim=dim[-1], norm=norm)


def irfftn(input, s=None, dim=None, norm=None):
    return irfft2(input, s, tuple(range(input.ndim)) if dim is None else dim, norm)


def fftfreq(n, d=1.0, **kwargs):
    whole = torch.arange(n)
    return torch.where(whole < (n + 1) // 2, whole, whole - n).float() / (n * d)


def rfftfreq(n, d=1.0, **kwargs):
    return torch.arange(n // 2 + 1).float() / (n * d)


def _rolled(input, dim, inverse):
    axes = list(range(input.ndim)) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    shifts = [-(input.shape[a] // 2) if inverse else input.shape[a] // 2 for a in axes]
    return input.roll(tuple(shifts), tuple(axes))


def fftshift(input, dim=None):
    return _rolled(input, dim, False)


def ifftshift(input, dim=None):
    return _rolled(input, dim, True)
`;
