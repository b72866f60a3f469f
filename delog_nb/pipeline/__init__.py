"""Table 1 made real: components trained in a pipeline of processes.

Component l works on batch B_t while component l+1 works on B_{t-1} (section 2.4 of the paper). Each
rank of `torch.distributed` has a *stage*: a run of components with an optimizer for each. Features,
targets and losses go forward from stage to stage; nothing ever goes backward. Every component sees
the same batches in the same order as in the ordinary loop, so the run ends with the same weights,
to the last bit on CPUs with the same number of threads. The run's record, history and checkpoint
are the ordinary ones: either can go on from the other's checkpoint.

On one machine::

    delog-nb train --pipeline 2 --method delog-scl
    torchrun --standalone --nproc-per-node=2 -m delog_nb.cli.rank --method delog-scl

The first one is the second one with the flags of ``delog-nb train``. The number of processes is the
number of stages, at most the number of components. Components are measured for a few steps and put
on stages so that the slowest stage is as fast as can be. Unless OMP_NUM_THREADS says otherwise,
``delog-nb train --pipeline`` shares the cores evenly among the stages; torchrun gives one to each.
CPUs talk by gloo, GPUs by NCCL, with a stage on each GPU.

On several machines, with torchrun's own rendezvous: on each of them, with the same package and the
same images,

::

    torchrun --nnodes=2 --nproc-per-node=2 --rdzv-backend=c10d --rdzv-id=RUN \\
        --rdzv-endpoint=HOST:29400 -m delog_nb.cli.rank --method delog-scl --out runs

HOST is one of the machines, which the others reach at that port and at the ports that gloo or NCCL
choose. Where a machine has several networks, set GLOO_SOCKET_IFNAME (or NCCL_SOCKET_IFNAME) to the
interface to use. Neighbouring ranks should be on one machine: torchrun numbers them so. Files are
written below ``--out`` by the last rank in a pipeline, by rank 0 in data parallelism; a checkpoint
is read there and sent to the others, so no file system need be shared. The connections are neither
encrypted nor authenticated: use a network that you trust.

A process that dies ends the run within seconds, one that no longer answers after 15 s, with one
sentence that names it; the same command then goes on from the last checkpoint. A process that works
on without an end is not noticed: it cannot be told from a slow one.

``--data-parallel`` trains all components on every rank instead, each rank with its share of every
batch; local losses see the positives and negatives of all ranks (`DataParallel`).

`delog_nb.pipeline.schedule` simulates what this and other schedules would take.
"""

from delog_nb.pipeline.launch import launch
from delog_nb.pipeline.parallel import DataParallel, all_gather
from delog_nb.pipeline.stages import Pipeline, check
from delog_nb.pipeline.watch import PeerLost
from delog_nb.pipeline.world import joined

__all__ = ["DataParallel", "PeerLost", "Pipeline", "all_gather", "check", "joined", "launch"]
