"""Named data sets as uint8 tensors in memory, and views of whole batches."""

from delog_nb.data.declare import Source, dataset
from delog_nb.data.decoding import as_pixels
from delog_nb.data.images import DataError, ImageData, Split
from delog_nb.data.loading import arrays, content_id, count, load, shape
from delog_nb.data.views import Views

__all__ = [
    "DataError",
    "ImageData",
    "Source",
    "Split",
    "Views",
    "arrays",
    "as_pixels",
    "content_id",
    "count",
    "dataset",
    "load",
    "shape",
]
