"use strict";
// The two views: the picture with its padding and the map, the kernel's place on both, and how it is moved.
const WASH = [0, 114, 178]; // padding is tinted: it is no part of the picture
const TAPS = 5, DIGITS = 26, BADGES = 40; // the least scales at which cells are outlined, and get numbers and weights
let at = { x: 0, y: 0 }, zoom = 0, held = false, sliding = 0, painted = "";
let s = 1; // the side of a pixel on the screen, for both

// Four bytes at a time; every machine that a browser runs on counts them from the low end.
const rgba = (r, g, b) => (r | (g << 8) | (b << 16) | 0xff000000) >>> 0;

function paintMap() {
  const canvas = $("map"), n = result.width * result.height, p = result.pixels;
  canvas.width = result.width;
  canvas.height = result.height;
  const out = new ImageData(result.width, result.height), words = new Uint32Array(out.data.buffer);
  if (result.channels === 3) for (let i = 0; i < n; i++) words[i] = rgba(p[3 * i], p[3 * i + 1], p[3 * i + 2]);
  else for (let i = 0; i < n; i++) words[i] = rgba(p[i], p[i], p[i]);
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(out, 0, 0);
}

function paintPicture() {
  // The picture as the kernel meets it: its luma where that is what is filtered, with the border around it.
  const g = geometry(source, recipe), { before: top, after: bottom } = g.rows, { before: left, after: right } = g.columns;
  const constant = recipe.mode === "constant" ? recipe.value : 0;
  const key = [source.channels, top, bottom, left, right, recipe.mode, constant].join();
  if (key === painted) return;
  painted = key;
  const canvas = $("picture"), n = source.channels, d = source.data;
  canvas.width = source.width + left + right;
  canvas.height = source.height + top + bottom;
  const out = new ImageData(canvas.width, canvas.height), words = new Uint32Array(out.data.buffer);
  const atX = Int32Array.from({ length: canvas.width }, (_, x) => border(x - left, source.width, recipe.mode));
  const mix = (v, c) => Math.round(0.55 * v + 0.45 * WASH[c]);
  for (let y = 0, k = 0; y < canvas.height; y++) {
    const row = border(y - top, source.height, recipe.mode), outside = y < top || y >= top + source.height;
    for (let x = 0; x < canvas.width; x++, k++) {
      const from = (row * source.width + atX[x]) * n, nothing = row < 0 || atX[x] < 0;
      const r = nothing ? constant : d[from], v = nothing ? constant : d[from + (n > 1 ? 1 : 0)];
      const b = nothing ? constant : d[from + (n > 1 ? 2 : 0)];
      words[k] = outside || x < left || x >= left + source.width ? rgba(mix(r, 0), mix(v, 1), mix(b, 2)) : rgba(r, v, b);
    }
  }
  canvas.getContext("2d").putImageData(out, 0, 0);
}

// Whole screen pixels from 1x on, so that a pixel is a square; the same for both views, so that a stride is seen.
function scale() {
  if (zoom > 0) return zoom;
  const wide = $("picture-view").parentElement.clientWidth - 2, high = 0.5 * innerHeight;
  const most = Math.min(wide / Math.max($("picture").width, $("map").width),
    high / Math.max($("picture").height, $("map").height));
  return most >= 1 ? Math.min(Math.floor(most), 64) : most;
}

function resize() {
  s = scale();
  for (const id of ["picture", "map"]) {
    const canvas = $(id), view = $(`${id}-view`);
    canvas.style.width = `${canvas.width * s}px`;
    canvas.style.height = `${canvas.height * s}px`;
    canvas.style.imageRendering = s < 1 ? "auto" : "pixelated";
    view.classList.toggle("whole", zoom === 0);
  }
  place();
}

function put(id, x, y, wide, tall) {
  Object.assign($(id).style, { left: `${x * s}px`, top: `${y * s}px`, width: `${wide * s}px`, height: `${tall * s}px` });
  $(id).classList.toggle("small", id !== "edge" && Math.max(wide, tall) * s < 16);
}

function place() {
  if (!result) return;
  const { rows, columns } = geometry(source, recipe);
  put("edge", columns.before, rows.before, source.width, source.height);
  put("window", at.x * columns.stride, at.y * rows.stride, reach(columns), reach(rows));
  put("cell", at.x, at.y, 1, 1);
  write("picture", pictureInk);
  write("map", mapInk);
}

const reach = (a) => a.dilation * (a.kernel - 1) + 1;

function write(id, draw) {
  // Numbers and weights over the cells in sight, on a canvas as large as the view, in the screen's own pixels.
  const view = $(`${id}-view`), stack = $(`${id}-stack`), canvas = $(`${id}-ink`), dots = devicePixelRatio;
  canvas.hidden = s < (id === "map" ? DIGITS : TAPS);
  if (canvas.hidden) return;
  const { scrollLeft: left, scrollTop: top } = view;
  const wide = Math.min(view.clientWidth, stack.clientWidth - left), tall = Math.min(view.clientHeight, stack.clientHeight - top);
  canvas.width = Math.max(wide, 1) * dots;
  canvas.height = Math.max(tall, 1) * dots;
  Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${wide}px`, height: `${tall}px` });
  const pen = canvas.getContext("2d");
  pen.setTransform(dots, 0, 0, dots, -left * dots, -top * dots);
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  const inSight = (from, length, count) =>
    [Math.max(Math.floor(from / s), 0), Math.min(Math.ceil((from + length) / s), count)];
  draw(pen, inSight(left, wide, $(id).width), inSight(top, tall, $(id).height));
}

function digits(pen, x, y, values, lift) {
  // One number, or three below each other, in the ink that shows on it.
  const lines = values.length > 1 && s < BADGES ? [] : values, size = lines.length > 1 ? 0.24 * s : 0.36 * s;
  pen.font = `${size}px system-ui, sans-serif`;
  pen.fillStyle = values.reduce((sum, v) => sum + v, 0) / values.length > 127 ? "#000" : "#fff";
  lines.forEach((v, k) => {
    pen.fillText(v, (x + 0.5) * s, (y + 0.5 - (lift ? 0.14 : 0)) * s + (k - (lines.length - 1) / 2) * 1.1 * size, 0.94 * s);
  });
}

function pictureInk(pen, [x0, x1], [y0, y1]) {
  const { rows, columns } = geometry(source, recipe), taps = new Set(), plane = recipe.weights[0];
  const top = at.y * rows.stride, left = at.x * columns.stride;
  const badges = s >= BADGES && source.channels === 1;
  for (let i = 0; i < rows.kernel; i++) {
    for (let j = 0; j < columns.kernel; j++) taps.add(`${left + j * columns.dilation},${top + i * rows.dilation}`);
  }
  if (s >= DIGITS) {
    const constant = recipe.mode === "constant" ? recipe.value : 0;
    for (let y = y0; y < y1; y++) {
      const row = border(y - rows.before, source.height, recipe.mode);
      for (let x = x0; x < x1; x++) {
        const column = border(x - columns.before, source.width, recipe.mode);
        const from = (row * source.width + column) * source.channels;
        const values = Array.from({ length: source.channels },
          (_, c) => (row < 0 || column < 0 ? constant : source.data[from + c]));
        digits(pen, x, y, values, badges && taps.has(`${x},${y}`));
      }
    }
  }
  pen.strokeStyle = "#d55e00";
  pen.lineWidth = s < 16 ? 1 : 2;
  for (let i = 0; i < rows.kernel; i++) {
    for (let j = 0; j < columns.kernel; j++) {
      const x = (left + j * columns.dilation) * s, y = (top + i * rows.dilation) * s;
      pen.strokeRect(x + 0.5, y + 0.5, s - 1, s - 1);
      if (!badges) continue;
      const words = `×${short(plane[i][j])}`;
      pen.font = `${Math.min(0.25 * s, 13)}px system-ui, sans-serif`;
      const wide = Math.min(pen.measureText(words).width + 6, s - 2), tall = 0.31 * s;
      pen.fillStyle = "#b84a00";
      pen.fillRect(x + s - 1 - wide, y + s - 1 - tall, wide, tall);
      pen.fillStyle = "#fff";
      pen.fillText(words, x + s - 1 - wide / 2, y + s - 0.5 - tall / 2, wide - 4);
    }
  }
}

function mapInk(pen, [x0, x1], [y0, y1]) {
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const from = (y * result.width + x) * result.channels;
      digits(pen, x, y, Array.from(result.pixels.subarray(from, from + result.channels)), false);
    }
  }
}

// Pointing, keys, and the kernel that moves by itself.
function pointed(event, id) {
  // The pixel of the map that is pointed at, itself or through the place on the picture that its kernel is over.
  const box = $(id).getBoundingClientRect();
  if (event.clientX < box.left || event.clientY < box.top || event.clientX >= box.right || event.clientY >= box.bottom) return;
  const x = Math.floor((event.clientX - box.left) / s), y = Math.floor((event.clientY - box.top) / s);
  if (id === "map") return point(x, y), follow("picture");
  const { rows, columns } = geometry(source, recipe);
  const middle = (place, a) => Math.round((place - (reach(a) - 1) / 2) / a.stride);
  point(middle(x, columns), middle(y, rows));
  follow("map");
}

function hold(on) {
  held = on;
  $("held").textContent = held ? "The pixel is held; click again to let go."
    : "Point at the map or at the picture; click to hold a pixel.";
}

function slide(on) {
  clearInterval(sliding);
  sliding = on ? setInterval(step, 1000 / Number($("speed").value)) : 0;
  $("slide").setAttribute("aria-pressed", String(on));
  $("where").setAttribute("aria-live", on ? "off" : "polite"); // a voice could not follow
}

function step() {
  if (!result) return;
  const next = (at.y * result.width + at.x + 1) % (result.width * result.height);
  point(next % result.width, Math.floor(next / result.width));
  follow("picture", "map");
}

function follow(...ids) {
  // Scroll so that what is marked is in sight; all of it is, where the views fit.
  if (zoom === 0) return;
  for (const id of ids) {
    const v = $(`${id}-view`), m = $(id === "map" ? "cell" : "window");
    const hidden = m.offsetLeft < v.scrollLeft || m.offsetLeft + m.offsetWidth > v.scrollLeft + v.clientWidth ||
      m.offsetTop < v.scrollTop || m.offsetTop + m.offsetHeight > v.scrollTop + v.clientHeight;
    if (!hidden) continue;
    v.scrollTo(m.offsetLeft + (m.offsetWidth - v.clientWidth) / 2, m.offsetTop + (m.offsetHeight - v.clientHeight) / 2);
  }
}

function keys(event) {
  const far = event.shiftKey ? 10 : 1;
  const moves = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
  const move = moves[event.key];
  if (move) {
    point(at.x + move[0], at.y + move[1]);
    follow("picture", "map");
  } else if (event.key === "+" || event.key === "-") {
    const select = $("zoom"), next = select.selectedIndex + (event.key === "+" ? 1 : -1);
    select.selectedIndex = Math.min(Math.max(next, 0), select.options.length - 1);
    select.dispatchEvent(new Event("change"));
  } else if (event.key === " ") slide(!sliding);
  else if (event.key === "Enter") hold(!held);
  else if (event.key === "Escape") hold(false);
  else return;
  event.preventDefault();
}

function bindViews() {
  for (const id of ["picture", "map"]) {
    const view = $(`${id}-view`);
    const move = (event) => { if (!held && !sliding) pointed(event, id); };
    view.addEventListener("pointermove", move);
    view.addEventListener("pointerdown", (event) => { if (event.pointerType !== "mouse") pointed(event, id); });
    view.addEventListener("click", (event) => {
      if (event.pointerType !== "mouse") return;
      slide(false);
      if (!held) pointed(event, id);
      hold(!held);
    });
    view.addEventListener("keydown", keys);
    view.addEventListener("scroll", place);
  }
  $("zoom").addEventListener("change", () => { zoom = Number($("zoom").value); resize(); follow("picture", "map"); });
  $("slide").addEventListener("click", () => slide(!sliding));
  $("speed").addEventListener("change", () => slide(sliding !== 0));
  addEventListener("resize", resize);
  hold(false);
}
