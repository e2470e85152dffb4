/**
 * @file Complex tensors as pairs of real ones. Everything stays in the operators that the rest of Noether knows: a rotary
 * embedding written with complex numbers has the same graph as one that is written with pairs.
 */
import { fourier } from "./fourier";

const complex = `
import math
import torch
import torch.nn.functional as F

_PARTWISE = {"view", "reshape", "permute", "transpose", "movedim", "flatten", "unflatten", "unsqueeze", "squeeze",
             "expand", "repeat", "repeat_interleave", "contiguous", "to", "cuda", "cpu", "clone", "detach", "sum", "mean",
             "index_select", "roll", "flip", "view_as", "expand_as", "gather", "narrow", "cumsum", "masked_fill",
             "swapaxes", "moveaxis", "t", "diagonal", "tile", "requires_grad_", "type_as"}
_SPLITTING = {"chunk", "split", "unbind", "tensor_split"}
_ASKING = {"size", "dim", "numel", "stride", "ndimension", "is_contiguous"}


class ComplexTensor:
    def __init__(self, real, imag):
        self.real = real
        self.imag = imag

    @property
    def shape(self):
        return self.real.shape

    @property
    def ndim(self):
        return self.real.ndim

    @property
    def dtype(self):
        return torch.complex64

    @property
    def device(self):
        return self.real.device

    @property
    def is_cuda(self):
        return False

    @property
    def requires_grad(self):
        return False

    @property
    def data(self):
        return self

    @property
    def T(self):
        return ComplexTensor(self.real.T, self.imag.T)

    @property
    def mT(self):
        return ComplexTensor(self.real.mT, self.imag.mT)

    @property
    def H(self):
        return ComplexTensor(self.real.mT, -self.imag.mT)

    def __getattr__(self, name):
        if name in _PARTWISE:
            real = getattr(self.real, name)
            imag = getattr(self.imag, name)
            return lambda *args, **kwargs: ComplexTensor(real(*args, **kwargs), imag(*args, **kwargs))
        if name in _SPLITTING:
            first = getattr(self.real, name)
            second = getattr(self.imag, name)
            return lambda *args, **kwargs: tuple(
                ComplexTensor(a, b) for a, b in zip(first(*args, **kwargs), second(*args, **kwargs)))
        if name in _ASKING:
            return getattr(self.real, name)
        raise AttributeError(name)

    def __len__(self):
        return len(self.real)

    def __getitem__(self, index):
        return ComplexTensor(self.real[index], self.imag[index])

    def __setitem__(self, index, value):
        if isinstance(value, ComplexTensor):
            self.real[index] = value.real
            self.imag[index] = value.imag
        else:
            self.real[index] = value
            self.imag[index] = 0

    def __iter__(self):
        return iter([ComplexTensor(a, b) for a, b in zip(self.real, self.imag)])

    def __add__(self, other):
        if isinstance(other, ComplexTensor):
            return ComplexTensor(self.real + other.real, self.imag + other.imag)
        return ComplexTensor(self.real + other, self.imag + 0 * other)

    def __radd__(self, other):
        return self + other

    def __sub__(self, other):
        if isinstance(other, ComplexTensor):
            return ComplexTensor(self.real - other.real, self.imag - other.imag)
        return ComplexTensor(self.real - other, self.imag - 0 * other)

    def __rsub__(self, other):
        return ComplexTensor(other - self.real, 0 * other - self.imag)

    def __mul__(self, other):
        if isinstance(other, ComplexTensor):
            return ComplexTensor(self.real * other.real - self.imag * other.imag,
                                 self.real * other.imag + self.imag * other.real)
        return ComplexTensor(self.real * other, self.imag * other)

    def __rmul__(self, other):
        return self * other

    def __truediv__(self, other):
        if isinstance(other, ComplexTensor):
            size = other.real ** 2 + other.imag ** 2
            return ComplexTensor((self.real * other.real + self.imag * other.imag) / size,
                                 (self.imag * other.real - self.real * other.imag) / size)
        return ComplexTensor(self.real / other, self.imag / other)

    def __rtruediv__(self, other):
        return ComplexTensor(other + 0 * self.real, 0 * self.imag) / self

    def __neg__(self):
        return ComplexTensor(-self.real, -self.imag)

    def __matmul__(self, other):
        if isinstance(other, ComplexTensor):
            return ComplexTensor(self.real @ other.real - self.imag @ other.imag,
                                 self.real @ other.imag + self.imag @ other.real)
        return ComplexTensor(self.real @ other, self.imag @ other)

    def __rmatmul__(self, other):
        return ComplexTensor(other @ self.real, other @ self.imag)

    def __pow__(self, n):
        if n == 2:
            return self * self
        return polar(self.abs() ** n, self.angle() * n)

    def is_complex(self):
        return True

    def is_floating_point(self):
        return False

    def abs(self):
        return torch.sqrt(self.real ** 2 + self.imag ** 2)

    def __abs__(self):
        return self.abs()

    def angle(self):
        return torch.atan2(self.imag, self.real)

    def conj(self):
        return ComplexTensor(self.real, -self.imag)

    def conj_physical(self):
        return self.conj()

    def resolve_conj(self):
        return self

    def exp(self):
        return polar(torch.exp(self.real), self.imag)

    def float(self):
        return self.real

    def add(self, other):
        return self + other

    def sub(self, other):
        return self - other

    def mul(self, other):
        return self * other

    def multiply(self, other):
        return self * other

    def div(self, other):
        return self / other

    def matmul(self, other):
        return self @ other

    def bmm(self, other):
        return self @ other

    def mm(self, other):
        return self @ other

    def pow(self, n):
        return self ** n

    def norm(self, *args, **kwargs):
        return self.abs().norm(*args, **kwargs)


def view_as_complex(input):
    return ComplexTensor(input[..., 0], input[..., 1])


def view_as_real(input):
    return torch.stack([input.real, input.imag], dim=-1)


def polar(abs, angle):
    return ComplexTensor(abs * torch.cos(angle), abs * torch.sin(angle))


def complex(real, imag):
    return ComplexTensor(real, imag)


def is_complex(input):
    return isinstance(input, ComplexTensor)


def real(input):
    return input.real if isinstance(input, ComplexTensor) else input


def imag(input):
    return input.imag if isinstance(input, ComplexTensor) else torch.zeros_like(input)


def conj(input):
    return input.conj() if isinstance(input, ComplexTensor) else input


def angle(input):
    if isinstance(input, ComplexTensor):
        return input.angle()
    return torch.where(input < 0, math.pi, 0.0)


def _joined(name, tensors, dim):
    join = getattr(torch, name)
    parts = [t if isinstance(t, ComplexTensor) else ComplexTensor(t, torch.zeros_like(t)) for t in tensors]
    return ComplexTensor(join([p.real for p in parts], dim=dim), join([p.imag for p in parts], dim=dim))


def cat(tensors, dim=0):
    return _joined("cat", tensors, dim)


def concat(tensors, dim=0):
    return _joined("cat", tensors, dim)


def stack(tensors, dim=0):
    return _joined("stack", tensors, dim)


def einsum(equation, *operands):
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    out = operands[0]
    if len(operands) == 1:
        return ComplexTensor(torch.einsum(equation, out.real), torch.einsum(equation, out.imag))
    if len(operands) != 2:
        raise NotImplementedError("einsum of more than two complex tensors")
    a, b = operands
    if not isinstance(a, ComplexTensor):
        return ComplexTensor(torch.einsum(equation, a, b.real), torch.einsum(equation, a, b.imag))
    if not isinstance(b, ComplexTensor):
        return ComplexTensor(torch.einsum(equation, a.real, b), torch.einsum(equation, a.imag, b))
    return ComplexTensor(torch.einsum(equation, a.real, b.real) - torch.einsum(equation, a.imag, b.imag),
                         torch.einsum(equation, a.real, b.imag) + torch.einsum(equation, a.imag, b.real))


def zeros_like(input, **kwargs):
    return ComplexTensor(torch.zeros_like(input.real), torch.zeros_like(input.imag))


def ones_like(input, **kwargs):
    return ComplexTensor(torch.ones_like(input.real), torch.zeros_like(input.imag))


def where(condition, input, other):
    a = input if isinstance(input, ComplexTensor) else ComplexTensor(input, 0.0)
    b = other if isinstance(other, ComplexTensor) else ComplexTensor(other, 0.0)
    return ComplexTensor(torch.where(condition, a.real, b.real), torch.where(condition, a.imag, b.imag))


def stft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
         onesided=None, return_complex=None):
    from torch.fft import rfft, fft
    hop = n_fft // 4 if hop_length is None else hop_length
    single = input.dim() == 1
    x = input.unsqueeze(0) if single else input
    if center:
        x = F.pad(x.unsqueeze(1), (n_fft // 2, n_fft // 2), mode=pad_mode).squeeze(1)
    frames = x.unfold(-1, n_fft, hop)
    if window is not None:
        missing = n_fft - window.shape[0]
        frames = frames * (F.pad(window, (missing // 2, missing - missing // 2)) if missing > 0 else window)
    z = fft(frames) if onesided is False else rfft(frames)
    z = z.transpose(-1, -2)
    if normalized:
        z = z / math.sqrt(n_fft)
    if single:
        z = z.squeeze(0)
    return view_as_real(z) if return_complex is False else z


def istft(input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=None,
          length=None, return_complex=False):
    from torch.fft import irfft
    hop = n_fft // 4 if hop_length is None else hop_length
    z = input if isinstance(input, ComplexTensor) else view_as_complex(input)
    single = z.dim() == 2
    if single:
        z = z.unsqueeze(0)
    frames = irfft(z.transpose(-1, -2), n=n_fft)
    if normalized:
        frames = frames * math.sqrt(n_fft)
    weight = torch.ones(n_fft)
    if window is not None:
        missing = n_fft - window.shape[0]
        weight = F.pad(window, (missing // 2, missing - missing // 2)) if missing > 0 else window
    frames = (frames * weight).transpose(1, 2)
    steps = frames.shape[-1]
    spread = torch.eye(n_fft).unsqueeze(1)
    x = F.conv_transpose1d(frames, spread, stride=hop)
    x = (x / (torch._window_envelope(weight, steps, hop) + 1e-11)).squeeze(1)
    if center:
        x = x[:, n_fft // 2: x.shape[1] - n_fft // 2]
    if length is not None:
        x = x[:, :length] if x.shape[1] >= length else F.pad(x, (0, length - x.shape[1]))
    return x.squeeze(0) if single else x
`;

/** Text by module name. */
export const complexPrelude: Readonly<Record<string, string>> = { "torch._complex": complex, "torch.fft": fourier };

/** Functions of torch that are written for complex tensors above. */
export const COMPLEX_FUNCTIONS: ReadonlySet<string> = new Set(
  "view_as_complex view_as_real polar complex is_complex real imag conj angle stft istft".split(" "),
);
