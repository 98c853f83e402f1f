// Search, filters, sorting, keys, and the pictures of ops that passed, drawn when they are opened.
// The page is complete without it. The drawing functions are those of shapes.py, plots.py,
// graphs.py and tables.py, and give the same markup.
"use strict";
(() => {
const $ = s => document.querySelector(s), $$ = s => [...document.querySelectorAll(s)];
const INK = "#1f2328", MUTED = "#57606a", GRID = "#d0d7de", PAPER = "#fff";
const WRONG = "#d55e00", RIGHT = "#0072b2", OTHER = "#00805d", THIRD = "#a8518a";
const LEVELS = ["#f3f0e3", "#dbe4d2", "#b0d2c8", "#7db3ba", "#4e86a3", "#2f5a86", "#1d2f5e"];
const LEFT = 52, RIGHTMOST = 440, TOP = 10, BOTTOM = 210, DEEPEST = 24, TALL = 40;
const MARKS = ["", "✓ right", "~ spoilt", "✗ wrong"];
const esc = s => String(s).replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);
const nearest = v => Math.floor(v + .5), isInt = v => typeof v === "number";
const least = a => a.reduce((x, y) => Math.min(x, y)), largest = a => a.reduce((x, y) => Math.max(x, y));

// shapes.py
const svg = (w, h, title, desc, body) => `<svg width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" role="img" ` +
  `font-family="system-ui,sans-serif" font-size="11"><title>${esc(title)}</title><desc>${esc(desc)}</desc>${body}</svg>`;
const text = (x, y, words, fill = INK, anchor = "start") =>
  `<text x="${x}" y="${y}" fill="${fill}" text-anchor="${anchor}">${esc(words)}</text>`;
const path = (d, stroke, width = 1, dash = "none") =>
  `<path d="${d}" fill="none" stroke="${stroke}" stroke-width="${width}" stroke-dasharray="${dash}"/>`;
const solid = (d, fill) => `<path d="${d}" fill="${fill}"/>`;
const box = (x, y, w, h, fill, stroke = "none") =>
  `<rect x="${x}" y="${y}" width="${w}" height="${h}" fill="${fill}" stroke="${stroke}"/>`;
const dot = (x, y, stroke, fill) => `<circle cx="${x}" cy="${y}" r="2.5" fill="${fill}" stroke="${stroke}"/>`;
const exponent = p => (p < 0 ? "-" : "+") + String(Math.abs(p)).padStart(2, "0");
const number = size => {
  if (size === null) return "0";
  if (!isInt(size)) return "not finite";
  let power = Math.floor(size / 1000), digits = nearest(10 ** (1 + (size - 1000 * power) / 1000));
  if (digits === 100) { power += 1; digits = 10; }
  return `${Math.floor(digits / 10)}.${digits % 10}e${exponent(power)}`;
};

// plots.py
const curve = c => {
  const h = c.h, own = c.o || [], ink = c.w ? WRONG : RIGHT;
  let seen = [...c.e, ...own, c.b].filter(isInt);
  if (!seen.length) seen = [-16000];
  const every = [...seen, ...[...c.t, ...c.r].filter(isInt)];
  const top = Math.ceil(largest(every) / 1000), low = Math.max(Math.floor(least(seen) / 1000), top - DEEPEST);
  const high = Math.max(top, low + 1);
  const first = Math.floor(least(h) / 1000), last = Math.ceil(largest(h) / 1000);
  const X = s => nearest(LEFT + (s - 1000 * first) * (RIGHTMOST - LEFT) / (1000 * Math.max(last - first, 1)));
  const Y = e => nearest(BOTTOM - (e - 1000 * low) * (BOTTOM - TOP) / (1000 * (high - low)));
  const on = e => isInt(e) && e >= 1000 * low;
  const line = errors => {
    let d = "", pen = "M";
    h.forEach((s, k) => { if (on(errors[k])) { d += `${pen}${X(s)} ${Y(errors[k])}`; pen = "L"; } else pen = "M"; });
    return d || "M0 0";
  };
  let out = "";
  for (let p = low; p <= high; p += Math.ceil((high - low) / 7)) {
    const y = Y(1000 * p);
    out += path(`M${LEFT} ${y}H${RIGHTMOST}`, GRID) + text(LEFT - 6, y + 4, `1e${exponent(p)}`, MUTED, "end");
  }
  for (let p = first; p <= last; p += 2) {
    const x = X(1000 * p);
    out += path(`M${x} ${BOTTOM}v4`, MUTED) + text(x, BOTTOM + 16, `1e${exponent(p)}`, MUTED, "middle");
  }
  out += path(`M${LEFT} ${TOP}V${BOTTOM}H${RIGHTMOST}`, MUTED) + text(RIGHTMOST, BOTTOM + 30, "step size h", MUTED, "end");
  for (const s of c.c) {
    const x = X(Math.min(Math.max(s, least(h)), largest(h)));
    out += path(`M${x} ${TOP}V${BOTTOM}`, INK, 1, "1 3") + solid(`M${x} ${BOTTOM - 7}l4 7h-8z`, INK);
  }
  out += path(line(c.t), OTHER, 1.5, "6 3") + path(line(c.r), THIRD, 1.5, "2 3");
  if (isInt(c.b)) out += path(`M${LEFT} ${Y(c.b)}H${RIGHTMOST}`, MUTED, 1, "10 3 2 3");
  if (own.length) out += path(line(own), MUTED, 1.5);
  out += path(line(c.e), ink, 2);
  h.forEach((s, k) => {
    if (on(c.e[k])) out += dot(X(s), Y(c.e[k]), ink, ink);
    else if (c.e[k] === null) out += dot(X(s), BOTTOM, ink, PAPER);
  });
  if (c.e.includes("inf")) out += text(LEFT + 10, TOP + 14, "not finite", ink);
  [["backward − difference", ink, 2, "none"], ["truncation", OTHER, 1.5, "6 3"], ["bound", MUTED, 1, "10 3 2 3"],
    ["difference's own error", MUTED, 1.5, "none"], ["round-off", THIRD, 1.5, "2 3"], ["chosen steps", INK, 1, "1 3"]
  ].forEach(([words, stroke, width, dash], k) => {
    if (k === 3 && !c.w) return;
    const x = [LEFT, 238, 350][k % 3], y = 260 + 20 * Math.floor(k / 3);
    out += path(`M${x} ${y - 4}h24`, stroke, width, dash) + text(x + 30, y, words, MUTED);
  });
  const finite = c.e.filter(isInt);
  const best = c.e.includes(null) ? "0" : number(finite.length ? least(finite) : c.e[0]);
  const said = c.w
    ? `The backward pass is off by at least ${best} at every step; an error of ${number(c.b)} would have been seen.`
    : `Backward pass and finite difference agree to ${best} at the best step; the bound of the comparison is ${number(c.b)}.`;
  return svg(460, 292, `Error against step size: gradient of ${c.of}`, said, out);
};
const power = l => l === "0" ? "0" : l === "!" ? "inf" : `e${exponent(l.charCodeAt(0) - 115)}`;
const level = l => l === "0" ? -1 : l === "!" ? 6 :
  [-12, -9, -6, -3, -2, 0].filter(p => l.charCodeAt(0) - 115 >= p).length;
const heat = m => {
  const [rows, columns, down, along] = m.n, wrong = new Set(m.w);
  const cell = Math.max(Math.min(34, Math.floor(400 / columns), Math.floor(238 / rows)), 6), half = Math.floor(cell / 2);
  const right = 46 + columns * cell, low = 14 + rows * cell;
  let out = "";
  [...m.e].forEach((l, k) => {
    const x = 46 + k % columns * cell, y = 14 + Math.floor(k / columns) * cell, v = level(l), inner = cell - 4;
    out += box(x, y, cell, cell, v < 0 ? PAPER : LEVELS[v], GRID);
    if (wrong.has(k)) {
      const cross = (cell >= 30 ? `M${x + half - 4} ${y + 4}l8 8m0 -8l-8 8`
        : `M${x + 2} ${y + 2}l${inner} ${inner}m0 ${-inner}l${-inner} ${inner}`);
      out += path(cross, PAPER, 4) + path(cross, WRONG, 2);
    }
    if (cell >= 30) out += text(x + half, y + (wrong.has(k) ? 24 : 21), power(l), v > 3 ? PAPER : INK, "middle");
  });
  for (const k of rows > 1 ? [0, rows - 1] : [0]) out += text(40, 18 + k * cell + half, k * down, MUTED, "end");
  for (const k of columns > 1 ? [0, columns - 1] : [0]) out += text(46 + k * cell + half, 10, k * along, MUTED, "middle");
  const y = low + 14;
  ["0", "<e-12", "e-12", "e-09", "e-06", "e-03", "e-02", "from 1"].forEach((word, k) => {
    const x = [46, 76, 132, 186, 240, 294, 348, 402][k];
    out += box(x, y, 12, 12, k ? LEVELS[k - 1] : PAPER, GRID) + text(x + 16, y + 10, word, MUTED);
  });
  out += path(`M48 ${y + 20}l8 8m0 -8l-8 8`, WRONG, 2) + text(62, y + 28, "beyond its bound: wrong", MUTED);
  const of = `${wrong.size} of ${m.e.length} ${down * along === 1 ? "entries" : "blocks"} are wrong.`;
  return svg(Math.max(right + 10, 460), low + 46, `Relative error by entry: gradient of ${m.of}`, of, out);
};
const decade = name => isInt(name) ? name ? `1e${exponent(name)}` : "from 1" : name === "zero" ? "0" : "inf";
const spread = bins => {
  const wide = Math.max(Math.min(30, Math.floor(400 / bins.length)), 6), most = largest(bins.flatMap(b => [b[1], b[2]]));
  const middle = 118, tall = 84, apart = Math.ceil(44 / wide), word = k => bins[k] && !isInt(bins[k][0]);
  let out = "";
  bins.forEach(([name, errors, limits], k) => {
    const x = 46 + k * wide, mid = x + Math.floor(wide / 2), up = nearest(errors * tall / most), low = nearest(limits * tall / most);
    if (errors) out += box(x + 2, middle - up, wide - 4, up, RIGHT) + text(mid, middle - up - 4, errors, MUTED, "middle");
    if (limits) out += box(x + 2, middle, wide - 4, low, PAPER, MUTED) + text(mid, middle + low + 12, limits, MUTED, "middle");
    if ((k % apart === 0 || word(k)) && !(!word(k) && word(k + 1)) && !(k > 0 && word(k - 1) && wide < 30))
      out += text(mid, 236, decade(name), MUTED, "middle");
  });
  const right = 46 + bins.length * wide, cases = bins.reduce((n, b) => n + b[1], 0);
  out += path(`M46 ${middle}H${right}`, INK);
  out += text(46, 254, "above: errors; below: the smallest errors that would have been seen", MUTED);
  return svg(Math.max(right + 10, 460), 262, "Relative errors over the cases",
    `${cases} inputs and cases, by the power of ten of the largest error; a table follows.`, out);
};

// graphs.py
const node = n => {
  const [x, y, wide] = n.at, verdict = n.v, ink = verdict > 1 ? WRONG : MUTED;
  const [width, dash] = verdict === 3 ? [3, "none"] : verdict === 2 ? [2, "5 3"] : [1, "none"];
  let out = `<g><rect x="${x}" y="${y}" width="${wide}" height="${TALL}" rx="${n.kind === "input" ? 18 : 3}" fill="${PAPER}" ` +
    `stroke="${ink}" stroke-width="${width}" stroke-dasharray="${dash}"/>`;
  out += text(x + 8, y + 17, n.name) + text(x + wide - 6, y + 17, MARKS[verdict].slice(0, 1), ink, "end");
  out += text(x + 8, y + 32, n.by, MUTED);
  if (n.result) out += path(`M${x + wide} ${y + TALL / 2}h8`, MUTED) + text(x + wide + 10, y + TALL / 2 + 4, "result", MUTED);
  const words = [`${n.name}: ${n.by}`, `shape ${n.shape}`, ...n.said.map((v, k) => `${["value", "gradient"][k]} ${v}`)];
  return `${out}<title>${esc([...words, MARKS[verdict]].join("; "))}</title></g>`;
};
const graph = g => {
  const wires = g.wires, draw = (marked, ...how) => wires.filter(w => w[1] === marked).map(w => path(w[0], ...how)).join("");
  let out = draw(0, MUTED) + draw(1, WRONG, 3);
  for (const [d, marked] of wires) {
    const [x, y] = d.split("C").pop().split(" ").slice(-2);
    out += solid(`M${x} ${y}l-8 -4v8z`, marked ? WRONG : MUTED);
  }
  const named = v => g.nodes.filter(n => n.v === v).map(n => n.name).join(", ");
  let desc = `${g.nodes.length} values`;
  if (named(3)) desc += `; wrong: ${named(3)}`;
  if (named(2)) desc += `; spoilt by it: ${named(2)}`;
  const key = MARKS.filter((mark, k) => k && g.nodes.some(n => n.v === k));
  if (wires.some(w => w[1])) key.push("thick: from the mistake to the result");
  out += g.nodes.map(node).join("") + text(10, g.size[1] - 6, key.join(" · "), MUTED);
  return svg(...g.size, "Graph", desc + ".", out);
};

// tables.py
const table = (head, rows) => `<table><thead><tr>${head.map(h => `<th scope=col>${esc(h)}`).join("")}<tbody>` +
  rows.map(([first, ...others]) => `<tr><th scope=row>${esc(first)}${others.map(c => `<td>${esc(c)}`).join("")}`).join("") + "</table>";
const tables = {
  curve: c => table(["h", "backward − difference", "truncation", "round-off", ...(c.o ? ["difference's own error"] : [])],
    c.h.map((s, k) => [c.h, c.e, c.t, c.r, ...(c.o ? [c.o] : [])].map(column => number(column[k])))),
  heat: m => {
    const [rows, columns, down, along] = m.n, wrong = new Set(m.w);
    const words = [...m.e].map((l, k) => (m.v ? number(m.v[k]) : power(l)) + (wrong.has(k) ? " ✗" : ""));
    return table(["row", ...Array.from({length: columns}, (_, k) => k * along)],
      Array.from({length: rows}, (_, k) => [k * down, ...words.slice(k * columns, (k + 1) * columns)]));
  },
  spread: bins => table(["from", "errors", "would have been seen"], bins.map(([name, e, n]) => [decade(name), e, n])),
  graph: g => table(["value", "made by", "shape", "verdict", ...(g.nodes.some(n => n.said.length) ? ["its numbers", "its gradient"] : [])],
    g.nodes.map(n => [n.name, n.by, n.shape, MARKS[n.v], ...n.said])),
};
const met = m => {
  const dtypes = m.c.map(c => c[0]), counts = rows => "<tbody>" + rows.map(([name, ...numbers]) =>
    `<tr><th scope=row>${esc(name)}${numbers.map(n => `<td>${n || "·"}`).join("")}`).join("");
  return "<table><thead><tr><td>" + [...new Set(dtypes)].map(d =>
    `<th scope=colgroup colspan=${dtypes.filter(v => v === d).length}>${esc(d)}`).join("") + "<tr><th scope=col>values" +
    m.c.map(c => `<th scope=col>${esc(c[1])}`).join("") + counts(m.r) +
    `<tr><th scope=col>upstream${"<td>".repeat(m.c.length)}` + counts(m.l) + "</table>";
};

// What is drawn of an op
const PICTURES = [["curve", "Error against step size", curve], ["heat", "Relative error by entry", heat],
  ["spread", "Relative errors over the cases", spread], ["graph", "Graph", graph]];
const scroll = (label, inside) => `<div class="scroll" tabindex="0" role="group" aria-label="${esc(label)}">${inside}</div>`;
const drawn = data => {
  let out = '<div class="pictures">';
  for (const [key, title, draw] of PICTURES) if (data[key])
    out += `<figure class="x-${key}"><figcaption>${title}</figcaption>${scroll(title, draw(data[key]))}` +
      `<details><summary>Values as a table</summary>${scroll(title + ", values", tables[key](data[key]))}</details></figure>`;
  out += "</div>";
  if (data.met) out += `<details><summary>Coverage: cases by values and upstream gradient, over dtypes and shapes</summary>${scroll("Coverage", met(data.met))}</details>`;
  if (data.code) out += '<details open><summary>Source</summary><pre class="code" tabindex="0">' + data.code[1].split("\n").map((l, k) =>
    `${String(data.code[0] + k).padStart(4)}  ${esc(l)}`).join("\n") + "</pre></details>";
  return out;
};
let unpacked;
const data = () => unpacked ||= (async () => {
  const island = $("#data");
  if (!island) return {};
  const bytes = Uint8Array.from(atob(island.textContent), c => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).json();
})();
window.gradcheckReport = {PICTURES, tables, met, data};

document.documentElement.classList.add("js");
const ops = $("#ops"), body = ops.tBodies[0], rows = [...body.rows], q = $("#q");
const opener = row => row.querySelector("th a");
const told = row => document.getElementById(opener(row).hash.slice(1));
const opened = new Map();
const toggle = async row => {
  const link = opener(row), own = told(row);
  link.ariaExpanded = !opened.has(row);
  if (opened.has(row)) { opened.get(row).remove(); opened.delete(row); return; }
  const more = document.createElement("tr"), cell = more.insertCell();
  opened.set(row, more);
  cell.colSpan = row.cells.length;
  cell.className = "more";
  more.className = "open";
  row.after(more);
  const facts = own.lastElementChild.textContent.trimEnd().split("\n").slice(1).map(line => {
    const at = line.indexOf(": ");
    return `<dt>${esc(line.slice(0, at))}<dd>${esc(line.slice(at + 2))}`;
  });
  const words = [...own.children].slice(0, -1).map(e => e.outerHTML).join("") + `<dl>${facts.join("")}</dl>`;
  try { cell.innerHTML = words + drawn((await data())[own.id] || {}); }
  catch (error) { cell.innerHTML = words + `<p>The pictures cannot be unpacked here: ${esc(error)}</p>`; }
};
body.addEventListener("click", event => {
  const link = event.target.closest("th a"), row = link?.closest("tr");
  if (!row || told(row).matches("section") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (!opened.has(row)) history.replaceState(null, "", link.hash);
  toggle(row);
});

const shown = () => rows.filter(row => !row.hidden);
const filter = () => {
  const words = q.value.toLowerCase().split(/\s+/).filter(Boolean), kind = $("input[name=v]:checked").value;
  for (const row of rows) {
    const hidden = kind && !row.classList.contains(kind) || !words.every(w => row.cells[1].textContent.toLowerCase().includes(w));
    if (hidden === row.hidden) continue;
    row.hidden = hidden;
    if (opened.has(row)) opened.get(row).hidden = hidden;
    if (row.matches(".f, .n, .w") && told(row).matches("section")) told(row).hidden = hidden;
  }
  const left = shown().length;
  $("#count").textContent = left === rows.length ? "" : `${left} of ${rows.length} ops`;
  $("#none").hidden = left > 0;
};

const value = (row, k) => {
  const words = row.cells[k].textContent.replaceAll(",", "");
  if (k === 0) return "✗?⚑✓".indexOf(words[0]);
  if (k === 1) return words.toLowerCase();
  return words === "nan" ? Infinity : words === "inf" ? Infinity : words === "-" ? -1 : parseFloat(words);
};
const sort = (k, heads) => {
  const head = heads[k], now = head.ariaSort, next = (k < 2 ? ["ascending", "descending"] : ["descending", "ascending"])[
    now ? +(now === (k < 2 ? "ascending" : "descending")) : 0];
  heads.forEach(h => h.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", next);
  const sign = next === "ascending" ? 1 : -1, keys = new Map(rows.map(row => [row, value(row, k)]));
  rows.sort((a, b) => { const x = keys.get(a), y = keys.get(b); return x === y ? 0 : sign * (x < y ? -1 : 1); });
  body.append(...rows.flatMap(row => opened.has(row) ? [row, opened.get(row)] : [row]));
};
const heads = [...ops.tHead.rows[0].cells];
heads.forEach((head, k) => {
  const button = document.createElement("button");
  button.className = "sort";
  button.type = "button";
  button.textContent = head.textContent;
  button.addEventListener("click", () => sort(k, heads));
  head.replaceChildren(button);
});

const follow = () => {
  const row = location.hash && rows.find(row => opener(row).hash === location.hash);
  if (!row || told(row).matches("section")) return;
  if (!opened.has(row)) toggle(row);
  row.scrollIntoView();
  opener(row).focus({preventScroll: true});
};
const step = (by, among) => {
  const list = among.filter(row => !row.hidden), at = list.findIndex(row => row.contains(document.activeElement));
  const row = list[at < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(at + by, 0), list.length - 1)];
  if (row) { opener(row).focus(); row.scrollIntoView({block: "nearest"}); }
};
const keys = $("#keys");
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || keys.open) return;
  if (event.target === q) { if (event.key === "Escape") { q.value = ""; filter(); q.blur(); } return; }
  const act = {"/": () => q.focus(), j: () => step(1, rows), k: () => step(-1, rows), "?": () => keys.showModal(),
    n: () => step(1, rows.filter(row => !row.classList.contains("p")))}[event.key];
  if (act) { event.preventDefault(); act(); }
});
$("#help").addEventListener("click", () => keys.showModal());
$("#tools").addEventListener("submit", event => event.preventDefault());
$("#tools").addEventListener("input", filter);
for (const row of rows) if (row.matches(".p")) opener(row).ariaExpanded = "false";
$("#tools").hidden = false;
addEventListener("hashchange", follow);
filter();
follow();
})();
