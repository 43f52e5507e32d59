"""Layers of a convolutional network on NumPy arrays, with the meaning that PyTorch gives them."""

from convcli.layers.activation import ACTIVATIONS, Activation
from convcli.layers.base import Layer, Shape
from convcli.layers.conv import Conv2d
from convcli.layers.norm import BatchNorm2d
from convcli.layers.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from convcli.layers.stack import Stack

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "AvgPool2d",
    "BatchNorm2d",
    "Conv2d",
    "GlobalAvgPool2d",
    "Layer",
    "MaxPool2d",
    "Shape",
    "Stack",
]
