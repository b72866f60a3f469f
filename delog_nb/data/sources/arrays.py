"""Images that are handed over as arrays: `delog_nb.data.arrays`."""

from delog_nb.data.declare import Source, dataset
from delog_nb.data.images import DataError, Raw


@dataset("arrays", label="Arrays", by_content=True, needs_dir="or images given as data=")
class ArraysSource(Source):
    """There is nothing to read: the images are at hand, or a run on them cannot be made."""

    def content_id(self) -> str:
        raise DataError("images = arrays are nowhere to be read: train them with data=")

    def read(self, size: int) -> Raw:  # noqa: ARG002
        raise DataError("images = arrays are nowhere to be read: train them with data=")
