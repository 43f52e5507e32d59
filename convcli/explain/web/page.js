const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const NAMES = { 1: ["gray"], 3: ["red", "green", "blue"] };
const MOST_PIXELS = 1 << 23; // of the padded picture, and of the map
let recipe = structuredClone(data.recipe);
let presetName = data.preset;
let image = null, gray = null, source = null, result = null; // source: what is filtered, the picture or its luma

// The picture: decoded once, as it was stored.
async function load() {
  const picture = new Image();
  picture.src = data.picture;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = picture.naturalWidth;
  canvas.height = picture.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const stored = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const channels = data.channels, n = canvas.width * canvas.height, bytes = new Uint8Array(n * channels);
  for (let i = 0; i < n; i++) for (let c = 0; c < channels; c++) bytes[i * channels + c] = stored[4 * i + c];
  image = { width: canvas.width, height: canvas.height, channels, data: bytes };
  $("notes").textContent = data.notes;
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
  source = recipe.channels === "gray" ? (gray ??= seen(image, recipe)) : image;
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
  $("picture-name").textContent = source === image ? "Picture" : "Picture, luma";
  $("picture-size").textContent = `${image.width}x${image.height}`;
  document.body.dataset.state = "ready";
}

function paint() {
  paintPicture();
  paintMap();
  resize();
  point(at.x, at.y);
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
  const all = recipe.weights.flat(2), greatest = Math.max(...all.map(Math.abs)) || 1;
  const digits = Math.min(Math.max(...all.map((w) => String(w).length)), 7);
  recipe.weights.forEach((plane, p) => plane.forEach((row, i) => row.forEach((w, j) => {
    const input = $(`w-${p}-${i}-${j}`);
    if (document.activeElement !== input) input.value = w;
    input.className = w > 0 ? "more" : w < 0 ? "less" : "";
    input.style.setProperty("--share", String((0.35 * Math.abs(w)) / greatest));
    input.style.width = `max(3rem, ${digits + 1.5}ch)`;
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
  const g = geometry(image, recipe);
  for (const [id, name, a] of [["formula-width", "width", g.columns], ["formula-height", "height", g.rows]]) {
    $(id).textContent = `${name} O = ${a.formula} = ${a.output < 1 ? "does not fit" : a.output}`;
  }
  $("kernel-word").textContent = g.columns.dilation > 1 || g.rows.dilation > 1 ? "(D*(K - 1) + 1)" : "K";
  $("facts").textContent = facts(g);
  $("title").textContent = `${presetName ?? "Own weights"} on ${data.name}`;
  $("command").textContent = commandLine();
  $("yaml").textContent = yaml();
  $("torch").textContent = torch();
  request();
}

function facts({ rows, columns }) {
  // What the geometry means: what is left out, and what sharing the weights saves.
  if (rows.output < 1 || columns.output < 1) return "";
  const left = ({ size, before, after, output, stride, dilation, kernel }) =>
    size + before + after - ((output - 1) * stride + dilation * (kernel - 1) + 1);
  const found = [[left(columns), "column", "right"], [left(rows), "row", "bottom"]].filter(([n]) => n > 0)
    .map(([n, what, where]) => `No kernel position covers the last ${n === 1 ? what : `${n} ${what}s`} at the ${where}.`);
  const planes = recipe.channels === "gray" ? 1 : image.channels, one = planes === 1 || summed(image, recipe);
  const weights = recipe.weights.flat(2).length, outputs = rows.output * columns.output * (one ? 1 : planes);
  const uses = outputs * (recipe.weights.length === 1 && one ? planes : 1), number = (n) => n.toLocaleString("en");
  found.push(`${number(weights)} weights, each used ${number(uses)} times; a dense layer for the same map would have ` +
    `${number(outputs * image.width * image.height * planes)}.`);
  return found.join(" ");
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
    const g = geometry(image, recipe);
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
  $("reset").addEventListener("click", () => {
    recipe = structuredClone(data.recipe);
    presetName = data.preset;
    update();
  });
  $("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copy(button.dataset.copy));
  }
  bindViews();
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

async function start() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  await load();
  if (worker) worker.postMessage({ image });
  const own = new Option("(own weights)", "");
  $("preset").append(own, ...data.presets.map((p) => new Option(p.name, p.name)));
  at = { ...data.at };
  bind();
  update();
}

start();
