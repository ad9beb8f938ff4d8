// Keeps the newest line of a log in sight, unless the reader has scrolled up.
const NEAR = 24; // px from the end: still at the end
const left = new WeakSet(); // logs whose reader has scrolled up

const logs = () => document.querySelectorAll("[data-follow]");

function follow() {
  for (const log of logs()) if (!left.has(log)) log.scrollTop = log.scrollHeight;
}

export function start() {
  document.addEventListener("scroll", (event) => {
    const log = event.target;
    if (!log.matches?.("[data-follow]")) return;
    if (log.scrollHeight - log.scrollTop - log.clientHeight > NEAR) left.add(log);
    else left.delete(log);
  }, true);
  document.addEventListener("pgqueue:shown", follow);
  follow();
}
