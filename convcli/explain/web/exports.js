// The same recipe in other words.
function commandLine() {
  const preset = data.presets.find((p) => p.name === presetName);
  const rows = recipe.weights[0].map((row) => row.map(String).join(" ")).join("; ");
  const deep = recipe.weights.length > 1;
  const spec = preset?.spec ? preset.spec : deep ? "my-kernel.yaml" : `"${rows}${recipe.divisor === 1 ? "" : ` / ${recipe.divisor}`}"`;
  const words = ["convcli apply", `-k ${spec}`];
  if (!preset?.spec && !deep && recipe.bias !== 0) words.push(`--bias ${recipe.bias}`);
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
