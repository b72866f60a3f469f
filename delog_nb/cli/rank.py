"""``torchrun --standalone --nproc-per-node=2 -m delog_nb.cli.rank``: one rank of a run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from functools import partial

from delog_nb.cli import train as command
from delog_nb.cli.shared.flags import Parser, checkpoint_seconds, experiment_values, use_plugins
from delog_nb.cli.shared.progress import stop_on_signal
from delog_nb.data import load
from delog_nb.experiment import DelogError, Experiment
from delog_nb.pipeline import DataParallel, Pipeline, check
from delog_nb.pipeline.watch import STATUS, PeerLost, end_with_launcher
from delog_nb.pipeline.world import check_launched, first_then_others, joined
from delog_nb.training import planned


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as one of torchrun's processes; errors are one sentence, said by one of them."""
    parser = Parser(
        prog="torchrun -m delog_nb.cli.rank",
        description="Train the components of one network in a pipeline, a stage on each rank.",
    )
    parser.add_argument(
        "--data-parallel",
        action="store_true",
        help="no pipeline: all components on every rank, each with its share of every batch",
    )
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        use_plugins(words)
        command.add_run_flags(parser)
        values = parser.parse_args(words)
        experiment = Experiment(**experiment_values(values))
        check_launched()
        end_with_launcher()
        if not values.data_parallel:
            check(experiment, int(os.environ["WORLD_SIZE"]))
    except DelogError as error:
        if os.environ.get("RANK", "0") == "0":  # all of them find the same
            print(f"delog-nb: {error}", file=sys.stderr)
        return 2

    # torchrun sends SIGTERM to the others when one rank fails, and when it is itself to end
    try:
        with stop_on_signal(signal.SIGTERM) as asked, joined() as watch:
            team = DataParallel() if values.data_parallel else Pipeline(watch)
            experiment = first_then_others(partial(planned, experiment))
            images = partial(first_then_others, partial(load, experiment))
            every = checkpoint_seconds(values)
            record = command.train(
                experiment, values.out, asked.is_set, team, images, every, values.track
            )
    except PeerLost:  # `Watch` has said whose fault it was; the broken connections are left alone
        os._exit(STATUS)
    except DelogError:  # said as well
        return 2
    return command.report(record, experiment, values.out, asked.status) if team.reports else 0


if __name__ == "__main__":
    sys.exit(main())
