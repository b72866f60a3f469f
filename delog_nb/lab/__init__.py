"""What notebooks import: charts, what they ask and run, and what they draw of records.

A verb asks or runs; a noun that draws returns an `Exhibit`. What one lesson alone draws stands in
`delog_nb.lab.lessons`. Needs the extra ``[lab]``; the core never does.
"""

from delog_nb.instruments.lazy import lazy

_NAMES = {
    "charts.exhibit": ("Exhibit",),
    "charts.lines": ("lines",),
    "charts.bars": ("bars",),
    "charts.heat": ("heat",),
    "charts.scatter": ("scatter",),
    "charts.played": ("headless",),
    "charts.gantt": ("gantt",),
    "charts.pictures": ("pictures",),
    "asks.session": ("experiment", "show_table"),
    "asks.train": ("train_all",),
    "asks.predict": ("outcome", "predict"),
    "asks.pick": ("pick",),
    "asks.explore": ("Choice", "explore"),
    "asks.take_away": ("take_away",),
    "asks.quiz": ("quiz",),
    "asks.workbench": ("Lab",),
    "delog_nb.course.exercises": ("check",),
    "delog_nb.course.syllabus": ("course",),
    "delog_nb.course.claims": ("checklist",),
    "runs.recorded": (
        "evidence",
        "own_runs",
        "recorded",
        "recorded_probes",
        "show_provenance",
        "show_results",
    ),
    "runs.curves": ("costs", "curves", "show_summary"),
    "runs.batch": ("batch",),
    "runs.cut_network": ("cut_network",),
    "runs.features_in_motion": ("features_in_motion",),
    "runs.images": ("classes", "test_batches", "train_batches", "views"),
    "runs.differences": ("differences",),
    "runs.schedules": ("schedule",),
    "runs.claims": ("findings", "verdicts"),
    "runs.single": ("confusion", "embeddings", "history", "probes"),
}
__all__ = sorted(name for names in _NAMES.values() for name in names)
__getattr__ = lazy(
    __name__,
    {
        name: module if module.startswith("delog_nb.") else f"{__name__}.{module}"
        for module, names in _NAMES.items()
        for name in names
    },
)


def __dir__() -> list[str]:
    return __all__
