from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from support.runs import tiny
from torch import nn
from torch.utils.checkpoint import checkpoint

from delog_nb import methods, records, train
from delog_nb.experiment import Experiment, ExperimentError, experiments_of, plugins, registry
from delog_nb.grids import expectation
from delog_nb.instruments import machine
from delog_nb.instruments.memory import LiveBytes
from delog_nb.measure import cost, estimate

BATCHES = 2 * 6  # epochs; 180 of 200 images, the rest validate, in batches of 32


def test_steps_count_their_operations_forward_and_backward() -> None:
    """BP on the ConvNet: every convolution and matrix product once forward, twice backward."""
    experiment = tiny(method="bp", net="convnet", batch_size=1)
    side, by_hand, first = 16, 0, 0
    for layer in methods.build(experiment).modules():
        if isinstance(layer, nn.Conv2d):
            side //= layer.stride[0]
            by_hand += 3 * 2 * layer.weight.numel() * side**2
            first = first or 2 * layer.weight.numel() * side**2
        elif isinstance(layer, nn.Linear):
            by_hand += 3 * 2 * layer.weight.numel()
    by_hand -= first  # images get no gradient
    assert expectation.step_flops(experiment) == 2 * by_hand  # two views
    assert expectation.step_flops(experiment.model_copy(update={"batch_size": 5})) == 10 * by_hand


def test_a_record_tells_what_others_of_its_kind_take(tmp_path: Path) -> None:
    run = tiny(method="bp", epochs=1)
    record = records.train_once(run, tmp_path)
    assert record is not None
    epoch = record.results["sec_per_epoch"] + record.results["eval_sec_per_epoch"]
    others = [tiny(method="bp", epochs=3, seed=seed) for seed in (1, 2)]
    found = expectation.expected_seconds(others, [record], notebook=False)
    assert found == pytest.approx(6 * epoch)
    with_notebooks = expectation.expected_seconds(others, [record])
    assert with_notebooks == pytest.approx(found + 2 * expectation.NOTEBOOK_SECONDS)


def test_the_cheapest_of_each_net_is_timed_unless_it_is_slow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = {net: tiny(method="bp", net=net, width=0.125) for net in ("convnet", "vgg", "resnet")}
    dear = tiny(method="bp", net="convnet", width=0.25)
    cost = {net: expectation.step_flops(run) for net, run in runs.items()}
    assert cost["convnet"] < cost["resnet"] < cost["vgg"]
    timed: list[Experiment] = []

    def seconds(experiment: Experiment) -> float:
        timed.append(experiment)
        return {"convnet": 0.01, "resnet": 1.9}[experiment.net]

    monkeypatch.setattr(expectation, "_step_seconds", seconds)
    monkeypatch.setattr(expectation, "_MOST_SECONDS", 1.9 * cost["vgg"] / cost["resnet"] - 0.01)
    found = expectation.expected_seconds([runs["vgg"], dear, *runs.values()], notebook=False)
    assert timed == [runs["convnet"], runs["resnet"]]
    per_step = 0.01 * (1 + expectation.step_flops(dear) / cost["convnet"])
    per_step += 1.9 * (1 + 2 * cost["vgg"] / cost["resnet"])
    assert found == pytest.approx(BATCHES * per_step)


# --- memory, before anything is built


def test_what_a_run_needs_is_what_it_takes() -> None:
    """On the digits: images by hand, a step as the training loop measures it."""
    experiment = tiny(method="delog-scl", batch_size=64, epochs=1)
    needed = estimate.need(experiment)
    pixels = 16 * 16
    assert needed.images == (200 + 359) * pixels  # limit, and all that test
    assert needed.loading == needed.images + 1438 * pixels  # all of which those are copied
    run = train(experiment)
    assert needed.stays + needed.comes >= run.peak_train_mb * 1e6 * 0.7
    assert needed.stays == 12 * run.train_params
    assert needed.on_device() == needed.images + needed.stays + needed.comes
    assert needed.on_device(3) == 3 * needed.on_device()
    shared = needed.on_device(3, ("stays", "comes"))
    assert shared == 3 * needed.images + needed.stays + needed.comes


def test_the_evaluation_can_be_what_needs_most() -> None:
    """A step of few images, a batch of 500 in the evaluation."""
    few = tiny(method="bp", batch_size=2, image_size=64)
    with_more = few.but(batch_size=4)
    assert estimate.need(few).comes == estimate.need(with_more).comes
    assert estimate.need(few).comes > cost.step_memory(few).comes


@pytest.mark.parametrize(
    "choices",
    [
        {"batch_size": 2000},
        {"batch_size": 1500, "method": "al", "net": "vgg"},
        {"depth": 48, "method": "bp"},
        {"depth": 40, "batch_size": 256, "method": "early-exit"},
    ],
)
def test_what_is_huge_is_drawn_from_what_is_large(choices: dict[str, object]) -> None:
    """To count it whole would take minutes; here it is just large enough to be drawn."""
    experiment = tiny(**choices)
    needed, counted = estimate.need(experiment), cost.step_memory(experiment)
    assert needed.stays == pytest.approx(counted.stays, rel=0.05)
    assert needed.comes == pytest.approx(counted.comes, rel=0.05)


def test_memory_is_asked_of_the_largest_few(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Experiment] = []
    need = estimate.need

    def seen(experiment: Experiment) -> estimate.Need:
        asked.append(experiment)
        return need(experiment)

    monkeypatch.setattr(estimate, "need", seen)
    grid = [
        {"method": m, "net": n, "seed": s, "batch_size": b, "preset": "quick"}
        for m in ("bp", "al")
        for n in ("convnet", "resnet")
        for s in range(50)
        for b in (16, 64, 32)
    ]
    estimate.check_memory(experiments_of(grid))
    assert [(e.method, e.net, e.batch_size) for e in asked] == [
        (m, n, 64) for m in ("bp", "al") for n in ("convnet", "resnet")
    ]
    asked.clear()  # most features here, most weights there
    both = [tiny(method="al", batch_size=64), tiny(method="al", al_hidden=900), tiny(method="al")]
    estimate.check_memory(both)
    assert asked == both[:2]
    asked.clear()  # without pooling, heads are the largest
    both = [tiny(method="al", pool=8), tiny(method="al", pool=0)]
    estimate.check_memory(both)
    assert both[1] in asked


def test_the_check_takes_no_memory_and_leaves_nothing_behind() -> None:
    huge = Experiment(preset="paper", net="vgg", width=8, batch_size=65536, method="al")
    before = torch.get_rng_state()
    with (
        LiveBytes() as live,
        pytest.raises(ExperimentError, match=r"^al on vgg needs .* MB of mem"),
    ):
        estimate.check_memory([huge])
    assert live.peak < 1e6
    assert torch.equal(torch.get_rng_state(), before)


def test_on_a_gpu_its_own_memory_is_asked_and_the_main_one_for_loading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without one: what is asked is made up."""
    experiment = tiny(method="delog-scl")
    needed = estimate.need(experiment)
    free = {"cpu": needed.loading, "cuda": needed.on_device()}
    monkeypatch.setattr(estimate, "pick_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(estimate, "free_bytes", lambda device: free[device.type])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    estimate.check_memory([experiment])
    with pytest.raises(ExperimentError, match="MB of memory in 2 processes"):
        estimate.check_memory([experiment], 2)
    free["cpu"] *= 2
    with pytest.raises(ExperimentError, match="MB of GPU memory in 2 processes"):
        estimate.check_memory([experiment], 2)
    estimate.check_memory([experiment], 2, shared=("comes",))  # a GPU each
    free["cuda"] = needed.on_device() // 2
    with pytest.raises(ExperimentError, match="MB of GPU memory, and"):
        estimate.check_memory([experiment])


GROUPS = {
    "v2": ("0::/a/b", "a/b", "memory.max", "memory.current", "inactive_file"),
    "v2, a folder above": ("0::/a/b", "a", "memory.max", "memory.current", "inactive_file"),
    "v2, its own root": ("0::/../x", "", "memory.max", "memory.current", "inactive_file"),
    "v1": ("9:cpu,memory:/a\n0::/", "memory/a", "memory.limit_in_bytes", "memory.usage_in_bytes",
           "total_inactive_file"),
    "v1, the host's path": ("4:memory:/docker/x", "memory", "memory.limit_in_bytes",
                            "memory.usage_in_bytes", "total_inactive_file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", GROUPS)
def test_a_containers_limit_is_seen(kind: str, tmp_path: Path) -> None:
    """Of what is used, cache that can be dropped is free; a limit that is none changes nothing."""
    line, folder, limit, used, cache = GROUPS[kind]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(f"1:name=systemd:/\n{line}\n")
    group = tmp_path / "sys/fs/cgroup" / folder
    group.mkdir(parents=True)
    contents = {limit: "8000000\n", used: "7000000\n", "memory.stat": f"anon 5\n{cache} 2000000\n"}
    for name, content in contents.items():
        (group / name).write_text(content)
    assert machine.available_bytes(tmp_path) == 3_000_000
    for unlimited in ("max\n", f"{2**63 - 4096}\n"):
        (group / limit).write_text(unlimited)
        assert machine.available_bytes(tmp_path) > 100_000_000


def test_what_a_container_leaves_is_what_training_may_need(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = tiny(method="bp")
    needed = max(estimate.need(experiment).on_device(), estimate.need(experiment).loading)
    for left in (needed, needed - 1):
        monkeypatch.setattr(machine, "_left_by_limits", lambda _, left=left: iter([left]))
        with pytest.raises(ExperimentError) if left < needed else nullcontext():
            estimate.check_memory([experiment])


VALUES = """
import delog_nb, torch
@delog_nb.method("asks-values", label="Asks")
class Asks(delog_nb.Objective):
    def __init__(self, shape, classes):
        super().__init__()
        self.linear = torch.nn.Linear(shape[0], classes)

    def forward(self, r, batch):
        loss = torch.nn.functional.cross_entropy(self.linear(r.mean((2, 3))), batch.labels)
        return loss if loss.item() < 5 else loss * 2
"""


def test_a_plug_in_that_cannot_be_counted_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.use(plugins.Plugin("mine", VALUES))
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 0)
    estimate.check_memory([tiny(method="asks-values")])
    with pytest.raises(ExperimentError, match="bp on convnet needs"):
        estimate.check_memory([tiny(method="asks-values"), tiny(method="bp")])


def test_a_checkpointed_step_keeps_what_torch_keeps() -> None:
    experiment = Experiment(
        preset="lesson", dataset="cifar10", method="bp", depth=12, batch_size=8, precision="float32"
    )
    (part,) = methods.build(experiment).parts()

    def step() -> None:
        r = torch.rand(16, 3, 32, 32)
        for layer in part.layers:
            r = checkpoint(layer, r, use_reentrant=False)
        F.cross_entropy(r, torch.zeros(16, dtype=torch.long)).backward()
        part.zero_grad()

    step()
    with LiveBytes() as live:
        step()
    counted = cost.step_memory(experiment, checkpointed=True).comes
    assert counted == pytest.approx(live.peak, rel=0.05)
    plain = cost.step_memory(experiment).comes  # the cached network is as it was
    assert counted < 0.7 * plain
