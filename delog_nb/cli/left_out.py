"""Methods that do not go on a net: left out of a table, which says why."""

from __future__ import annotations

from collections.abc import Iterable

from delog_nb.experiment import Experiment, ExperimentError
from delog_nb.experiment.rules import refusal

Pair = tuple[str, str]  # net, method
Reasons = dict[Pair, str]


def refused(pairs: Iterable[Pair]) -> Reasons:
    """Those that the method declares. No torch is needed."""
    return {(net, method): why for net, method in pairs if (why := refusal(method, net))}


def not_built(experiments: Iterable[Experiment]) -> Reasons:
    """Those whose method cannot be built on the net as it is chosen, such as too narrow a one."""
    import torch

    from delog_nb import methods

    found = {}
    for (net, method), one in {(e.net, e.method): e for e in experiments}.items():
        try:
            with torch.device("meta"):
                methods.build(one)
        except ExperimentError as error:
            found[net, method] = f"method = {method} does not go on net = {net} here: {error}"
    return found


def check_some(experiments: Iterable[Experiment], reasons: Reasons) -> list[Experiment]:
    """Those that are not left out. Raises `ExperimentError` with the first reason if all are."""
    kept = [e for e in experiments if (e.net, e.method) not in reasons]
    if not kept:
        raise ExperimentError(next(iter(reasons.values())))
    return kept


def lines(reasons: Reasons) -> list[str]:
    """What is printed below the table."""
    return [f"Left out: {why}" for why in reasons.values()]
