"""Where a run computes, in which precision, and whether its components are compiled."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from delog_nb.experiment import ExperimentError


def pick_device(name: str) -> torch.device:
    """``auto`` is a CUDA GPU where there is one. Raises `ExperimentError` for one that is not."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        name = "cuda" if count else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        found = f"PyTorch finds {count or 'no'} GPU{'s' * (count > 1)} here"
        raise ExperimentError(f"device = {name!r} is not available: {found}")
    return device


def pick_precision(name: str, device: torch.device) -> str:
    """``auto`` is bf16 where the processor or GPU computes in it, and float32 elsewhere.

    Raises:
        ExperimentError: TF32 is asked for on a CPU.
    """
    if name == "tf32" and device.type != "cuda":
        raise ExperimentError(f"precision = 'tf32' is not available: {device.type} is no CUDA GPU")
    if name != "auto":
        return name
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:  # measured: with AVX-512 BF16 a step is 1.2 to 2 times as fast, without it slower
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if fast else "float32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context that networks run in."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def set_up_gpu(precision: str) -> Iterator[None]:
    """Products on GPUs in TF32 where ``precision`` says so, else in what they are given.

    PyTorch by itself takes TF32 for convolutions of float32, which would go unsaid. Kernels are
    chosen by timing: batches have one shape. Afterwards all is as it was.
    """
    switches = ((torch.backends.cudnn, "allow_tf32"), (torch.backends.cuda.matmul, "allow_tf32"))
    wanted = [(*switch, precision == "tf32") for switch in switches]
    wanted.append((torch.backends.cudnn, "benchmark", True))
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in wanted]
    try:
        for owner, name, value in wanted:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def compile_each(components: Iterable[nn.Module]) -> None:
    """Have each component compiled by `torch.compile` in its first step, on its own."""
    import torch._dynamo  # takes a second

    parts = list(components)
    # they share the code of `Component.forward`, each compiled for its own layers
    limits = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, 4 * len(parts))
    for part in parts:
        part.compile()
