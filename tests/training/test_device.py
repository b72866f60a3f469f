"""Where a run computes: GPUs by number, TF32 said, components compiled, gradients in one format."""

from typing import Any

import pytest
import torch
from support.runs import tiny
from torch import nn

from delog_nb import train
from delog_nb.components import Batch, Component, CrossEntropy
from delog_nb.data import Views
from delog_nb.experiment import ExperimentError
from delog_nb.grids import workers
from delog_nb.training import pick_device, set_up_gpu


def pretend(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


def test_a_gpu_is_named_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 2)
    assert pick_device("auto") == pick_device("cuda") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(ExperimentError, match=r"'cuda:2' is not available: PyTorch finds 2 GPUs"):
        pick_device("cuda:2")
    pretend(monkeypatch, 0)
    assert pick_device("auto") == torch.device("cpu")
    with pytest.raises(ExperimentError, match=r"'cuda:0' is not available: PyTorch finds no GPU"):
        pick_device("cuda:0")


def test_workers_take_gpus_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for gpus in (0, 1, 3):
        pretend(monkeypatch, gpus)
        for number in range(4):
            workers.take_gpu(number)
    assert taken == [0, 1, 2, 0]


@pytest.mark.parametrize(
    ("gpus", "device", "expected"),
    [(0, "auto", 5), (3, "auto", 3), (3, "cuda:1", 1), (3, "cpu", 5)],
)
def test_as_many_runs_at_a_time_as_there_are_gpus_or_cores(
    monkeypatch: pytest.MonkeyPatch, gpus: int, device: str, expected: int
) -> None:
    pretend(monkeypatch, gpus)
    monkeypatch.setattr(workers, "cores", lambda: 5)
    assert workers.at_a_time([tiny(device=device), tiny(device=device, seed=1)]) == expected


def test_tf32_is_used_where_it_is_asked_for_and_nowhere_else() -> None:
    def switches() -> tuple[bool, bool]:
        return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    before = switches()
    for precision, on in (("tf32", True), ("float32", False), ("bf16", False)):
        with set_up_gpu(precision):
            assert switches() == (on, on)
        assert switches() == before
    with pytest.raises(ExperimentError, match="'tf32' is not available: cpu is no CUDA GPU"):
        train(tiny(device="cpu", precision="tf32"))


@pytest.mark.long  # the compiler takes a minute
@pytest.mark.parametrize("method", ["bp", "delog-scl"])
def test_compiled_components_learn_the_same(method: str) -> None:
    plain, compiled = (
        train(tiny(method=method, epochs=2, precision="float32", compile=on))
        for on in (False, True)
    )
    for one, other in zip(plain.history, compiled.history, strict=True):
        for name in one:
            if name.startswith("loss_"):
                assert other[name] == pytest.approx(one[name], rel=1e-3)
    assert plain.model.state_dict().keys() == compiled.model.state_dict().keys()
    assert plain.experiment.but(compile=True) == compiled.experiment


def test_views_are_channels_last() -> None:
    views = Views((0.5,) * 3, (0.25,) * 3)
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    made = views(images, torch.rand(4, 2, 9))
    assert made.shape == (8, 3, 8, 8)
    assert made.is_contiguous(memory_format=torch.channels_last)


def test_gradients_come_back_in_the_features_format_and_are_the_same() -> None:
    torch.manual_seed(0)
    seen: list[torch.Tensor] = []

    class Note(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, r: torch.Tensor) -> torch.Tensor:
            return r.clone()

        @staticmethod
        def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
            seen.append(gradient)  # what comes back to the layer
            return gradient

    class Noted(nn.Module):
        def forward(self, r: torch.Tensor) -> torch.Tensor:
            return Note.apply(r)

    block = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), Noted())
    layers = [block, nn.Flatten(), nn.LazyLinear(5)]
    part = Component(layers, CrossEntropy()).double()
    images, labels = torch.randn(4, 3, 6, 6, dtype=torch.float64), torch.arange(4)
    part(images, Batch.of(labels))  # makes the lazy layer
    gradients = []
    for form in (torch.contiguous_format, torch.channels_last):
        part.to(memory_format=form)
        part.zero_grad()
        part(images.contiguous(memory_format=form), Batch.of(labels))[2].backward()
        gradients.append([p.grad.clone() for p in part.parameters()])
    assert seen[-1].is_contiguous(memory_format=torch.channels_last)
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)
