"""The course's own claims, planned and judged as the paper's are."""

from __future__ import annotations

from functools import cache

from delog_nb.course.assessing import Claim, Counted, Planned
from delog_nb.course.claims import PAPERS_NETS, above
from delog_nb.course.evidence import LONG, SHORT, Study, Sum, accuracy
from delog_nb.experiment import Experiment
from delog_nb.measure.cost import step_memory


def _cuts() -> list[Planned]:
    def gain(net: str, study: Study) -> Planned:
        return above("delog-scl", "scl-long", net, study)

    return [gain("convnet", LONG), *(gain(net, SHORT).beside() for net in PAPERS_NETS)]


def _normalised() -> list[Planned]:
    def lead(choices: dict[str, str]) -> Sum:
        return accuracy("convnet", "bp", choices) - accuracy("convnet", "delog-scl", choices)

    label = "BP − Delog-SCL, ConvNet: with BatchNorm − without"
    return [Planned(label, lead({"norm": "batch"}) - lead({}), LONG)]


SHALLOW, DEEP = 8, 64  # blocks


@cache
def _memory(method: str, depth: int, batch_size: int = 64, checkpointed: bool = False) -> float:
    """MB that a step adds to weights and optimizer, float32, ConvNet at half width, 32 x 32."""
    run = Experiment(
        method=method, dataset="cifar10", depth=depth, batch_size=batch_size, precision="float32"
    )
    return step_memory(run, checkpointed=checkpointed).comes / 1e6


def _flat() -> list[Counted]:
    shallow, deep = (_memory("delog-scl", depth) for depth in (SHALLOW, DEEP))
    whole = _memory("bp", DEEP) / _memory("bp", SHALLOW)
    text = f"{deep / shallow:.3f} times ({deep:.0f} MB); BP {whole:.2f} times"
    label = f"{DEEP} blocks over {SHALLOW}: at most 1.02 times"
    return [Counted(label, text, deep <= 1.02 * shallow)]


def _at_equal_batch() -> list[Counted]:
    cut = _memory("delog-scl", DEEP)
    found = []
    for label, other in (
        ("BP", _memory("bp", DEEP)),
        ("BP with gradient checkpointing", _memory("bp", DEEP, checkpointed=True)),
        ("BP, accumulated over batches of one image", _memory("bp", DEEP, batch_size=1)),
    ):
        text = f"{cut:.0f} MB; {other:.0f} MB"
        found.append(Counted(f"less than {label}, {DEEP} blocks", text, cut < other))
    return found


OURS = (
    Claim(
        "A",
        "Cutting helps by itself",
        "With the same local losses at the same places, cut flows end above one long flow.",
        "not in the paper, which compares with a long flow of cross-entropy alone",
        _cuts,
        "One flow with all losses surely above Delog-SCL, after long training.",
        "If it does not hold, any gain of Delog-SCL over BP comes from its losses. What the cuts "
        "give is then memory and parallel work, and accuracy is their price.",
    ),
    Claim(
        "B",
        "BatchNorm widens the distance",
        "With BatchNorm, BP's lead over Delog-SCL is larger than without.",
        "not in the paper, whose ConvNet has none",
        _normalised,
        "A lead that is surely smaller with BatchNorm.",
        "Methods are ranked at one setting of everything else. This asks how much the ranking "
        "depends on one such setting.",
    ),
    Claim(
        "C",
        "Memory flat in depth",
        "What a step of Delog-SCL adds to weights and optimizer does not grow with depth.",
        "follows from section 2.2",
        _flat,
        "A growth of more than 2 % from 8 blocks to 64.",
        "Counted from shapes: each component's graph is freed before the next one's is made. "
        "Weights and optimizer grow with depth, for every method.",
    ),
    Claim(
        "D",
        "Less memory at equal batch",
        "At equal batch a step of Delog-SCL needs less memory than one of BP, with gradient "
        "checkpointing or accumulation.",
        "not in the paper, which compares with BP alone",
        _at_equal_batch,
        "A way to take BP's step at the same batch in less.",
        "Accumulation takes the batch in pieces, which BP's loss allows and a contrastive loss "
        "does not: it compares within the batch. It costs no arithmetic, but small pieces compute "
        "slowly, and BatchNorm sees pieces. Checkpointing computes each block twice.",
    ),
)
