"use strict";
// The arithmetic of a convolution, as the engine does it, in float64. Runs in the page and in its worker.
//
// image:  {width, height, channels, data}; data is interleaved, 0..255
// recipe: {weights: [plane][row][column], divisor, bias, stride: [y, x], dilation: [y, x], padding, mode, value,
//          range, channels}; padding is "same", "valid", "full" or [top, bottom, left, right]

function border(i, n, mode) {
  // Which of n pixels stands at place i; -1 where the padding holds a constant.
  if (i >= 0 && i < n) return i;
  if (mode === "zeros" || mode === "constant") return -1;
  if (mode === "replicate") return i < 0 ? 0 : n - 1;
  const period = mode === "circular" ? n : mode === "symmetric" ? 2 * n : Math.max(2 * n - 2, 1);
  const at = ((i % period) + period) % period;
  return at < n ? at : period - at - (mode === "symmetric" ? 1 : 0);
}

function axis(size, kernel, stride, dilation, padding, before, after) {
  // One axis: the padding on both sides and the size of the map, which is below 1 where the kernel does not fit.
  const reach = dilation * (kernel - 1) + 1;
  if (padding === "valid") [before, after] = [0, 0];
  if (padding === "full") [before, after] = [reach - 1, reach - 1];
  if (padding === "same") {
    const total = Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0);
    before = Math.floor(total / 2);
    after = total - before;
  }
  const span = size - reach + before + after;
  const extent = dilation > 1 ? `(${dilation}*(${kernel} - 1) + 1)` : `${kernel}`;
  return {
    before, after, stride, dilation, kernel, size,
    output: span < 0 ? 0 : Math.floor(span / stride) + 1,
    formula: `floor((${size} - ${extent} + ${before} + ${after}) / ${stride}) + 1`,
  };
}

function geometry(image, recipe) {
  const p = recipe.padding, kh = recipe.weights[0].length, kw = recipe.weights[0][0].length;
  const sides = Array.isArray(p) ? p : [0, 0, 0, 0];
  return {
    rows: axis(image.height, kh, recipe.stride[0], recipe.dilation[0], p, sides[0], sides[1]),
    columns: axis(image.width, kw, recipe.stride[1], recipe.dilation[1], p, sides[2], sides[3]),
  };
}

function halfToEven(v) {
  const low = Math.floor(v), rest = v - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

function seen(image, recipe) {
  // The picture as the recipe looks at it: itself, or its luma (ITU-R BT.601).
  if (recipe.channels !== "gray" || image.channels !== 3) return image;
  const n = image.width * image.height, data = new Uint8Array(n), from = image.data;
  for (let i = 0; i < n; i++) {
    data[i] = (19595 * from[3 * i] + 38470 * from[3 * i + 1] + 7471 * from[3 * i + 2] + 0x8000) >> 16;
  }
  return { width: image.width, height: image.height, channels: 1, data };
}

function summed(image, recipe) {
  return image.channels > 1 && (recipe.channels === "sum" || recipe.weights.length > 1);
}

function mapped(r, recipe, low, high) {
  // A response after the range, before rounding.
  if (recipe.range === "abs") return Math.abs(r);
  if (recipe.range === "offset") return r + 128;
  if (recipe.range === "normalize") {
    if (high === low) return 0;
    return Math.fround(Math.fround(Math.fround(r) - low) * Math.fround(255 / (high - low)));
  }
  return r;
}

function look(image, recipe, x, y) {
  // What lies under the kernel at (x, y) of the map: for each channel values and padding, a row after the other.
  const g = geometry(image, recipe), constant = recipe.mode === "constant" ? recipe.value : 0;
  const top = y * g.rows.stride - g.rows.before, left = x * g.columns.stride - g.columns.before;
  const windows = [];
  for (let c = 0; c < image.channels; c++) {
    const weights = recipe.weights[recipe.weights.length > 1 ? c : 0];
    const values = [], padded = [];
    let total = 0;
    for (let i = 0; i < g.rows.kernel; i++) {
      for (let j = 0; j < g.columns.kernel; j++) {
        const py = top + i * g.rows.dilation, px = left + j * g.columns.dilation;
        const sy = border(py, image.height, recipe.mode), sx = border(px, image.width, recipe.mode);
        const value = sy < 0 || sx < 0 ? constant : image.data[(sy * image.width + sx) * image.channels + c];
        values.push(value);
        padded.push(py < 0 || py >= image.height || px < 0 || px >= image.width);
        total += weights[i][j] * value;
      }
    }
    windows.push({ values, padded, weights: weights.flat(), total });
  }
  return { top, left, windows };
}

function addTaps(line, from, taps, row, step) {
  // line[x] plus weight times value for each tap, one after the other; four at a time spare three stores.
  const width = line.length;
  let t = 0;
  for (; t + 4 <= taps.length; t += 4) {
    const [p, q, r, s] = [taps[t], taps[t + 1], taps[t + 2], taps[t + 3]];
    const v = p[0], w = q[0], y = r[0], z = s[0], a = row + p[1], b = row + q[1], c = row + r[1], d = row + s[1];
    for (let x = 0, k = 0; x < width; x++, k += step) {
      line[x] = line[x] + v * from[a + k] + w * from[b + k] + y * from[c + k] + z * from[d + k];
    }
  }
  for (; t < taps.length; t++) {
    const w = taps[t][0];
    for (let x = 0, k = row + taps[t][1]; x < width; x++, k += step) line[x] += w * from[k];
  }
}

function convolve(image, recipe) {
  // The feature map: {width, height, channels, pixels, low, high}; null where the kernel does not fit.
  const source = seen(image, recipe), g = geometry(source, recipe);
  const height = g.rows.output, width = g.columns.output;
  if (height < 1 || width < 1) return null;
  const one = summed(source, recipe), channels = one ? 1 : source.channels;
  const response = new Float64Array(width * height * channels);
  const atY = Array.from({ length: source.height + g.rows.before + g.rows.after },
    (_, i) => border(i - g.rows.before, source.height, recipe.mode));
  const atX = Int32Array.from({ length: source.width + g.columns.before + g.columns.after },
    (_, i) => border(i - g.columns.before, source.width, recipe.mode));
  const constant = recipe.mode === "constant" ? recipe.value : 0;
  const padded = new Float64Array(atY.length * atX.length);
  for (let c = 0; c < source.channels; c++) {
    for (let y = 0, k = 0; y < atY.length; y++) {
      const row = atY[y] * source.width;
      for (let x = 0; x < atX.length; x++, k++) {
        padded[k] = atY[y] < 0 || atX[x] < 0 ? constant : source.data[(row + atX[x]) * source.channels + c];
      }
    }
    const weights = recipe.weights[recipe.weights.length > 1 ? c : 0];
    const kh = g.rows.kernel, kw = g.columns.kernel, sx = g.columns.stride, dx = g.columns.dilation;
    const first = one ? 0 : c, line = new Float64Array(width);
    const taps = [];
    for (let i = 0; i < kh; i++) {
      for (let j = 0; j < kw; j++) {
        if (weights[i][j] !== 0) taps.push([weights[i][j], i * g.rows.dilation * atX.length + j * dx]);
      }
    }
    for (let y = 0; y < height; y++) {
      // A row at a time, so that it stays near the processor while all weights pass over it.
      const begin = y * width * channels + first, row = y * g.rows.stride * atX.length;
      for (let x = 0, to = begin; x < width; x++, to += channels) line[x] = response[to];
      addTaps(line, padded, taps, row, sx);
      for (let x = 0, to = begin; x < width; x++, to += channels) response[to] = line[x];
    }
  }
  let low = Infinity, high = -Infinity;
  const { divisor, bias, range } = recipe;
  for (let k = 0; k < response.length; k++) {
    const r = response[k] / divisor + bias;
    response[k] = r;
    if (r < low) low = r;
    if (r > high) high = r;
  }
  [low, high] = [Math.fround(low), Math.fround(high)];
  const pixels = new Uint8ClampedArray(response.length); // it rounds half to even, and saturates
  if (range === "clip") pixels.set(response);
  else if (range === "abs") for (let k = 0; k < response.length; k++) pixels[k] = Math.abs(response[k]);
  else for (let k = 0; k < response.length; k++) pixels[k] = mapped(response[k], recipe, low, high);
  return { width, height, channels, pixels, low, high };
}
