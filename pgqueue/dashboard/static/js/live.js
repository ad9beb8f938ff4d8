// Keeps an open page up to date: one stream says that something has changed, and the page asks for its main part again.
// It stops while nobody looks, and waits while somebody acts: nothing moves under the hand.
import { refresh as refreshTimes } from "./times.js";
import { open } from "./stream.js";

const PATIENCE = 5000; // ms for an answer
const AGAIN = 1500; // ms until a page asks again after it got no answer
const LONG = 30000; // ms after which a page asks without a signal: some things are so by the passing of time only
let stream = null, asking = null, isDue = false, isPaused = false, shownAt = Date.now(), trouble = "", retry = 0;

const main = () => document.querySelector("main");
const isActing = () =>
  document.querySelector("details.act[open], dialog[open]") !== null ||
  document.activeElement?.matches?.("main input:not([type=checkbox]), main textarea, main select");

export function say(text) {
  document.getElementById("announcements").innerHTML = ""; // a status is announced when its content is set anew
  const line = document.createElement("p");
  line.className = "sr";
  line.textContent = text;
  document.getElementById("announcements").append(line);
}

function show() {
  const banner = document.getElementById("live-banner");
  const age = Math.round((Date.now() - shownAt) / 1000);
  const text = trouble && `${trouble} The figures are ${age} s old; the page goes on by itself.`;
  banner.hidden = !text;
  if (text && banner.textContent !== text) banner.textContent = text;
  for (const element of document.querySelectorAll("[data-live-state]")) {
    element.hidden = false;
    element.className = `live ${trouble ? "broken" : isPaused || isActing() ? "paused" : ""}`.trim();
    element.textContent = trouble ? "not live" : isPaused ? "paused" : isActing() ? "waits while you act" : "live";
  }
}

function fails(text) {
  if (!trouble) say(text);
  trouble = text;
  clearTimeout(retry);
  retry = setTimeout(ask, AGAIN);
  show();
}

export async function ask() {
  isDue = true;
  clearTimeout(retry);
  if (asking || document.hidden || isPaused || isActing()) return show();
  isDue = false;
  asking = new AbortController();
  const late = setTimeout(() => asking.abort(), PATIENCE);
  try {
    const answer = await fetch(location.href, {
      headers: { "X-Part": "main", "X-Shown": main().dataset.shown ?? "" }, signal: asking.signal, cache: "no-store",
    });
    if (answer.status === 401 || answer.redirected) return fails("You are signed out: load the page again.");
    if (answer.status === 503 || answer.status === 504) return fails("The database does not answer.");
    if (!answer.ok) return fails("The server could not show this page.");
    const html = answer.status === 204 ? "" : await answer.text();
    if (html && !isActing()) await put(html);
    if (trouble) say("The figures are live again.");
    trouble = "";
    shownAt = Date.now();
  } catch {
    fails("The server does not answer.");
  } finally {
    clearTimeout(late);
    asking = null;
    show();
    if (isDue && !trouble) setTimeout(ask, 100);
  }
}

async function put(html) {
  const folds = new Map([...main().querySelectorAll("details[id]")].map((one) => [one.id, one.open]));
  const next = new DOMParser().parseFromString(html, "text/html").querySelector("main");
  for (const { name, value } of next.attributes) main().setAttribute(name, value);
  await htmx.swap({ target: main(), swap: "innerMorph", text: next.innerHTML }); // outerMorph leaves an element behind each time
  for (const [id, isOpen] of folds) {
    const one = document.getElementById(id);
    if (one && one.open !== isOpen) one.open = isOpen;
  }
  refreshTimes(main());
  document.dispatchEvent(new CustomEvent("pgqueue:shown"));
}

function listen() {
  if (stream || document.hidden) return;
  stream = open(new URL(document.body.dataset.live, location.href).href, (signal) => {
    if (signal === "changed") ask();
    else fails(signal === "down" ? "The database does not answer." : "The connection to the server is broken.");
  });
}

function hush() {
  stream?.close();
  stream = null;
}

export function pause() {
  isPaused = !isPaused;
  say(isPaused ? "Live figures are paused." : "Figures are live.");
  show();
  if (!isPaused) ask();
}

export function start() {
  if (!main()?.dataset.shown) return;
  document.addEventListener("visibilitychange", () => (document.hidden ? hush() : (listen(), ask())));
  addEventListener("pagehide", hush);
  addEventListener("pageshow", (event) => event.persisted && (listen(), ask()));
  document.addEventListener("toggle", () => isDue && ask(), true);
  document.addEventListener("focusout", () => setTimeout(() => isDue && ask(), 200));
  setInterval(() => { show(); if ((isDue && !trouble && !isActing()) || Date.now() - shownAt > LONG) ask(); }, 1000);
  listen();
}
