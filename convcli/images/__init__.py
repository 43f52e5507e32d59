"""Pictures in and out: the only place that knows Pillow."""

from convcli.images.picture import Frame, Metadata, Origin
from convcli.images.read import MAX_PIXELS, Reading
from convcli.images.write import Target

__all__ = ["MAX_PIXELS", "Frame", "Metadata", "Origin", "Reading", "Target"]
