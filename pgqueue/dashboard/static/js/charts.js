// Draws the table in each [data-chart] as a picture: the table is the text of its chart, and stays behind a key.
const drawn = new Map(); // by element: its picture, what it shows, and how it was made
const DAY = 86400; // seconds
const resized = new ResizeObserver((entries) => { for (const { target } of entries) fit(target.closest("[data-chart]")); });

// A colour of the style as the canvas knows it: what is written in the style may depend on the theme.
function colour(name, within) {
  const probe = document.createElement("span");
  probe.style.color = `var(--${name})`;
  within.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

const faint = (rgb) => rgb.replace("rgb(", "rgba(").replace(")", ", 0.1)");

function read(element) {
  const table = element.querySelector("details table"); // the legend of a picture is a table, too
  const heads = [...table.querySelectorAll("th[data-colour]")];
  const columns = heads.map((head) => ({ name: head.textContent, colour: head.dataset.colour, unit: head.dataset.unit }));
  const rows = [...table.querySelectorAll("tbody tr")];
  const values = [rows.map((row) => Date.parse(row.cells[0].dataset.at) / 1000)];
  for (const index of columns.keys())
    values.push(rows.map((row) => { const text = row.cells[index + 1].dataset.value; return text === "" ? null : Number(text); }));
  const marks = [...element.querySelectorAll(".marks li")].map((mark) => [Date.parse(mark.dataset.at) / 1000, mark.dataset.colour]);
  return { columns, values, marks };
}

// Numbers and durations in the words of the pages, see insight/short.py.
function number(value) {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (value >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return value >= 100 ? Math.round(value).toLocaleString("en") : `${+value.toPrecision(3)}`;
}

function duration(ms) {
  const [name, size] = ms < 1 ? ["µs", 1e-3] : ms < 1e3 ? ["ms", 1] : ms < 1e5 ? ["s", 1e3] : ms < 6e6 ? ["min", 6e4] : ["h", 3.6e6];
  return ms === 0 ? "0" : `${+(ms / size).toPrecision(3)} ${name}`;
}

const words = (value, unit) => (value == null ? "–" : unit === "ms" ? duration(value) : `${number(value)}${unit}`);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const moment = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false });

function times(_, splits, __, ___, step) {
  let before = "";
  return splits.map((at) => {
    const date = day.format(at * 1000), isNew = date !== before && before !== "";
    before = date;
    return step >= DAY || isNew ? date : clock.format(at * 1000);
  });
}

// A value between two gaps has no line to either side: it is drawn as a point.
function alone(chart, series) {
  const values = chart.data[series];
  return [...values.keys()].filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);
}

// Moments as lines down; of each place in the picture one.
function drawMarks(chart, picture) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.lineWidth = uPlot.pxRatio;
  ctx.setLineDash([4 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
  for (const [at, of] of read(picture.closest("[data-chart]")).marks) {
    const x = Math.round(chart.valToPos(at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = colour(of, picture);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

const size = (picture) => ({ width: Math.max(picture.clientWidth, 120), height: 176 });

function options(picture, { columns }) {
  const soft = colour("soft", picture), line = colour("line", picture);
  const unit = columns[0]?.unit ?? "";
  const axis = { stroke: soft, font: "11px sans-serif", grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 } };
  return {
    ...size(picture),
    padding: [8, 20, 0, 0],
    hooks: { draw: [(chart) => drawMarks(chart, picture)] },
    legend: { markers: { width: 2 } },
    cursor: { drag: { x: false, y: false }, points: { size: 6 }, focus: { prox: -1 } },
    scales: { x: { time: true }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
    axes: [
      { ...axis, values: times, space: 64, size: 28 },
      { ...axis, values: (_, splits) => splits.map((value) => words(value, unit)), size: 62, space: 32 },
    ],
    series: [
      { label: "At", value: (_, at) => (at == null ? "–" : moment.format(at * 1000)) },
      ...columns.map(({ name, colour: of, unit: its }, index) => {
        const stroke = colour(of, picture);
        return {
          label: name, stroke, width: 1.5, fill: columns.length > 1 && index > 0 ? undefined : faint(stroke),
          dash: [[], [6, 3], [2, 3]][index % 3], points: { show: true, size: 4, filter: alone, fill: stroke },
          value: (_, value) => words(value, its),
        };
      }),
    ],
  };
}

function destroy(element) {
  const found = drawn.get(element);
  if (!found) return;
  resized.unobserve(found.picture);
  found.chart.destroy();
  drawn.delete(element);
}

function draw(element) {
  const data = read(element), shape = JSON.stringify(data.columns), mark = JSON.stringify([data.values, data.marks]);
  const picture = element.querySelector(".picture"), known = drawn.get(element);
  if (known && (known.shape !== shape || known.picture !== picture || !picture.firstChild)) destroy(element);
  const now = drawn.get(element);
  if (now) {
    if (now.mark !== mark) now.chart.setData(data.values);
    now.mark = mark;
    return;
  }
  picture.replaceChildren();
  const chart = new uPlot(options(picture, data), data.values, picture);
  drawn.set(element, { chart, shape, mark, picture });
  resized.observe(picture);
}

function fit(element) {
  const found = element && drawn.get(element);
  if (found && found.picture.clientWidth && found.chart.width !== size(found.picture).width) found.chart.setSize(size(found.picture));
}

function drawAll() {
  for (const element of [...drawn.keys()]) if (!element.isConnected) destroy(element);
  for (const element of document.querySelectorAll("[data-chart]")) draw(element);
}

function redraw() {
  for (const element of [...drawn.keys()]) destroy(element);
  drawAll();
}

export function start() {
  if (typeof uPlot === "undefined") return;
  document.addEventListener("pgqueue:shown", drawAll);
  document.addEventListener("pgqueue:theme", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  drawAll();
}
