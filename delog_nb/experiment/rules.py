"""What a run's choices are once its preset has filled them in, and which of them it reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from delog_nb.experiment.fields import Option, closest, shown
from delog_nb.experiment.registry import DATASETS, FIELDS, METHODS, NETS, PARAMETERS, REGISTRIES
from delog_nb.instruments.errors import ExperimentError

if TYPE_CHECKING:
    from delog_nb.experiment.schema import Experiment

Pair = tuple[str, str]  # net, method
NAMED = ("method", "net", "dataset")
MOST_RUNS = 10_000  # at once: of a grid, a sweep or a comparison


def check_count(counts: Mapping[str, int], together: str = " x ") -> None:
    """Refuse more runs at once than are allowed, before any of them is made.

    Args:
        counts: how many there are, by what
        together: what stands between them; they are multiplied, unless it says "+"

    Raises:
        ExperimentError: there are more than `MOST_RUNS`.
    """
    added = together.strip() == "+"
    runs = sum(counts.values()) if added else math.prod(counts.values())
    if runs > MOST_RUNS:
        said = f"{runs:,}" if runs < 10**15 else f"about 10^{math.log10(runs):.0f}"
        terms = together.join(f"{name} ({n:,})" for name, n in counts.items() if n > 1)
        raise ExperimentError(f"{terms} make {said} runs: at most {MOST_RUNS:,} at once")


def refusal(method: str, net: str) -> str:
    """The sentence that says why ``method`` does not go on ``net``; empty where it does."""
    why = METHODS[method].refuses.get(net) if method in METHODS else None
    return f"method = {method} does not go on net = {net}: {why}" if why else ""


def refusals(pairs: Iterable[Pair]) -> dict[Pair, str]:
    """Of pairs (net, method), those that do not go together, each with the reason."""
    return {(net, method): why for net, method in pairs if (why := refusal(method, net))}


def possible(experiments: Iterable[Experiment], reasons: Mapping[Pair, str]) -> list[Experiment]:
    """Those that no reason speaks against. Raises `ExperimentError`, the first reason, if none."""
    found = [e for e in experiments if (e.net, e.method) not in reasons]
    if not found:
        raise ExperimentError(next(iter(reasons.values())))
    return found


def options_of(names: Mapping[str, str]) -> dict[str, Option]:
    entries = [REGISTRIES[noun][names[noun]] for noun in NAMED]
    return {option.name: option for entry in entries for option in entry.options}


def is_read(option: Option | None, values: Mapping[str, Any]) -> bool:
    """Whether a run with ``values`` reads ``option``."""
    return option is None or all(values.get(n) in allowed for n, allowed in option.when.items())


def preset_values(names: Mapping[str, str]) -> dict[str, Any]:
    """What the preset chooses for this method, net and data set."""
    data = DATASETS[names["dataset"]]
    found = {name: option.preset(names["preset"]) for name, option in FIELDS.items()}
    found["depth"] = NETS[names["net"]].depth
    found |= {"image_size": data.size, "crop_padding": data.crop_padding, "flip": data.flip}
    found["cut"] = METHODS[names["method"]].cut
    found |= METHODS[names["method"]].preset(names["preset"])
    options = options_of(names)
    found |= {name: o.preset(names["preset"], names["net"]) for name, o in options.items()}
    return found | dict(names)


def filled(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """``given`` with what the preset chooses, options checked; sentences for what is wrong."""
    names = {name: given.get(name, FIELDS[name].default) for name in ("preset", *NAMED)}
    problems = [
        PARAMETERS[name].refusal(value)
        for name, value in names.items()
        if not isinstance(value, str) or value not in PARAMETERS[name].choices
    ]
    if problems:
        return {}, problems
    chosen = preset_values(names)
    options = options_of(names)
    values = {name: value for name, value in chosen.items() if value is not None} | dict(given)
    taken = {name: value for name, value in values.items() if name in FIELDS}
    for name, value in values.items():
        if name in options:
            try:
                taken[name] = options[name].check(value)
            except ValueError as error:
                problems.append(str(error))
        elif name not in FIELDS:
            problems.append(_unknown(name, names))
    known = FIELDS | options
    for name in [name for name in taken if not is_read(known[name], values)]:
        if name in given and given[name] != chosen[name]:
            reasons = [f"{n} = {values.get(n)}" for n in known[name].when]
            problems.append(f"{name} is not read with {', '.join(reasons)}")
        del taken[name]
    return taken, problems


def _unknown(name: str, names: Mapping[str, str]) -> str:
    """Why a run of these ``names`` does not have the choice ``name``."""
    for noun, registry in REGISTRIES.items():
        owners = [n for n, entry in registry.items() if name in {o.name for o in entry.options}]
        if owners:
            others = ", ".join(owners)
            return f"{name} is not read here: it belongs to {noun} = {others}, not to {names[noun]}"
    hint = closest(name, PARAMETERS) or f": the fields are {', '.join(PARAMETERS)}"
    return f"there is no field {shown(name)}{hint}"


def together(e: Experiment) -> list[str]:
    """Sentences for choices that do not go together."""
    method, data, found = METHODS[e.method], DATASETS[e.dataset], []
    if why := refusal(e.method, e.net):
        found.append(why)
    if e.components is not None:
        low, high, _ = e.counts
        if low == high != e.components:
            found.append(
                f"components = {e.components} does not go with method = {e.method}: "
                f"{method.components.why}, so it is {low} or left out"
            )
        elif not low <= e.components <= high:
            what = (
                f"depth = {e.depth}" if e.cut == "block" else f"depth = {e.depth}, cut at layers,"
            )
            word = "more than" if e.components > high else "fewer than"
            counted = f"the {e.cut}s and the classifier" if high > e.hidden else f"the {e.cut}s"
            found.append(
                f"components = {e.components} is {word} {what} allows: from {low} to {high} "
                f"({method.components.why or counted})"
            )
    if data.needs_dir and e.data_dir is None and e.data_id is None:
        found.append(f"dataset = {e.dataset!r} needs data_dir, {data.needs_dir}")
    if e.lr_min > e.lr:
        found.append(f"lr_min = {e.lr_min:g} is above lr = {e.lr:g}: at most lr")
    smallest = NETS[e.net].min_size
    if e.image_size < smallest:
        found.append(
            f"image_size = {e.image_size} is too small for net = {e.net}: "
            f"at least {smallest} pixels"
        )
    return found


def readable(values: Mapping[str, Any], among: Iterable[str] | None = None) -> dict[str, Any]:
    """``values`` without those (of ``among``, if given) that such a run does not read."""
    among = values if among is None else among
    names = {name: values.get(name, FIELDS[name].default) for name in ("preset", *NAMED)}
    if any(names[noun] not in registry for noun, registry in REGISTRIES.items()):
        return dict(values)  # `Experiment` says so
    known = FIELDS | options_of(names)
    full = preset_values(names) | dict(values)
    return {
        name: value
        for name, value in values.items()
        if name not in among
        or name not in PARAMETERS
        or (name in known and is_read(known[name], full))
    }


def unread(name: str, given: Mapping[str, Any]) -> str:
    names = {noun: given.get(noun, FIELDS[noun].default) for noun in NAMED}
    known = FIELDS | options_of(names)
    if name in known:
        when = " and ".join(f"{n} = {' or '.join(v)}" for n, v in known[name].when.items())
        return f"no run here reads {name}: it is read where {when}"
    return f"no run here reads {name}: " + _unknown(name, names).partition(": ")[2]
