/** @file Functions of linear algebra: in terms of more common ones, or of a known shape and nothing else known. */

/** Stand-in for parts of `torch` and `torch.linalg`. */
export const algebra = `
from collections import namedtuple
import torch

_SignLog = namedtuple("slogdet", ["sign", "logabsdet"])
_Qr = namedtuple("qr", ["Q", "R"])
_Eigh = namedtuple("eigh", ["eigenvalues", "eigenvectors"])


def _made(name, inputs, shape):
    return torch._opaque("torch.linalg." + name, inputs, shape)


def chain_matmul(*matrices, out=None):
    return torch.linalg.multi_dot(matrices)


def inner(input, other):
    if input.dim() == 0 or other.dim() == 0:
        return input * other
    return torch.tensordot(input, other, dims=([-1], [-1]))


def vdot(input, other):
    return (input * other).sum()


def vecdot(x, y, dim=-1):
    return (x * y).sum(dim)


def addmv(input, mat, vec, beta=1, alpha=1):
    return beta * input + alpha * torch.mv(mat, vec)


def addr(input, vec1, vec2, beta=1, alpha=1):
    return beta * input + alpha * torch.outer(vec1, vec2)


def matrix_power(input, n):
    if n < 0:
        input, n = inverse(input), -n
    out = torch.eye(input.shape[-1]).expand(input.shape)
    for k in range(n):
        out = input if k == 0 else out @ input
    return out


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, dtype=None):
    if ord == "fro":
        return torch.linalg.vector_norm(A, 2, dim, keepdim)
    over = [d % A.dim() for d in dim]
    kept = [1 if d in over else n for d, n in enumerate(A.shape)]
    out = _made("matrix_norm", [A], kept)
    return out if keepdim else out.reshape([n for d, n in enumerate(A.shape) if d not in over])


def cov(input, correction=1, fweights=None, aweights=None):
    x = input.unsqueeze(0) if input.dim() == 1 else input
    x = x - x.mean(1, keepdim=True)
    out = x @ x.t() / (x.shape[1] - correction)
    return out.squeeze() if input.dim() == 1 else out


def corrcoef(input):
    c = cov(input)
    d = torch.sqrt(torch.diagonal(c))
    return c / d.unsqueeze(1) / d.unsqueeze(0)


def det(A):
    return _made("det", [A], A.shape[:-2])


def logdet(input):
    return _made("logdet", [input], input.shape[:-2])


def slogdet(A):
    return _SignLog(_made("slogdet.sign", [A], A.shape[:-2]), _made("slogdet", [A], A.shape[:-2]))


def inverse(input):
    return _made("inv", [input], input.shape)


def inv(A):
    return inverse(A)


def pinverse(input, rcond=1e-15):
    return _made("pinv", [input], [*input.shape[:-2], input.shape[-1], input.shape[-2]])


def pinv(A, *args, **kwargs):
    return pinverse(A)


def solve(A, B, left=True):
    return _made("solve", [A, B], B.shape)


def solve_triangular(A, B, upper=False, left=True, unitriangular=False):
    return _made("solve_triangular", [A, B], B.shape)


def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False):
    return _made("solve_triangular", [A, b], b.shape), A


def cholesky(input, upper=False):
    return _made("cholesky", [input], input.shape)


def cholesky_solve(B, L, upper=False):
    return _made("cholesky_solve", [B, L], B.shape)


def matrix_exp(A):
    return _made("matrix_exp", [A], A.shape)


def qr(A, mode="reduced"):
    m, n = A.shape[-2:]
    k = m if mode == "complete" else min(m, n)
    return _Qr(_made("qr", [A], [*A.shape[:-2], m, k]), _made("qr.R", [A], [*A.shape[:-2], k, n]))


def svdvals(A):
    return _made("svdvals", [A], [*A.shape[:-2], min(A.shape[-2:])])


def eigh(A, UPLO="L"):
    return _Eigh(eigvalsh(A), _made("eigh", [A], A.shape))


def eigvalsh(A, UPLO="L"):
    return _made("eigvalsh", [A], A.shape[:-1])


class _Orthogonal(torch.nn.Module):
    """The map of torch.nn.utils.parametrizations.orthogonal: a matrix with orthonormal rows or columns."""

    def forward(self, X):
        return _made("orthogonal", [X], X.shape)


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    torch.nn.utils.parametrize.register_parametrization(module, name, _Orthogonal())
    return module
`;
