"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const NAMES = { 1: ["gray"], 3: ["red", "green", "blue"] };
const MOST_WEIGHTS = 225, MOST_PIXELS = 1 << 23; // of the padded picture, and of the map
let recipe = structuredClone(data.recipe);
let presetName = data.preset;
let image = null, source = null, result = null;
let at = { x: 0, y: 0 }, zoom = 0;

function plain(v) {
  return Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(7)));
}

// The picture: decoded once, as it was stored.
async function load() {
  const picture = new Image();
  picture.src = data.picture;
  await picture.decode();
  const canvas = $("picture");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const channels = data.channels, n = canvas.width * canvas.height, bytes = new Uint8Array(n * channels);
  for (let i = 0; i < n; i++) for (let c = 0; c < channels; c++) bytes[i * channels + c] = rgba[4 * i + c];
  image = { width: canvas.width, height: canvas.height, channels, data: bytes };
  $("notes").textContent = data.notes;
  $("picture-size").textContent = `${image.width}x${image.height}`;
}

// The map is made beside the page, so that typing stays fluid; the last edit wins.
const worker = makeWorker();
let busy = false, waiting = null, version = 0;

function makeWorker() {
  const code = document.getElementById("arithmetic").textContent + `
    let image = null;
    onmessage = ({ data }) => {
      if (data.image) { image = data.image; return; }
      const result = convolve(image, data.recipe);
      postMessage({ version: data.version, result }, result ? [result.pixels.buffer] : []);
    };`;
  try {
    const made = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    made.onmessage = ({ data: done }) => finish(done.version, done.result);
    return made;
  } catch {
    return null;
  }
}

function request() {
  version += 1;
  document.body.dataset.state = "working";
  source = seen(image, recipe);
  const problem = misfit();
  if (problem) {
    waiting = null;
    return settle(null, problem);
  }
  if (!worker) return settle(convolve(image, recipe), "");
  waiting = { version, recipe: structuredClone(recipe) };
  if (!busy) send();
}

function misfit() {
  // Why there is no map to be made, if there is none.
  const g = geometry(source, recipe);
  for (const [name, a] of [["height", g.rows], ["width", g.columns]]) {
    if (a.output < 1) {
      return `The kernel does not fit: ${name} O = ${a.formula} < 1; pad more, or use a smaller kernel or dilation.`;
    }
  }
  const padded = (g.rows.size + g.rows.before + g.rows.after) * (g.columns.size + g.columns.before + g.columns.after);
  if (padded <= MOST_PIXELS) return "";
  return `With its border the picture would have ${padded.toLocaleString("en")} pixels, and the page can work with ` +
    `${MOST_PIXELS.toLocaleString("en")}; use less padding or dilation.`;
}

function send() {
  busy = true;
  worker.postMessage(waiting);
  waiting = null;
}

function finish(done, made) {
  busy = false;
  if (waiting) return send();
  if (done === version) settle(made, "");
}

function settle(made, problem) {
  result = made;
  $("problem").textContent = problem;
  $("map-size").textContent = made ? `${made.width}x${made.height}` : "";
  if (made) paint();
  document.body.dataset.state = "ready";
}

// Four bytes at a time; every machine that a browser runs on counts them from the low end.
const rgba = (r, g, b) => (r | (g << 8) | (b << 16) | 0xff000000) >>> 0;

function paint() {
  const canvas = $("map");
  canvas.width = result.width;
  canvas.height = result.height;
  const n = result.width * result.height, out = new ImageData(result.width, result.height);
  const words = new Uint32Array(out.data.buffer), p = result.pixels;
  if (result.channels === 3) for (let i = 0; i < n; i++) words[i] = rgba(p[3 * i], p[3 * i + 1], p[3 * i + 2]);
  else for (let i = 0; i < n; i++) words[i] = rgba(p[i], p[i], p[i]);
  canvas.getContext("2d", { willReadFrequently: true }).putImageData(out, 0, 0);
  resize();
  point(at.x, at.y);
}

// Zoom: whole screen pixels from 1x on, so that a pixel is a square.
function scale() {
  if (zoom > 0) return zoom;
  const wide = $("picture-view").parentElement.clientWidth - 4, high = Math.min(0.56 * innerHeight, 544) - 4;
  const most = Math.min(wide / image.width, high / image.height);
  return most >= 1 ? Math.min(Math.floor(most), 32) : most;
}

function resize() {
  for (const id of ["picture", "map"]) {
    $(id).style.width = `${$(id).width * scale()}px`;
    $(id).style.height = `${$(id).height * scale()}px`;
  }
  place();
}

function place() {
  if (!result) return;
  const s = scale(), g = geometry(source, recipe);
  const top = at.y * g.rows.stride - g.rows.before, left = at.x * g.columns.stride - g.columns.before;
  const tall = g.rows.dilation * (g.rows.kernel - 1) + 1, wide = g.columns.dilation * (g.columns.kernel - 1) + 1;
  Object.assign($("window").style, { left: `${left * s}px`, top: `${top * s}px`, width: `${wide * s}px`, height: `${tall * s}px` });
  $("window").classList.toggle("small", Math.max(tall, wide) * s < 16);
  $("cell").classList.toggle("small", s < 16);
  Object.assign($("cell").style, { left: `${at.x * s}px`, top: `${at.y * s}px`, width: `${s}px`, height: `${s}px` });
}

// One pixel of the map.
function point(x, y) {
  if (!result) return;
  at = { x: Math.min(Math.max(x, 0), result.width - 1), y: Math.min(Math.max(y, 0), result.height - 1) };
  place();
  const { windows } = look(source, recipe, at.x, at.y);
  const known = source === image ? NAMES[source.channels] : ["luma"];
  const columns = recipe.weights[0][0].length, one = summed(source, recipe);
  const boxes = windows.map((w, c) => drawWindow(known[c], w, columns));
  const told = one ? [tell("sum", windows)] : windows.map((w, c) => tell(known[c], [w]));
  if (!one) boxes.forEach((box, c) => box.lastChild.append(told[c]));
  $("windows").replaceChildren(...boxes);
  $("steps").replaceChildren(...(one ? told : []));
  $("where").textContent = `Pixel ${at.x},${at.y}: ${told.map((t) => `${t.dataset.channel} ${t.dataset.pixel}`).join(", ")}`;
}

function drawWindow(name, w, columns) {
  const box = document.createElement("div");
  box.className = "window";
  const title = document.createElement("strong");
  title.textContent = name;
  const grids = document.createElement("div");
  grids.className = "grids";
  const products = w.values.map((v, k) => v * w.weights[k]);
  const sign = (v) => (v > 0 ? "more" : v < 0 ? "less" : "none");
  if (w.values.length <= MOST_WEIGHTS) {
    grids.append(
      grid("patch", w.values, columns, (v, k) => [w.padded[k] ? "padded" : "", v]),
      grid("kernel", w.weights, columns, (v) => [sign(v)]),
      grid("products", products, columns, (v) => [sign(v)]),
    );
  } else {
    grids.textContent = `${w.values.length} products`;
  }
  box.append(title, grids);
  return box;
}

function grid(caption, values, columns, style) {
  const table = document.createElement("table");
  table.createCaption().textContent = caption;
  for (let k = 0; k < values.length; k += columns) {
    const row = table.insertRow();
    for (let j = 0; j < columns; j++) {
      const cell = row.insertCell(), value = values[k + j];
      const [name, level] = style(value, k + j);
      cell.textContent = Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
      cell.title = plain(value);
      cell.className = name;
      if (level !== undefined) {
        cell.style.background = `rgb(${level},${level},${level})`;
        cell.style.color = level > 120 ? "#000" : "#fff";
      }
    }
  }
  return table;
}

function tell(name, group) {
  const total = group.reduce((sum, w) => sum + w.total, 0);
  const r = total / recipe.divisor + recipe.bias, lines = [];
  const terms = group.length > 1 ? group.map((w) => w.total)
    : group[0].values.map((v, k) => v * group[0].weights[k]).filter((p) => p !== 0);
  lines.push(terms.length > 1 && terms.length <= 9
    ? `sum ${terms.map((t, i) => (i ? (t < 0 ? ` - ${plain(-t)}` : ` + ${plain(t)}`) : plain(t))).join("")} = ${plain(total)}`
    : `sum ${plain(total)}`);
  if (recipe.divisor !== 1 || recipe.bias !== 0) {
    lines.push(`response ${plain(total)} / ${plain(recipe.divisor)} + ${plain(recipe.bias)} = ${plain(r)}`);
  }
  const m = mapped(r, recipe, result.low, result.high);
  if (recipe.range === "abs") lines.push(`abs |${plain(r)}| = ${plain(m)}`);
  if (recipe.range === "offset") lines.push(`offset ${plain(r)} + 128 = ${plain(m)}`);
  if (recipe.range === "normalize") {
    lines.push(`normalize (${plain(r)} - ${plain(result.low)}) / (${plain(result.high)} - ${plain(result.low)}) * 255 = ${plain(m)}`);
  }
  const rounded = halfToEven(m), pixel = toPixel(r, recipe, result.low, result.high);
  if (rounded !== m) lines.push(`round ${plain(m)} half to even = ${plain(rounded)}`);
  if (pixel !== rounded) lines.push(`saturate ${plain(rounded)} to 0..255 = ${pixel}`);
  const box = document.createElement("div");
  box.className = "told";
  box.dataset.channel = name;
  box.dataset.response = String(r);
  box.dataset.pixel = String(pixel);
  for (const line of lines) box.append(line, document.createElement("br"));
  const end = document.createElement("b");
  end.textContent = `${name}: pixel ${pixel}`;
  box.append(end);
  return box;
}

// The controls: state to fields, fields to state.
function show() {
  const kh = recipe.weights[0].length, kw = recipe.weights[0][0].length;
  const fields = {
    rows: kh, columns: kw, divisor: recipe.divisor, bias: recipe.bias, range: recipe.range, channels: recipe.channels,
    "stride-y": recipe.stride[0], "stride-x": recipe.stride[1], "dilation-y": recipe.dilation[0],
    "dilation-x": recipe.dilation[1], padding: Array.isArray(recipe.padding) ? "sides" : recipe.padding,
    mode: recipe.mode, value: recipe.value,
  };
  for (const [id, value] of Object.entries(fields)) if (document.activeElement !== $(id)) $(id).value = value;
  const sides = Array.isArray(recipe.padding) ? recipe.padding : [0, 0, 0, 0];
  sides.forEach((side, k) => { if (document.activeElement !== $(`pad-${k}`)) $(`pad-${k}`).value = side; });
  $("sides").hidden = !Array.isArray(recipe.padding);
  $("value-label").hidden = recipe.mode !== "constant";
  $("preset").value = presetName ?? "";
  $("channels").disabled = recipe.weights.length > 1;
  drawWeights();
}

function drawWeights() {
  const box = $("weights"), kh = recipe.weights[0].length, kw = recipe.weights[0][0].length;
  if (kh * kw > MOST_WEIGHTS) {
    box.textContent = `${kw}x${kh} weights: too many to edit by hand.`;
    return;
  }
  const key = `${recipe.weights.length}/${kh}/${kw}`;
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    box.replaceChildren(...recipe.weights.map((plane, p) => {
      const div = document.createElement("div");
      div.className = "plane";
      div.style.gridTemplateColumns = `repeat(${kw}, auto)`;
      plane.forEach((row, i) => row.forEach((_, j) => {
        const input = document.createElement("input");
        Object.assign(input, { type: "number", step: "any", id: `w-${p}-${i}-${j}` });
        const which = recipe.weights.length > 1 ? `${NAMES[3][p]}, ` : "";
        input.setAttribute("aria-label", `Weight, ${which}row ${i + 1}, column ${j + 1}`);
        input.addEventListener("input", () => edit(input, (v) => { recipe.weights[p][i][j] = v; presetName = null; }));
        div.append(input);
      }));
      return div;
    }));
  }
  recipe.weights.forEach((plane, p) => plane.forEach((row, i) => row.forEach((w, j) => {
    const input = $(`w-${p}-${i}-${j}`);
    if (document.activeElement !== input) input.value = w;
  })));
}

function edit(input, take, valid = Number.isFinite) {
  const value = input.value.trim() === "" ? NaN : Number(input.value);
  const fine = valid(value);
  input.setAttribute("aria-invalid", String(!fine));
  if (!fine) return;
  take(value);
  update();
}

function update() {
  show();
  const look = { ...image, channels: recipe.channels === "gray" ? 1 : image.channels };
  const g = geometry(look, recipe);
  for (const [id, name, a] of [["formula-width", "width", g.columns], ["formula-height", "height", g.rows]]) {
    $(id).textContent = `${name} O = ${a.formula} = ${a.output < 1 ? "does not fit" : a.output}`;
  }
  $("command").textContent = commandLine();
  $("yaml").textContent = yaml();
  $("torch").textContent = torch();
  request();
}

const whole = (least, most = Infinity) => (v) => Number.isInteger(v) && v >= least && v <= most;

function bind() {
  const number = (id, take, valid) => $(id).addEventListener("input", () => edit($(id), take, valid));
  number("divisor", (v) => { recipe.divisor = v; presetName = null; }, (v) => Number.isFinite(v) && v !== 0);
  number("bias", (v) => { recipe.bias = v; presetName = null; });
  number("stride-y", (v) => { recipe.stride[0] = v; }, whole(1));
  number("stride-x", (v) => { recipe.stride[1] = v; }, whole(1));
  number("dilation-y", (v) => { recipe.dilation[0] = v; }, whole(1));
  number("dilation-x", (v) => { recipe.dilation[1] = v; }, whole(1));
  number("value", (v) => { recipe.value = v; });
  number("rows", (v) => reshape(v, recipe.weights[0][0].length), whole(1, 15));
  number("columns", (v) => reshape(recipe.weights[0].length, v), whole(1, 15));
  for (let k = 0; k < 4; k++) number(`pad-${k}`, (v) => { recipe.padding[k] = v; }, whole(0, 4096));
  const choose = (id, take) => $(id).addEventListener("change", () => { take($(id).value); update(); });
  choose("range", (v) => { recipe.range = v; });
  choose("channels", (v) => { recipe.channels = v; });
  choose("mode", (v) => { recipe.mode = v; });
  choose("padding", (v) => {
    const g = geometry(source, recipe);
    recipe.padding = v === "sides" ? [g.rows.before, g.rows.after, g.columns.before, g.columns.after] : v;
  });
  choose("preset", (name) => {
    const preset = data.presets.find((p) => p.name === name);
    if (!preset) return;
    presetName = name;
    Object.assign(recipe, structuredClone({
      weights: preset.weights, divisor: preset.divisor, bias: preset.bias, range: preset.range,
    }));
    if (preset.weights.length > 1) recipe.channels = "sum";
  });
  $("flip").addEventListener("click", () => {
    recipe.weights = recipe.weights.map((plane) => plane.map((row) => [...row].reverse()).reverse());
    presetName = null;
    update();
  });
  $("zoom").addEventListener("change", () => { zoom = Number($("zoom").value); resize(); follow(); });
  $("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button.dataset.copy));
  }
  const map = $("map-view");
  const hover = (event) => {
    const box = $("map").getBoundingClientRect();
    if (event.clientX < box.left || event.clientY < box.top || event.clientX >= box.right || event.clientY >= box.bottom) return;
    point(Math.floor((event.clientX - box.left) / scale()), Math.floor((event.clientY - box.top) / scale()));
  };
  map.addEventListener("pointermove", hover);
  map.addEventListener("pointerdown", hover);
  map.addEventListener("keydown", keys);
  addEventListener("resize", resize);
}

function keys(event) {
  const step = event.shiftKey ? 10 : 1;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  const move = moves[event.key];
  if (move) {
    point(at.x + move[0], at.y + move[1]);
    follow();
  } else if (event.key === "+" || event.key === "-") {
    const options = [...$("zoom").options].map((o) => o.value);
    const next = options.indexOf($("zoom").value) + (event.key === "+" ? 1 : -1);
    $("zoom").value = options[Math.min(Math.max(next, 0), options.length - 1)];
    $("zoom").dispatchEvent(new Event("change"));
  } else {
    return;
  }
  event.preventDefault();
}

function follow() {
  // Scroll both views so that what is marked is in sight.
  for (const [view, mark] of [["map-view", "cell"], ["picture-view", "window"]]) {
    const v = $(view), m = $(mark);
    const hidden = m.offsetLeft < v.scrollLeft || m.offsetLeft + m.offsetWidth > v.scrollLeft + v.clientWidth ||
      m.offsetTop < v.scrollTop || m.offsetTop + m.offsetHeight > v.scrollTop + v.clientHeight;
    if (hidden) {
      v.scrollTo(m.offsetLeft + (m.offsetWidth - v.clientWidth) / 2, m.offsetTop + (m.offsetHeight - v.clientHeight) / 2);
    }
  }
}

function reshape(rows, columns) {
  // Keep the weights in the middle where they are; new ones are zero.
  recipe.weights = recipe.weights.map((plane) => {
    const down = Math.floor((rows - plane.length) / 2), right = Math.floor((columns - plane[0].length) / 2);
    return Array.from({ length: rows }, (_, i) =>
      Array.from({ length: columns }, (_, j) => plane[i - down]?.[j - right] ?? 0));
  });
  presetName = null;
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
}

async function copy(id) {
  try {
    await navigator.clipboard.writeText($(id).textContent);
    $("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren($(id));
    $("copied").textContent = "Selected; copy it with Ctrl+C.";
  }
}

// The same recipe in other words.
function commandLine() {
  const preset = data.presets.find((p) => p.name === presetName);
  const rows = recipe.weights[0].map((row) => row.map(String).join(" ")).join("; ");
  const deep = recipe.weights.length > 1;
  const spec = preset ? preset.name : deep ? "my-kernel.yaml" : `"${rows}${recipe.divisor === 1 ? "" : ` / ${recipe.divisor}`}"`;
  const words = ["convcli apply", `-k ${spec}`];
  if (!preset && !deep && recipe.bias !== 0) words.push(`--bias ${recipe.bias}`);
  const both = ([y, x]) => (y === x ? y : `${y},${x}`);
  if (both(recipe.stride) !== 1) words.push(`--stride ${both(recipe.stride)}`);
  if (both(recipe.dilation) !== 1) words.push(`--dilation ${both(recipe.dilation)}`);
  if (recipe.padding !== "same") words.push(`--padding ${recipe.padding}`);
  if (recipe.mode !== "zeros") words.push(`--padding-mode ${recipe.mode}`);
  if (recipe.mode === "constant") words.push(`--padding-value ${recipe.value}`);
  if (recipe.channels !== "each" && !deep) words.push(`--channels ${recipe.channels}`);
  if (data.alpha) words.push("--alpha keep");
  words.push(`--range ${recipe.range}`, data.input, "output.png");
  return words.join(" ");
}

function yaml() {
  const grid = (plane, indent) => plane.map((row) => `${indent}- [${row.join(", ")}]`).join("\n");
  const deep = recipe.weights.length > 1;
  const weights = deep
    ? recipe.weights.map((plane) => `  -\n${grid(plane, "    ")}`).join("\n")
    : grid(recipe.weights[0], "  ");
  return `name: my-kernel\ndescription: Made on the page of convcli explain.\nweights:\n${weights}\n` +
    `divisor: ${recipe.divisor}\nbias: ${recipe.bias}\nrange: ${recipe.range}\n`;
}

function torch() {
  const g = geometry(image, recipe), deep = recipe.weights.length > 1;
  if (recipe.mode === "symmetric") return "# PyTorch has no padding that repeats the edge pixel in a mirror.";
  const n = recipe.channels === "gray" ? 1 : image.channels, one = summed(image, recipe) && recipe.channels !== "gray";
  const sides = [g.columns.before, g.columns.after, g.rows.before, g.rows.after];
  const mode = { zeros: "mode='constant'", constant: `mode='constant', value=${recipe.value}` }[recipe.mode] ?? `mode='${recipe.mode}'`;
  const weights = JSON.stringify(deep ? recipe.weights : recipe.weights[0]);
  const shape = deep ? "[None]" : one ? `.expand(1, ${n}, -1, -1)` : `.expand(${n}, 1, -1, -1)`;
  const kind = recipe.channels === "gray" ? "the luma" : "the picture";
  return "import torch\n" +
    `# x: ${kind}, float64, (1, ${n}, H, W), 0..255; y: the responses\n` +
    `w = torch.tensor(${weights}, dtype=torch.float64)${shape}\n` +
    `y = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (${sides.join(", ")}), ${mode}), w, ` +
    `stride=(${recipe.stride.join(", ")}), dilation=(${recipe.dilation.join(", ")})` +
    `${one || n === 1 ? "" : `, groups=${n}`}) / ${recipe.divisor} + ${recipe.bias}`;
}

async function start() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  await load();
  if (worker) worker.postMessage({ image });
  const own = new Option("(own weights)", "");
  $("preset").append(own, ...data.presets.map((p) => new Option(p.name, p.name)));
  source = seen(image, recipe);
  at = { ...data.at };
  bind();
  update();
}

start();
