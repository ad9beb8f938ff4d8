// Counts started handlers into <pid>.done and latencies into <pid>.latency, as benchmarks/recorder.py does.
import { appendFileSync, closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

const WRITE_MILLISECONDS = 20;

export function startCounter() {
  const prefix = join(process.env.BENCHMARK_COUNTERS, String(process.pid));
  const counter = openSync(`${prefix}.done`, "w");
  let latencies = null;
  let done = 0n;
  let written = -1n;

  const write = () => {
    if (done === written) return;
    written = done;
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(done);
    writeSync(counter, bytes, 0, 8, 0);
  };

  const note = (sentAt) => {
    done += 1n;
    if (!sentAt) return;
    const seconds = now() - sentAt;
    latencies ??= openSync(`${prefix}.latency`, "a");
    writeSync(latencies, new Uint8Array(new Float64Array([seconds]).buffer));
  };

  const timer = setInterval(write, WRITE_MILLISECONDS);
  const stop = () => {
    clearInterval(timer);
    write();
    closeSync(counter);
  };
  return { note: process.env.BENCHMARK_JOURNAL ? noted : note, stop };
}

// A job whose runs are noted, as Recorder.work does it.
async function noted(number) {
  const line = (word) => appendFileSync(process.env.BENCHMARK_JOURNAL, `${word} ${-number} ${now()}\n`);
  line("start");
  await new Promise((resolve) => setTimeout(resolve, 1000 * Number(process.env.BENCHMARK_JOB_SECONDS)));
  line("end");
}

// Seconds of the clock that all processes share.
export function now() {
  return (performance.timeOrigin + performance.now()) / 1000;
}
