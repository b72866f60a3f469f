"""`Experiment`: the one description of a run.

The command line, papermill's parameters, the widget form and the records are all made from its
fields, so a choice is named, explained and checked in one place.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import types
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from delog_nb.experiment.presets import PRESETS, preset_values
from delog_nb.experiment.registry import DATASETS, METHODS, NETS


class ExperimentError(ValueError):
    """A choice that an `Experiment` cannot have, said in one sentence."""


def _field(
    default: Any,
    help: str,
    group: str,
    *,
    unit: str = "",
    choices: Iterable[str] | None = None,
    **bounds: Any,
) -> Any:
    extra: dict[str, Any] = {"group": group, "unit": unit}
    if choices is not None:
        extra["enum"] = list(choices)
    return Field(default, description=help, json_schema_extra=extra, **bounds)


class Experiment(BaseModel):
    """Every choice of one run, with its range, unit and one line of help.

    A value that is not given, or is None, is the preset's choice
    (`delog_nb.experiment.presets`); the defaults below are the paper's recipe. Instances are frozen and can be compared and hashed.

    Raises `ExperimentError` with one sentence that names the field, the value and what is allowed.

    >>> run = Experiment(method="delog-scl", seed=1)
    >>> run.net, run.epochs, run.num_components
    ('convnet', 8, 5)
    >>> Experiment(method="delog_scl")
    Traceback (most recent call last):
    ...
    delog_nb.experiment.schema.ExperimentError: method = 'delog_scl' is not allowed: one of bp, \
early-exit, al, delog-scl (did you mean 'delog-scl'?)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str = _field("lesson", "size of the run", "run", choices=PRESETS)
    method: str = _field("delog-scl", "training method", "run", choices=METHODS)
    net: str = _field("convnet", "network to train", "run", choices=NETS)
    dataset: str = _field("digits", "images to learn from", "run", choices=DATASETS)
    seed: int = _field(0, "seed of every random choice", "run", ge=0, le=2**31 - 1)

    data_dir: Path | None = _field(
        None, "folder (or Tiny-ImageNet zip) that holds the images", "data"
    )
    dataset_label: str = _field("", "the data set's name in tables and figures", "data")
    image_size: int = _field(32, "side of the square images", "data", unit="pixels", ge=4, le=512)
    limit: int | None = _field(
        None, "use this many training images, classes kept balanced", "data", unit="images", ge=1
    )
    val_fraction: float = _field(
        0.1, "share of the training images held out for validation", "data", ge=0.0, le=0.5
    )
    augment: str = _field(
        "strong",
        "views of an image: strong = one weak, one with colour jitter; weak = two weak; none",
        "data",
        choices=("strong", "weak", "none"),
    )
    crop_padding: int = _field(
        4, "padding before the random crop", "data", unit="pixels", ge=0, le=64
    )
    flip: bool = _field(True, "flip views horizontally at random", "data")

    width: float = _field(1.0, "multiplies the hidden units and channels", "network", gt=0, le=8)
    depth: int = _field(4, "hidden blocks H; the classifier comes on top", "network", ge=1, le=256)
    norm: str = _field(
        "none", "ConvNet: normalisation after convolutions", "network", choices=("none", "batch")
    )
    shortcut: str = _field(
        "3x3",
        "ResNet: convolution in a shortcut that changes shape (3x3: the authors, 1x1: He et al.)",
        "network",
        choices=("3x3", "1x1"),
    )

    components: int | None = _field(
        None,
        "cut the network into this many gradient flows, 1 (as BP) to depth + 1; default: all",
        "method",
        ge=1,
    )
    pool: int = _field(
        0,
        "average-pool features to this side before heads, exits and bridges (0: no pooling)",
        "method",
        unit="pixels",
        ge=0,
        le=64,
    )
    head: str = _field(
        "mlp", "Delog-SCL: projection head", "method", choices=("identity", "linear", "mlp")
    )
    head_hidden: int = _field(
        512, "Delog-SCL: hidden units of the mlp head", "method", ge=1, le=65536
    )
    head_dim: int = _field(1024, "Delog-SCL: dimensions of z", "method", ge=1, le=65536)
    tau: float = _field(0.1, "Delog-SCL: temperature of Eq. 2", "method", ge=0.001, le=100)
    loss_scaling: str = _field(
        "eq2",
        "Delog-SCL: eq2 = Eq. 2; authors = their code, which counts the anchor as a positive",
        "method",
        choices=("eq2", "authors"),
    )
    exit_hidden: int = _field(
        512, "Early Exit: hidden units of a local classifier (0: one linear layer)", "method", ge=0
    )
    al_hidden: int = _field(300, "AL: dimensions of the target codes t_l", "method", ge=1, le=65536)
    al_activation: str = _field(
        "sigmoid", "AL: activation of codes and bridges", "method", choices=("sigmoid", "tanh")
    )
    al_lr: float | None = _field(
        None,
        "AL: learning rate of target encoders and decoders; default: lr",
        "method",
        gt=0,
        le=10,
    )

    epochs: int = _field(200, "passes over the training images", "training", ge=1, le=100_000)
    batch_size: int = _field(
        128, "images in a batch; each gives two views", "training", unit="images", ge=1, le=65536
    )
    lr: float = _field(1e-3, "Adam's learning rate at the start", "training", gt=0, le=10)
    lr_min: float = _field(
        1e-5, "learning rate that the cosine schedule ends near", "training", ge=0, le=10
    )
    weight_decay: float = _field(0.0, "Adam's weight decay", "training", ge=0, le=10)

    device: str = _field("auto", "where to train", "machine", choices=("auto", "cpu", "cuda"))
    precision: str = _field(
        "auto",
        "bf16 = autocast to bfloat16; auto = bf16 where the hardware computes in it",
        "machine",
        choices=("auto", "float32", "bf16"),
    )

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise ExperimentError(_sentence(error)) from None

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, values: dict[str, Any]) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if value is not None}
        names = {
            name: given.get(name, cls.model_fields[name].default)
            for name in ("preset", "dataset", "net", "method")
        }
        for name, value in names.items():
            if value not in PARAMETERS[name].choices:
                return given  # the field's own check says so
        return preset_values(**names) | given

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind(cls, value: Any, info: Any) -> Any:
        parameter = PARAMETERS[info.field_name]
        if parameter.choices and value not in parameter.choices:
            raise ValueError("not one of the choices")
        if isinstance(value, bool) != (parameter.kind == "bool") and not isinstance(value, str):
            raise ValueError("not of this kind")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Experiment:
        layers = self.depth + 1
        if self.components is not None:
            fixed = {
                "bp": (1, "BP is one gradient flow"),
                "al": (self.depth, "AL cuts every block"),
            }
            if self.method in fixed and self.components != fixed[self.method][0]:
                count, why = fixed[self.method]
                raise ValueError(
                    f"components = {self.components} does not go with method = {self.method}: "
                    f"{why}, so it is {count} or left out"
                )
            if self.components > layers:
                raise ValueError(
                    f"components = {self.components} is more than depth = {self.depth} allows: "
                    f"from 1 to {layers} (the blocks and the classifier)"
                )
        if self.dataset == "folder" and self.data_dir is None:
            raise ValueError(
                "dataset = 'folder' needs data_dir, the folder that holds train/<class>/* and "
                "test/<class>/*"
            )
        if self.lr_min > self.lr:
            raise ValueError(f"lr_min = {self.lr_min:g} is above lr = {self.lr:g}: at most lr")
        smallest = NETS[self.net].min_size
        if self.image_size < smallest:
            raise ValueError(
                f"image_size = {self.image_size} is too small for net = {self.net}: "
                f"at least {smallest} pixels"
            )
        return self

    @property
    def num_components(self) -> int:
        """How many gradient flows the method trains."""
        if self.components is not None:
            return self.components
        return {"bp": 1, "al": self.depth}.get(self.method, self.depth + 1)

    @property
    def data_label(self) -> str:
        """The data set's name for tables and figures."""
        if self.dataset_label:
            return self.dataset_label
        if self.dataset == "folder" and self.data_dir is not None:
            return self.data_dir.resolve().name
        return DATASETS[self.dataset].label

    @property
    def run_id(self) -> str:
        """Readable prefix and a hash of every choice: the same experiment has the same id."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        return f"{self.dataset}-{self.net}-{self.method}-s{self.seed}-{digest}"

    def but(self, **changes: Any) -> Experiment:
        """A copy with ``changes``; what neither of the two names is the preset's choice again."""
        return Experiment(**(self.given | changes))

    @property
    def given(self) -> dict[str, Any]:
        """The choices that make this experiment: all that its preset does not choose as well."""
        chosen = preset_values(self.preset, self.dataset, self.net, self.method)
        names = [name for name in Experiment.model_fields if name in self.model_fields_set]
        values = {name: getattr(self, name) for name in names}
        return {n: v for n, v in values.items() if n not in chosen or v != chosen[n]}


@dataclass(frozen=True)
class Parameter:
    """One field of `Experiment` as its faces need it."""

    name: str
    kind: str  # bool, int, float, choice, path or text
    help: str
    group: str
    unit: str
    default: Any
    optional: bool
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    above_low: bool  # the lower bound itself is not allowed

    @property
    def default_text(self) -> str:
        """The default, in words; by preset where presets differ."""
        method = "al" if self.name.startswith("al_") else "delog-scl"
        by_preset = {
            preset: preset_values(preset, "digits", "convnet", method).get(self.name, self.default)
            for preset in ("lesson", "quick", "paper")
        }
        if self.name in ("image_size", "crop_padding", "flip"):
            return "the data set's own"
        if len(set(by_preset.values())) > 1:
            return ", ".join(f"{value} ({preset})" for preset, value in by_preset.items())
        return "none" if self.default in (None, "") else str(self.default)

    @property
    def allowed(self) -> str:
        """What the field takes, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind in ("path", "text"):
            return "a path" if self.kind == "path" else "a text"
        if self.kind == "bool":
            return "true or false"
        noun = "a whole number" if self.kind == "int" else "a number"
        if self.high is not None and self.above_low:
            bounds = f" above {self.low:g} and at most {self.high:.10g}"
        elif self.high is not None:
            bounds = f" from {self.low:g} to {self.high:.10g}"
        else:
            bounds = f" of at least {self.low:g}"
        return noun + bounds + (f" {self.unit}" if self.unit else "")


def _parameter(name: str) -> Parameter:
    field = Experiment.model_fields[name]
    extra: dict[str, Any] = field.json_schema_extra  # type: ignore[assignment]
    kind: Any = field.annotation
    optional = get_origin(kind) in (Union, types.UnionType)
    if optional:
        kind = next(arg for arg in get_args(kind) if arg is not type(None))
    choices = tuple(extra.get("enum", ()))
    bounds = {
        key: getattr(rule, key)
        for rule in field.metadata
        for key in ("ge", "gt", "le")
        if hasattr(rule, key)
    }
    names = {bool: "bool", int: "int", float: "float", Path: "path", str: "text"}
    return Parameter(
        name=name,
        kind="choice" if choices else names[kind],
        help=field.description or "",
        group=extra["group"],
        unit=extra["unit"],
        default=field.default,
        optional=optional,
        choices=choices,
        low=bounds.get("ge", bounds.get("gt")),
        high=bounds.get("le"),
        above_low="gt" in bounds,
    )


PARAMETERS: dict[str, Parameter] = {name: _parameter(name) for name in Experiment.model_fields}


def closest(word: str, choices: Iterable[str]) -> str:
    """``" (did you mean 'x'?)"`` where a choice is near ``word``, else nothing."""
    near = difflib.get_close_matches(word.replace("-", "_"), list(choices), n=1, cutoff=0.6)
    near = near or difflib.get_close_matches(word.replace("_", "-"), list(choices), n=1, cutoff=0.6)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _sentence(error: ValidationError) -> str:
    sentences = []
    for item in error.errors():
        if item["type"] == "extra_forbidden":
            name = str(item["loc"][0])
            hint = closest(name, PARAMETERS) or f": the fields are {', '.join(PARAMETERS)}"
            sentences.append(f"there is no field {name!r}{hint}")
        elif item["loc"]:
            parameter = PARAMETERS[str(item["loc"][0])]
            hint = closest(str(item["input"]), parameter.choices)
            sentences.append(
                f"{parameter.name} = {item['input']!r} is not allowed: {parameter.allowed}{hint}"
            )
        else:
            sentences.append(str(item["ctx"]["error"]))
    return "; ".join(sentences)
