// pg-boss for the benchmarks: `node pgboss.mjs install|work|produce URL`; the protocol of `produce` is in benchmarks/peers.py.
//
// Its guide to workers (docs, api/workers) has batchSize for many small jobs and burstWhenBatchFull to fetch without a pause while
// batches are full, localConcurrency for several loops in a process (two: one waits for the server while the other one runs);
// useListenNotify and a queue's notify are for a worker that waits. The rest are its defaults.
import { createInterface } from "node:readline";
import { PgBoss } from "pg-boss";
import { now, startCounter } from "./counter.mjs";

const QUEUE = "noop";
const BATCH = 500;
const LOOPS = 2;
const [verb, connectionString] = process.argv.slice(2);

async function started(options) {
  const boss = new PgBoss({ connectionString, ...options });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}

async function install() {
  const boss = await started({});
  // Only with a heartbeat does it notice a dead worker before a job expires (docs, api/queues); it costs an update for each job that runs.
  const heartbeat = process.env.BENCHMARK_JOURNAL ? { heartbeatSeconds: 30 } : {};
  await boss.createQueue(QUEUE, { notify: true, ...heartbeat });
  await boss.stop({ graceful: false });
}

async function work() {
  const boss = await started({ useListenNotify: true });
  const counter = startCounter();
  const noop = async ({ data }) => counter.note(data.sent_at);

  await boss.work(QUEUE, { batchSize: BATCH, burstWhenBatchFull: true, localConcurrency: LOOPS }, (jobs) => Promise.all(jobs.map(noop)));
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  await boss.stop();
  counter.stop();
}

async function produce() {
  const boss = await started({ supervise: false, schedule: false });
  const answer = async (request) => {
    if (request.many) await boss.insert(QUEUE, Array(request.many).fill({ data: { sent_at: 0 } }));
    else if ("sent_at" in request) await boss.send(QUEUE, { sent_at: request.sent_at > 0 ? now() : request.sent_at });
  };
  for await (const line of createInterface({ input: process.stdin })) {
    const start = performance.now();
    await answer(JSON.parse(line));
    console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
  }
  await boss.stop({ graceful: false });
}

await { install, work, produce }[verb]();
