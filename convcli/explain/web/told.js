// One pixel of the map in numbers: the patch under the kernel, the products, the sum, and what becomes of it.
const MOST_WEIGHTS = 225;

function plain(v) {
  return Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(7)));
}

const short = (v) => (Number.isInteger(v) ? String(v) : String(Number(v.toPrecision(4))));
const signed = (v) => (v < 0 ? `(${plain(v)})` : plain(v));

function point(x, y) {
  if (!result) return;
  at = { x: Math.min(Math.max(x, 0), result.width - 1), y: Math.min(Math.max(y, 0), result.height - 1) };
  place();
  const { windows } = look(source, recipe, at.x, at.y);
  const known = source === image ? NAMES[source.channels] : ["luma"];
  const columns = recipe.weights[0][0].length, one = summed(source, recipe);
  const boxes = windows.map((w, c) => drawWindow(known[c], w, columns));
  const told = one ? [tell("sum", windows, 0)] : windows.map((w, c) => tell(known[c], [w], c));
  boxes.forEach((box, c) => box.lastChild.append(one ? share(windows[c]) : told[c]));
  $("windows").replaceChildren(...boxes);
  $("steps").replaceChildren(...(one ? told : []));
  $("where").textContent = `Pixel ${at.x},${at.y}: ${told.map((t) => `${t.dataset.channel} ${t.dataset.pixel}`).join(", ")}`;
}

function drawWindow(name, w, columns) {
  const box = document.createElement("div"), title = document.createElement("strong"), grids = document.createElement("div");
  box.className = "window";
  title.textContent = name;
  title.className = name;
  grids.className = columns > 7 ? "grids many" : "grids";
  const products = w.values.map((v, k) => v * w.weights[k]);
  const sign = (v) => (v > 0 ? "more" : v < 0 ? "less" : "none");
  if (w.values.length <= MOST_WEIGHTS) {
    grids.append(
      grid("patch", w.values, columns, (v, k) => [w.padded[k] ? "padded" : "", v]), symbol("×"),
      grid("kernel", w.weights, columns, (v) => [sign(v)]), symbol("="),
      grid("products", products, columns, (v) => [sign(v)]),
    );
  } else {
    grids.textContent = `${w.values.length} products`;
  }
  box.append(title, grids);
  return box;
}

function symbol(words) {
  const made = document.createElement("span");
  made.className = "sign";
  made.textContent = words;
  return made;
}

function grid(name, values, columns, style) {
  const table = document.createElement("table");
  table.setAttribute("aria-label", name);
  for (let k = 0; k < values.length; k += columns) {
    const row = table.insertRow();
    for (let j = 0; j < columns; j++) {
      const cell = row.insertCell(), value = values[k + j];
      const [kind, level] = style(value, k + j);
      cell.textContent = short(value);
      cell.title = plain(value);
      cell.className = kind;
      if (level !== undefined) {
        cell.style.background = `rgb(${level},${level},${level})`;
        cell.style.color = level > 120 ? "#000" : "#fff";
      }
    }
  }
  return table;
}

function sumLine(terms, total) {
  if (terms.length < 2 || terms.length > 9) return `sum ${plain(total)}`;
  const words = terms.map((t, i) => (i ? (t < 0 ? ` - ${plain(-t)}` : ` + ${plain(t)}`) : plain(t)));
  return `sum ${words.join("")} = ${plain(total)}`;
}

const productsOf = (w) => w.values.map((v, k) => v * w.weights[k]).filter((p) => p !== 0);

function share(w) {
  // What one channel adds, where the kernel spans the depth.
  const box = document.createElement("div");
  box.className = "told";
  box.textContent = sumLine(productsOf(w), w.total);
  return box;
}

function tell(name, group, channel) {
  const total = group.reduce((sum, w) => sum + w.total, 0), { divisor, bias, range } = recipe;
  const r = total / divisor + bias;
  const lines = [sumLine(group.length > 1 ? group.map((w) => w.total) : productsOf(group[0]), total)];
  if (divisor !== 1 || bias !== 0) {
    const over = divisor === 1 ? plain(total) : `${plain(total)} / ${signed(divisor)}`;
    lines.push(`response ${over}${bias ? ` + ${signed(bias)}` : ""} = ${plain(r)}`);
  }
  const { low, high } = result, m = mapped(r, recipe, low, high);
  if (range === "abs") lines.push(`abs |${plain(r)}| = ${plain(m)}`);
  if (range === "offset") lines.push(`offset ${plain(r)} + 128 = ${plain(m)}`);
  if (range === "normalize") {
    lines.push(`normalize (${plain(r)} - ${signed(low)}) / (${plain(high)} - ${signed(low)}) * 255 = ${plain(m)}`);
  }
  const rounded = halfToEven(m), inside = Math.min(Math.max(rounded, 0), 255);
  const pixel = result.pixels[(at.y * result.width + at.x) * result.channels + channel];
  if (rounded !== m) lines.push(`round ${plain(m)} half to even = ${plain(rounded)}`);
  if (inside !== rounded) lines.push(`saturate ${plain(rounded)} to 0..255 = ${inside}`);
  const box = document.createElement("div");
  box.className = group.length > 1 ? "told end" : "told";
  box.dataset.channel = name;
  box.dataset.response = String(r);
  box.dataset.pixel = String(pixel);
  for (const line of lines) box.append(line, document.createElement("br"));
  const end = document.createElement("b");
  end.textContent = `${name}: pixel ${pixel}${pixel === inside ? "" : ", in the engine's arithmetic"}`;
  box.append(end);
  return box;
}
