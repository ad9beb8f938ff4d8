// Graphile Worker for the benchmarks: `node graphile_worker.mjs migrate|work URL`.
import { Logger, run, runMigrations } from "graphile-worker";
import { startCounter } from "./counter.mjs";

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
  const counter = startCounter();
  const noop = async ({ sent_at: sentAt }) => counter.note(sentAt);
  const runner = await run({ preset, taskList: { noop } });
  await runner.promise;
  counter.stop();
}

if (verb === "migrate") await runMigrations({ preset });
else await work();
