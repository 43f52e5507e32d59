"""Reading and writing the metadata of OME-TIFF (OME-XML) and OME-Zarr (NGFF 0.4 and 0.5).

Preserved are the names of image and channels, the properties of channels (colour, wavelengths), and the spacing of
pixels, planes and times. Instruments, regions of interest and annotations are dropped: they describe the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

from convcli.large.pages import Facts, MapShape
from convcli.printable import printable
from convcli.ranges import full_scale

_SPACINGS = {"x": "PhysicalSizeX", "y": "PhysicalSizeY", "z": "PhysicalSizeZ", "t": "TimeIncrement"}
_CHANNEL = (
    "Name", "Color", "AcquisitionMode", "ContrastMethod", "EmissionWavelength", "EmissionWavelengthUnit",
    "ExcitationWavelength", "ExcitationWavelengthUnit", "Fluor", "IlluminationType",
)  # fmt: skip
_UNITS = {
    "µm": "micrometer", "nm": "nanometer", "mm": "millimeter", "cm": "centimeter", "m": "meter", "Å": "angstrom",
    "in": "inch", "s": "second", "ms": "millisecond", "min": "minute", "h": "hour", "µs": "microsecond",
}  # fmt: skip
_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_COLORS = {1: ("FFFFFF",), 3: ("FF0000", "00FF00", "0000FF"), 4: ("FF0000", "00FF00", "0000FF", "FFFFFF")}


def facts_of(xml: str | None, index: int) -> Facts:
    """Return the facts on the image number `index` of an OME-XML; just that it is OME if the XML can't be read."""
    try:
        root = ElementTree.fromstring(xml or "")
    except ElementTree.ParseError:
        return Facts(ome=True)
    images = [element for element in root if _bare(element.tag) == "Image"]
    if index >= len(images):
        return Facts(ome=True)
    pixels = next((element for element in images[index] if _bare(element.tag) == "Pixels"), None)
    if pixels is None:
        return Facts(ome=True, name=images[index].get("Name", ""))
    spacing = {}
    for axis, word in _SPACINGS.items():
        step = _number(pixels.get(word))
        if step:
            spacing[axis] = (step, pixels.get(f"{word}Unit", "s" if axis == "t" else "µm"))
    channels = tuple(
        {word: value for word in _CHANNEL if (value := element.get(word)) is not None}
        for element in pixels
        if _bare(element.tag) == "Channel"
    )
    return Facts(ome=True, name=images[index].get("Name", ""), spacing=spacing, channels=channels)


def names_other_files(xml: str | None, own: str) -> bool:
    """Return whether an OME-XML refers to pages in files other than `own`."""
    try:
        named = {e.get("FileName", own) for e in ElementTree.fromstring(xml or "").iter() if _bare(e.tag) == "UUID"}
    except ElementTree.ParseError:
        return False
    return bool(named - {own})


def tiff_metadata(facts: Facts, shape: MapShape, made: str) -> dict[str, Any]:
    """Return the facts as metadata for tifffile's writer. The file's UUID is derived from them and from `made`."""
    axes = "".join(axis for axis, _ in shape.lead).upper() + ("YXS" if shape.samples > 1 else "YX")
    words: dict[str, Any] = {"axes": axes}
    if facts.name:
        words["Name"] = facts.name
    for axis, (step, unit) in facts.spacing.items():
        words[_SPACINGS[axis]] = step
        if unit:
            words[f"{_SPACINGS[axis]}Unit"] = unit
    count = dict(shape.lead).get("c", 1)
    if len(facts.channels) == count and any(facts.channels):
        known = {word for channel in facts.channels for word in channel}
        words["Channel"] = {word: [channel.get(word) for channel in facts.channels] for word in sorted(known)}
    words["UUID"] = f"urn:uuid:{uuid5(NAMESPACE_URL, f'{made} {astuple(shape)} {words}')}"
    return words


def suits_ome(lead: Sequence[tuple[str, int]]) -> bool:
    """Return whether OME-XML has all these axes."""
    return {axis for axis, _ in lead} <= set("tcz")


def zarr_attributes(
    facts: Facts, axes: Sequence[str], sizes: Sequence[Sequence[int]], shape: MapShape, version: int
) -> dict[str, Any]:
    """Return the OME-Zarr attributes of a group whose arrays "0", "1" and so on have the given sizes.

    axes: of the arrays. version: of Zarr; 2 goes with NGFF 0.4, 3 with 0.5.
    """
    told = []
    for axis in axes:
        unit = _UNITS.get(facts.spacing.get(axis, (0.0, ""))[1])
        told.append({"name": axis, "type": _TYPES[axis]} | ({"unit": unit} if unit else {}))
    datasets = []
    for level, _ in enumerate(sizes):
        scale = [facts.spacing.get(axis, (1.0, ""))[0] * (2**level if axis in "yx" else 1) for axis in axes]
        shift = [facts.spacing.get(axis, (1.0, ""))[0] * (2**level - 1) / 2 if axis in "yx" else 0.0 for axis in axes]
        datasets.append({
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": scale}]
            + ([{"type": "translation", "translation": shift}] if level else []),
        })  # fmt: skip
    multiscale: dict[str, Any] = {"axes": told, "datasets": datasets, "type": "mean of 2x2"}
    if facts.name:
        multiscale["name"] = facts.name
    said: dict[str, Any] = {"multiscales": [multiscale]}
    if "c" in axes:
        said["omero"] = {"channels": _shown_channels(facts, sizes[0][list(axes).index("c")], shape)}
    if version == 2:
        multiscale["version"] = "0.4"
        return said
    return {"ome": {"version": "0.5", **said}}


def _shown_channels(facts: Facts, count: int, shape: MapShape) -> list[dict[str, Any]]:
    """Return label, colour and window of each channel for viewers."""
    top = full_scale(shape.dtype)
    colors = _COLORS.get(count if shape.samples > 1 else 1, ("FFFFFF",))
    channels = []
    for index in range(count):
        known = facts.channels[index] if len(facts.channels) == count else {}
        color = colors[index % len(colors)]
        if (number := _number(known.get("Color"))) is not None:
            color = f"{int(number) & 0xFFFFFFFF:08X}"[:6]  # OME-XML stores RGBA as a signed 32-bit number
        window = {"min": 0.0, "start": 0.0, "end": top, "max": top}
        channels.append({"label": str(known.get("Name", index)), "color": color, "active": True, "window": window})
    return channels


def facts_of_zarr(attributes: dict[str, Any]) -> tuple[Facts, list[str], str] | None:
    """Return the facts, axes and path of the full-size array from an OME-Zarr group's attributes; None for others."""
    said = attributes.get("ome", attributes)
    try:
        multiscale = said["multiscales"][0]
        first = multiscale["datasets"][0]
        told = multiscale.get("axes", ["t", "c", "z", "y", "x"])
        axes = [axis if isinstance(axis, str) else axis["name"] for axis in told]
        units = ["" if isinstance(axis, str) else str(axis.get("unit", "")) for axis in told]
        path = str(first["path"])
        changes = first.get("coordinateTransformations", ())
        scale: list[float] = next((change["scale"] for change in changes if change["type"] == "scale"), [])
        ours = {long: short for short, long in _UNITS.items()}
        spacing = {
            axis: (float(step), ours.get(unit, unit))
            for axis, step, unit in zip(axes, scale, units, strict=False)
            if axis in _SPACINGS and (unit or float(step) != 1)
        }
        channels = tuple(_channel(channel) for channel in said.get("omero", {}).get("channels", ()))
        name = printable(str(multiscale.get("name", "")))
        return Facts(ome=True, name=name, spacing=spacing, channels=channels), axes, path
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def is_rgb(facts: Facts) -> bool:
    """Return whether the channels are red, green and blue."""
    return [channel.get("Color") for channel in facts.channels] == [-16776961, 16711935, 65535]


def _channel(said: dict[str, Any]) -> dict[str, Any]:
    channel: dict[str, Any] = {}
    if "label" in said:
        channel["Name"] = printable(str(said["label"]))
    if "color" in said:
        number = int(f"{said['color']}FF", 16)
        channel["Color"] = number - (1 << 32) if number >= 1 << 31 else number
    return channel


def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
