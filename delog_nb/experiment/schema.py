"""`Experiment`: the one description of a run.

The command line, papermill's parameters, the widget form and the records are all made from its
fields, so a choice is named, explained and checked in one place.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from delog_nb.experiment.errors import ExperimentError
from delog_nb.experiment.fields import Parameter, closest, field, parameter_of
from delog_nb.experiment.presets import PRESETS, preset_values
from delog_nb.experiment.registry import DATASETS, METHODS, NETS

# fields that the first records do not have
_LATER = ("optimizer", "momentum", "warmup", "clip")


class Experiment(BaseModel):
    """Every choice of one run, with its range, unit and one line of help.

    A value that is not given, or is None, is the preset's choice (`delog_nb.experiment.presets`);
    the defaults below are the paper's recipe. Instances are frozen and can be compared and hashed.

    Raises `ExperimentError` with one sentence that names the field, the value and what is allowed.

    >>> run = Experiment(method="delog-scl", seed=1)
    >>> run.net, run.epochs, run.num_components
    ('convnet', 8, 5)
    >>> Experiment(method="delog_scl")
    Traceback (most recent call last):
    ...
    delog_nb.experiment.errors.ExperimentError: method = 'delog_scl' is not allowed: one of bp, \
early-exit, al, delog-scl (did you mean 'delog-scl'?)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    preset: str = field("lesson", "size of the run", "run", choices=PRESETS)
    method: str = field("delog-scl", "training method", "run", choices=METHODS)
    net: str = field("convnet", "network to train", "run", choices=NETS)
    dataset: str = field("digits", "images to learn from", "run", choices=DATASETS)
    seed: int = field(0, "seed of every random choice", "run", ge=0, le=2**31 - 1)

    data_dir: Path | None = field(
        None, "folder (or Tiny-ImageNet zip) that holds the images", "data"
    )
    dataset_label: str = field("", "the data set's name in tables and figures", "data")
    image_size: int = field(32, "side of the square images", "data", unit="pixels", ge=4, le=512)
    limit: int | None = field(
        None, "use this many training images, classes kept balanced", "data", unit="images", ge=1
    )
    val_fraction: float = field(
        0.0, "share of the training images held out for validation", "data", ge=0.0, le=0.5
    )
    augment: str = field(
        "strong",
        "views of an image: strong = one weak, one with colour jitter; weak = two weak; none",
        "data",
        choices=("strong", "weak", "none"),
    )
    crop_padding: int = field(
        4, "padding before the random crop", "data", unit="pixels", ge=0, le=64
    )
    flip: bool = field(True, "flip views horizontally at random", "data")

    width: float = field(1.0, "multiplies the hidden units and channels", "network", gt=0, le=8)
    depth: int = field(4, "hidden blocks H; the classifier comes on top", "network", ge=1, le=256)
    norm: str = field(
        "none", "ConvNet: normalisation after convolutions", "network", choices=("none", "batch")
    )
    shortcut: str = field(
        "3x3",
        "ResNet: convolution in a shortcut that changes shape (3x3: the authors, 1x1: He et al.)",
        "network",
        choices=("3x3", "1x1"),
    )

    components: int | None = field(
        None,
        "cut the network into this many gradient flows, 1 (as BP) to depth + 1; default: all",
        "method",
        ge=1,
    )
    pool: int = field(
        0,
        "average-pool features to this side before heads, exits and bridges (0: no pooling)",
        "method",
        unit="pixels",
        ge=0,
        le=64,
    )
    head: str = field(
        "mlp", "Delog-SCL: projection head", "method", choices=("identity", "linear", "mlp")
    )
    head_hidden: int = field(
        512, "Delog-SCL: hidden units of the mlp head", "method", ge=1, le=65536
    )
    head_dim: int = field(1024, "Delog-SCL: dimensions of z", "method", ge=1, le=65536)
    tau: float = field(0.1, "Delog-SCL: temperature of Eq. 2", "method", ge=0.001, le=100)
    loss_scaling: str = field(
        "eq2",
        "Delog-SCL: eq2 = Eq. 2; authors = their code, which counts the anchor as a positive",
        "method",
        choices=("eq2", "authors"),
    )
    exit_hidden: int = field(
        512, "Early Exit: hidden units of a local classifier (0: one linear layer)", "method", ge=0
    )
    al_hidden: int = field(300, "AL: dimensions of the target codes t_l", "method", ge=1, le=65536)
    al_activation: str = field(
        "sigmoid", "AL: activation of codes and bridges", "method", choices=("sigmoid", "tanh")
    )
    al_lr: float | None = field(
        None,
        "AL: learning rate of target encoders and decoders; default: lr",
        "method",
        gt=0,
        le=10,
    )

    epochs: int = field(200, "passes over the training images", "training", ge=1, le=100_000)
    batch_size: int = field(
        128, "images in a batch; each gives two views", "training", unit="images", ge=1, le=65536
    )
    optimizer: str = field(
        "adam",
        "adam; adamw = decoupled weight decay; sgd = gradient descent with momentum",
        "training",
        choices=("adam", "adamw", "sgd"),
    )
    lr: float = field(1e-3, "learning rate at the start", "training", gt=0, le=10)
    lr_min: float = field(
        1e-5, "learning rate that the cosine schedule ends near", "training", ge=0, le=10
    )
    momentum: float = field(0.9, "momentum of sgd", "training", ge=0, lt=1)
    warmup: int = field(
        0,
        "steps over which the learning rate rises linearly to the schedule's",
        "training",
        unit="steps",
        ge=0,
        le=1_000_000,
    )
    clip: float | None = field(
        None,
        "largest norm of a component's gradient, longer ones are scaled to it; default: no limit",
        "training",
        gt=0,
        le=1e6,
    )
    weight_decay: float = field(0.0, "weight decay", "training", ge=0, le=10)

    device: str = field("auto", "where to train", "machine", choices=("auto", "cpu", "cuda"))
    precision: str = field(
        "float32",
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
        """Readable prefix and a hash of every choice: the same experiment has the same id.

        Fields that came later are hashed where they are not at their default, so that runs from
        before keep their ids.
        """
        fields = Experiment.model_fields
        old = {name for name in _LATER if getattr(self, name) == fields[name].default}
        text = json.dumps(self.model_dump(mode="json", exclude=old), sort_keys=True)
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


PARAMETERS: dict[str, Parameter] = {
    name: parameter_of(name, info) for name, info in Experiment.model_fields.items()
}


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
