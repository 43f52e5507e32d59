"""A convolution at work, shown: one pixel's arithmetic, an animation, a page, a plan."""
