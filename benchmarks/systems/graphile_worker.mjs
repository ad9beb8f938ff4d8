// Graphile Worker for the benchmarks: `node graphile_worker.mjs migrate|work URL`.
// Counts started handlers into <pid>.done and latencies into <pid>.latency, as benchmarks/recorder.py does.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Logger, run, runMigrations } from "graphile-worker";

const WRITE_MILLISECONDS = 20;
const [verb, connectionString] = process.argv.slice(2);

// Its log has a line per job; only warnings are kept, as for the other systems.
const logger = new Logger(() => (level, message) => {
  if (level === "error" || level === "warning") console.error(message);
});

const preset = {
  worker: {
    connectionString,
    logger,
    concurrentJobs: 24,
    maxPoolSize: 25,
    localQueue: { size: 500 },
    completeJobBatchDelay: 0,
    failJobBatchDelay: 0,
  },
};

async function work() {
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

  const noop = async ({ sent_at: sentAt }) => {
    done += 1n;
    if (!sentAt) return;
    const seconds = (performance.timeOrigin + performance.now()) / 1000 - sentAt;
    latencies ??= openSync(`${prefix}.latency`, "a");
    writeSync(latencies, new Uint8Array(new Float64Array([seconds]).buffer));
  };

  // A job whose runs are noted, as Recorder.work does it.
  const journal = process.env.BENCHMARK_JOURNAL ? openSync(process.env.BENCHMARK_JOURNAL, "a") : null;
  const line = (word, number) => writeSync(journal, `${word} ${number} ${Date.now() / 1000}\n`);
  const slow = async ({ sent_at: number }) => {
    line("start", number);
    await new Promise((resolve) => setTimeout(resolve, 1000 * Number(process.env.BENCHMARK_JOB_SECONDS)));
    line("end", number);
  };

  const timer = setInterval(write, WRITE_MILLISECONDS);
  const runner = await run({ preset, taskList: { noop: journal === null ? noop : slow } });
  await runner.promise;
  clearInterval(timer);
  write();
  closeSync(counter);
}

if (verb === "migrate") await runMigrations({ preset });
else await work();
