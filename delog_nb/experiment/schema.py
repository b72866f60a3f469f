"""`Experiment`: the one description of a run.

The command line, papermill's parameters, the widget form and the records are all made from its
fields and from the options that methods, nets and data sets declare, so a choice is named,
explained and checked in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError, field_validator

from delog_nb.experiment import identity
from delog_nb.experiment.entries import Entry
from delog_nb.experiment.fields import Option, field_of, option_of
from delog_nb.experiment.optimizers import OPTIMIZERS
from delog_nb.experiment.presets import PRESETS
from delog_nb.experiment.registry import DATASETS, FIELDS, METHODS, NETS, REGISTRIES
from delog_nb.experiment.rules import (
    NAMED,
    filled,
    is_read,
    options_of,
    preset_values,
    readable,
    together,
    unread,
)
from delog_nb.instruments.errors import ExperimentError

_VIEWS = {"augment": ("strong", "weak")}
_WITH_MOMENTUM = tuple(name for name, o in OPTIMIZERS.items() if "momentum" in o.reads)


class Experiment(BaseModel):
    """Every choice of one run, with its range, unit and one line of help.

    Beside these fields it has the options of its method, net and data set, as attributes. A value
    that is not given, or is None, is the preset's choice; the defaults below are the paper's
    recipe. Instances are frozen and can be compared and hashed.

    Raises `ExperimentError` with one sentence that names the field, the value and what is allowed.

    >>> run = Experiment(method="delog-scl", seed=1)
    >>> run.net, run.epochs, run.num_components, run.tau
    ('convnet', 8, 5, 0.1)
    >>> Experiment(flip=3)
    Traceback (most recent call last):
    ...
    delog_nb.instruments.errors.ExperimentError: flip = 3 is not allowed: true or false
    >>> Experiment(method="bp", al_lr=0.2)
    Traceback (most recent call last):
    ...
    delog_nb.instruments.errors.ExperimentError: al_lr is not read here: it belongs to method = \
al, not to bp
    """

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    preset: str = field_of("lesson", "size of the run", "run", choices=PRESETS)
    method: str = field_of("delog-scl", "training method", "run")
    net: str = field_of("convnet", "network to train", "run")
    dataset: str = field_of("digits", "images to learn from", "run")
    seed: int = field_of(0, "seed of every random choice", "run", ge=0, le=2**31 - 1)

    data_dir: Path | None = field_of(
        None, "folder (or Tiny-ImageNet zip) that holds the images", "data"
    )
    data_id: str | None = field_of(
        None, "content of the images in data_dir, as a record says it; others are refused", "data"
    )
    dataset_label: str = field_of("", "the data set's name in tables and figures", "data")
    image_size: int = field_of(32, "side of the square images", "data", unit="pixels", ge=4, le=512)
    limit: int | None = field_of(
        None, "use this many training images, classes kept balanced", "data", unit="images", ge=1,
        le=10_000_000, presets={"quick": 400},
    )  # fmt: skip
    val_fraction: float = field_of(
        0.0, "share of the training images held out for validation", "data", ge=0.0, le=0.5,
        presets={"lesson": 0.1},
    )  # fmt: skip
    augment: str = field_of(
        "strong",
        "views of an image: strong = one weak, one with colour jitter; weak = two weak; none",
        "data",
        choices=("strong", "weak", "none"),
    )
    crop_padding: int = field_of(
        4, "padding before the random crop", "data", unit="pixels", ge=0, le=64, when=_VIEWS
    )
    flip: bool = field_of(True, "flip views horizontally at random", "data", when=_VIEWS)

    width: float = field_of(
        1.0, "multiplies the hidden units and channels", "network", gt=0, le=8,
        presets={"lesson": 0.5, "quick": 0.3125},  # a channel for each of the digits' classes
    )  # fmt: skip
    depth: int = field_of(
        4, "hidden blocks H; the classifier comes on top", "network", ge=1, le=256
    )
    cut: str = field_of(
        "block",
        "components end after blocks, or after layers: a convolution with its activation, a "
        "residual block",
        "method",
        choices=("block", "layer"),
    )
    components: int | None = field_of(
        None,
        "cut the network into this many gradient flows, from 1 (as BP) to one for each block (or "
        "layer) and the classifier; default: the method's own",
        "method",
        ge=1,
        le=10_000,
    )

    epochs: int = field_of(
        200, "passes over the training images", "training", ge=1, le=100_000,
        presets={"lesson": 8, "quick": 2},
    )  # fmt: skip
    batch_size: int = field_of(
        128, "images in a batch; each gives two views", "training", unit="images", ge=1, le=65536,
        presets={"lesson": 64},
    )  # fmt: skip
    optimizer: str = field_of(
        "adam",
        "adam; adamw = decoupled weight decay; sgd = gradient descent with momentum",
        "training",
        choices=OPTIMIZERS,
    )
    lr: float = field_of(
        1e-3, "learning rate at the start", "training", gt=0, le=10, presets={"lesson": 2e-3}
    )
    lr_min: float = field_of(
        1e-5, "learning rate that the cosine schedule ends near", "training", ge=0, le=10
    )
    momentum: float = field_of(
        0.9,
        "momentum, of optimizers that have one (sgd)",
        "training",
        ge=0,
        lt=1,
        when={"optimizer": _WITH_MOMENTUM},
    )
    warmup: int = field_of(
        0, "steps over which the learning rate rises linearly to the schedule's", "training",
        unit="steps", ge=0, le=1_000_000,
    )  # fmt: skip
    clip: float | None = field_of(
        None,
        "largest norm of a component's gradient, longer ones are scaled to it; default: no limit",
        "training",
        gt=0,
        le=1e6,
    )
    weight_decay: float = field_of(0.0, "weight decay", "training", ge=0, le=10)
    evaluate_every: int = field_of(
        1, "from one evaluation to the next; the last epoch has one", "training",
        unit="epochs", ge=1, le=100_000,
    )  # fmt: skip

    device: str = field_of(
        "auto",
        "where to train; cuda:N is GPU N",
        "machine",
        choices=("auto", "cpu", "cuda", *(f"cuda:{number}" for number in range(8))),
    )
    precision: str = field_of(
        "float32",
        "bf16 = autocast to bfloat16; tf32 = float32, products on a GPU in TensorFloat-32; auto = "
        "bf16 where the hardware computes in it",
        "machine",
        choices=("auto", "float32", "tf32", "bf16"),
        presets={"lesson": "auto"},
    )
    compile: bool = field_of(
        False,
        "compile each component by torch.compile: the same results but for rounding; for GPUs",
        "machine",
    )

    _labels: dict[str, str] = PrivateAttr(default_factory=dict)  # of what is not declared here

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    else:

        def __init__(self, **values: Any) -> None:
            given = {name: value for name, value in values.items() if value is not None}
            values, problems = filled(given)
            try:
                if not problems or values:
                    super().__init__(**values)
                    problems += together(self)
            except ValidationError as error:
                problems = _sentences(error) + problems
            if problems:
                raise ExperimentError("; ".join(problems))

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind(cls, value: Any, info: Any) -> Any:
        if not FIELDS[info.field_name].fits(value):
            raise ValueError("not of this kind")
        return value

    @property
    def entries(self) -> dict[str, Entry]:
        """What its method, net and data set declare, by ``method``, ``net`` and ``dataset``."""
        return {noun: registry[getattr(self, noun)] for noun, registry in REGISTRIES.items()}

    @property
    def options(self) -> dict[str, Option]:
        """The options of the method, net and data set, by name."""
        return options_of({name: getattr(self, name) for name in NAMED})

    @property
    def hidden(self) -> int:
        """What components can end after, beside the classifier: blocks, or layers."""
        if self.cut == "block":
            return self.depth
        # layers are counted in the net itself, which stands above this room
        return int(import_module("delog_nb.nets").count_layers(self))

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many gradient flows its method can train here: from, to, and by default."""
        return METHODS[self.method].components.at(self.hidden, self.model_extra or {})

    @property
    def num_components(self) -> int:
        """How many gradient flows the method trains."""
        return self.counts[2] if self.components is None else self.components

    @property
    def method_label(self) -> str:
        """The method's name for tables and figures."""
        return self._labels.get("method") or METHODS.label(self.method)

    @property
    def net_label(self) -> str:
        """The net's name for tables and figures."""
        return self._labels.get("net") or NETS[self.net].label_at(self.depth)

    @property
    def data_label(self) -> str:
        """The data set's name for tables and figures."""
        if self.dataset_label:
            return self.dataset_label
        if DATASETS.get(self.dataset) and DATASETS[self.dataset].by_content and self.data_dir:
            return self.data_dir.resolve().name
        return self._labels.get("dataset") or DATASETS.label(self.dataset)

    @property
    def run_id(self) -> str:
        """Readable prefix and a hash of what makes the result.

        Raises:
            ExperimentError: the run is not planned (`delog_nb.training.planned`), or the source of
                a plug-in cannot be read.
        """
        return identity.id_of(identity.identity(self))

    def choices(self) -> dict[str, Any]:
        """What the run reads, as plain data that makes this experiment again."""
        values = {**dict(self), **(self.model_extra or {})}
        known = FIELDS | (self.options if self.declared else {})
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in values.items()
            if value is not None and is_read(known.get(name), values)
        }

    def reads(self, name: str) -> bool:
        """Whether this run reads the field or option ``name``."""
        option = FIELDS.get(name) or self.options.get(name)
        return option is not None and is_read(option, {**dict(self), **(self.model_extra or {})})

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field or option; ``default`` where this run does not read it."""
        return self.choices().get(name, default)

    def but(self, **changes: Any) -> Experiment:
        """A copy with ``changes``; what neither of the two names is the preset's choice again.

        Options that the changed run does not read are left out, unless ``changes`` names them.
        """
        named = {name: value for name, value in changes.items() if value is not None}
        kept = {name: v for name, v in self.given.items() if name not in changes}
        return Experiment(**(readable(kept | named, kept) | changes))

    @property
    def given(self) -> dict[str, Any]:
        """The choices that make this experiment: all that its preset does not choose as well."""
        chosen = preset_values({name: getattr(self, name) for name in ("preset", *NAMED)})
        values = {**dict(self), **(self.model_extra or {})}
        names = [n for n in values if n in self.model_fields_set or n in (self.model_extra or {})]
        return {
            n: values[n]
            for n in names
            if values[n] is not None
            and (n in ("preset", "seed", *NAMED) or n not in chosen or values[n] != chosen[n])
        }

    @property
    def declared(self) -> bool:
        """Whether its method, net and data set are known here, as they were when it was made."""
        return not self._labels

    @classmethod
    def recorded(
        cls,
        choices: Mapping[str, Any],
        labels: Mapping[str, str],
        components: int,
        code: Mapping[str, str],
    ) -> Experiment:
        """An experiment from a record, whether or not its method is declared here.

        What is not declared is taken as it stands: it can be looked at, not trained.

        Args:
            choices: what `choices` gave
            labels: of its method, net and dataset
            components: how many
            code: digests of the plug-ins that made it, by method, net or dataset
        """
        if all(
            choices[noun] in registry
            and (plugin.digest if (plugin := registry[choices[noun]].plugin) else None)
            == code.get(noun)
            for noun, registry in REGISTRIES.items()
        ):
            return cls(**choices)
        places = {"data_dir": Path(choices["data_dir"])} if "data_dir" in choices else {}
        taken = cls.model_construct(**{**choices, **places, "components": components})
        taken._labels.update(labels)
        return taken


FIELDS.update({name: option_of(name, info) for name, info in Experiment.model_fields.items()})


def _sentences(error: ValidationError) -> list[str]:
    return [FIELDS[str(item["loc"][0])].refusal(item["input"]) for item in error.errors()]


def experiments_of(all_choices: Sequence[Mapping[str, Any]]) -> list[Experiment]:
    """An experiment for each of ``all_choices``: an option goes to those that read it.

    Raises:
        ExperimentError: an option that none of them reads, or whatever `Experiment` refuses.
    """
    made, idle = [], dict[str, str]()
    read: set[str] = set()
    for choices in all_choices:
        given = {name: value for name, value in choices.items() if value is not None}
        kept = readable(given)
        made.append(Experiment(**kept))
        read |= kept.keys()
        for name in given.keys() - kept.keys():
            idle.setdefault(name, unread(name, given))
    for name, sentence in idle.items():
        if name not in read:
            raise ExperimentError(sentence)
    return made
