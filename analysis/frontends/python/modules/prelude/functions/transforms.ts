/** @file Functions of modules and of functions. */

/** Stand-in for `torch.func`. */
export const transforms = `
import torch


def functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *, tie_weights=True, strict=False):
    given = parameter_and_buffer_dicts
    before = []
    for values in list(given) if isinstance(given, (list, tuple)) else [given]:
        for name, value in values.items():
            owner = module
            *path, last = name.split(".")
            for part in path:
                owner = getattr(owner, part)
            before.append((owner, last, getattr(owner, last)))
            setattr(owner, last, value)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    out = module(*args, **(kwargs or {}))
    for owner, last, value in reversed(before):
        setattr(owner, last, value)
    return out


def vmap(func, in_dims=0, out_dims=0, randomness="error", *, chunk_size=None):
    def mapped(*args):
        dims = in_dims if isinstance(in_dims, (tuple, list)) else [in_dims] * len(args)
        size = [a.shape[d] for a, d in zip(args, dims) if d is not None][0]
        outs = [func(*[a if d is None else a.select(d, k) for a, d in zip(args, dims)]) for k in range(size)]
        if isinstance(outs[0], (tuple, list)):
            return tuple(torch.stack([o[i] for o in outs], out_dims) for i in range(len(outs[0])))
        return torch.stack(outs, out_dims)

    return mapped
`;
