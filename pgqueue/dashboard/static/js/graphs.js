// A graph that is larger than its panel: it begins with its first box in the middle, and can be dragged about.
const GRAPH = ".graph";

function begin(graph) {
  const first = graph.querySelector("a svg");
  if (!first) return;
  const scale = graph.firstElementChild.width.baseVal.value / graph.firstElementChild.viewBox.baseVal.width;
  graph.scrollLeft = (first.x.baseVal.value + first.width.baseVal.value / 2) * scale - graph.clientWidth / 2;
}

function drag(event) {
  const graph = event.target.closest?.(GRAPH);
  if (!graph || event.button !== 0 || event.pointerType === "touch") return;
  const from = { x: event.clientX + graph.scrollLeft, y: event.clientY + graph.scrollTop };
  let far = false;
  const move = (now) => {
    far ||= Math.abs(now.clientX - event.clientX) + Math.abs(now.clientY - event.clientY) > 5;
    if (far) graph.scrollTo(from.x - now.clientX, from.y - now.clientY);
  };
  const stop = () => {
    document.removeEventListener("pointermove", move);
    if (!far) return;
    const swallow = (click) => click.preventDefault(); // the click that ends a drag opens no box
    addEventListener("click", swallow, true);
    setTimeout(() => removeEventListener("click", swallow, true), 50);
  };
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", stop, { once: true });
}

export function start() {
  document.querySelectorAll(GRAPH).forEach(begin);
  document.addEventListener("pointerdown", drag);
  document.addEventListener("dragstart", (event) => event.target.closest?.(GRAPH) && event.preventDefault());
}
