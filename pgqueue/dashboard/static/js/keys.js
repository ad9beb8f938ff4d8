// Keys: / ? j k x Enter p g Esc. A key of a field is its own.
import { pause } from "./live.js";

const PLACES = { o: "", j: "jobs", d: "dead-letters", w: "workflows" };
let isGoing = false;

const rows = () => [...document.querySelectorAll("main tbody tr[id]")];

function move(by) {
  const all = rows();
  if (!all.length) return;
  const now = all.findIndex((row) => row.hasAttribute("data-at"));
  const next = all[Math.max(0, Math.min(all.length - 1, now < 0 ? 0 : now + by))];
  all[now]?.removeAttribute("data-at");
  next.setAttribute("data-at", ""); // which a live update leaves as it is
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("a, summary, button, input")?.focus({ preventScroll: true });
}

const here = () => document.querySelector("main tr[data-at]");

function escape() {
  const act = document.querySelector("details.act[open]");
  if (act) {
    act.open = false;
    act.querySelector("summary").focus();
  } else document.activeElement?.blur?.();
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return escape();
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select")) return;
    if (isGoing && event.key in PLACES) return location.assign(document.querySelector("nav .brand").href + PLACES[event.key]);
    isGoing = event.key === "g";
    const act = {
      "/": () => document.querySelector("[data-search]")?.focus(),
      "?": () => document.getElementById("help").showModal(),
      j: () => move(1),
      k: () => move(-1),
      x: () => here()?.querySelector("input[type=checkbox]")?.click(),
      p: pause,
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
