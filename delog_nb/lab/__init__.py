"""What lessons show and ask: figures with their tables, predictions, checked exercises, the form.

Needs plotly, pandas and, where a form is drawn, ipywidgets; the core never does.
"""

from delog_nb.lazy import lazy

_NAMES = {
    "session": ("experiment", "headless", "show", "show_table"),
    "running": ("train_all",),
    "kept_runs": ("recorded", "recorded_probes", "show_provenance", "show_results"),
    "predictions": ("outcome", "predict"),
    "checks": ("check",),
    "syllabus": ("course",),
    "picking": ("pick",),
    "laboratory": ("Lab",),
    "exploring": ("Choice", "explore"),
    "depth": (
        "cut_figure",
        "cut_table",
        "depth_memory_table",
        "depths_figure",
        "depths_table",
        "gradients_figure",
        "gradients_table",
        "memory_figure",
        "memory_table",
        "product_figure",
        "product_table",
        "spread_figure",
        "spread_table",
        "timeline_figure",
        "timeline_table",
    ),
    "diagram": ("flows_figure", "flows_table"),
    "contrast": (
        "agreement_table",
        "circle_figure",
        "circle_table",
        "ends_figure",
        "ends_table",
        "pairs_figure",
        "pairs_table",
        "price_table",
        "small_batch",
        "tau_figure",
        "tau_table",
    ),
    "paths": ("paths_figure", "paths_table"),
    "scratch": (
        "agreement_figure",
        "accuracies_table",
        "gaps_figure",
        "gaps_table",
        "reach_figure",
        "reach_table",
        "shares_figure",
        "shares_table",
    ),
    "projection": (
        "differences_table",
        "pooled_figure",
        "pooled_sizes_table",
        "pooled_table",
        "probe_lines_figure",
        "probe_lines_table",
        "probes_frame",
        "questions_figure",
        "questions_table",
    ),
    "pipelines": (
        "bubbles_figure",
        "bubbles_table",
        "race_figure",
        "race_table",
        "schedule_figure",
        "schedule_table",
        "schedules_table",
        "stages_table",
        "time_table",
    ),
    "feeding": ("test_batches", "train_batches"),
    "images": ("class_table", "classes_figure", "image_grid", "view_table", "views_figure"),
    "figures": ("costs", "curves", "curves_table", "summary", "summary_for_people"),
}
__all__ = sorted(name for names in _NAMES.values() for name in names)
__getattr__ = lazy(
    __name__, {name: f"{__name__}.{module}" for module, names in _NAMES.items() for name in names}
)


def __dir__() -> list[str]:
    return __all__
