// The signals of the server: all tabs of a browser share one stream, for over HTTP/1.1 a browser has only six connections.
// This file is both: what a page imports, and the worker that the pages share. Where there is none, each page has its own stream.
const AGAIN = 1500; // ms until a stream that was refused is tried again
const SIGNALS = ["changed", "down"];

// Hears a stream; gives what closes it. `tell` gets "changed", "down" or "broken".
function hear(url, tell) {
  let source, later, isClosed = false;
  const start = () => {
    source = new EventSource(url);
    for (const name of SIGNALS) source.addEventListener(name, () => tell(name));
    source.addEventListener("open", () => tell("changed")); // what happened while there was no stream
    source.addEventListener("error", () => {
      tell("broken");
      if (source.readyState !== EventSource.CLOSED || isClosed) return; // the browser comes again by itself
      later = setTimeout(start, AGAIN);
    });
  };
  start();
  return () => {
    isClosed = true;
    clearTimeout(later);
    source.close();
  };
}

export function open(url, tell) {
  let worker;
  try {
    worker = new SharedWorker(import.meta.url, { type: "module", name: url });
  } catch { // there are none, as on some phones
    return { close: hear(url, tell) };
  }
  const beat = setInterval(() => worker.port.postMessage("here"), 10000); // a tab that crashes says no goodbye
  worker.port.onmessage = (event) => tell(event.data);
  worker.port.postMessage("here");
  return {
    close() {
      clearInterval(beat);
      worker.port.postMessage("bye");
      worker.port.close();
    },
  };
}

if (typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope) {
  const ports = new Map(); // to the time when each was heard of
  let close = null, last = "";
  const look = () => {
    for (const [port, at] of ports) if (Date.now() - at > 25000) ports.delete(port);
    if (!ports.size && close) close = close();
  };
  const tell = (signal) => {
    last = signal;
    for (const port of ports.keys()) port.postMessage(signal);
  };
  self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => {
      if (data === "bye") ports.delete(port);
      else {
        if (!ports.has(port) && close && last) port.postMessage(last); // as the stream tells a new reader what is so
        ports.set(port, Date.now());
        close ??= hear(self.name, tell);
      }
      look();
    };
  };
  setInterval(look, 5000);
}
