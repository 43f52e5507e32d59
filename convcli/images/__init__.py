"""Pictures in and out: the only place that knows Pillow."""

from convcli.images.picture import Frame, Origin
from convcli.images.read import Reading
from convcli.images.write import Target

__all__ = ["Frame", "Origin", "Reading", "Target"]
