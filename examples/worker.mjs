// A worker in Node without any package: node examples/worker.mjs [http://127.0.0.1:8000] [queue]
// It registers, claims by long polls, keeps its lease, and finishes. PGQUEUE_API_KEY is its key, if the server needs one.

import { randomUUID } from "node:crypto";
import { hostname } from "node:os";

const [url = "http://127.0.0.1:8000", queue = "default"] = process.argv.slice(2);
const key = process.env.PGQUEUE_API_KEY;
const headers = { "Content-Type": "application/json", ...(key && { Authorization: `Bearer ${key}` }) };
const concurrency = 5;
const running = new Map(); // the jobs that run here, by id
let worker = randomUUID();
let stopping = false;

const handlers = {
  "text.upper": async ({ text }) => text.toUpperCase(),
  "text.fail": async () => { throw new TypeError("it always fails"); },
};

async function post(path, body, method = "POST") {
  for (let pause = 100; ; pause = Math.min(pause * 2, 5000)) { // each of these requests may be sent again
    const answer = await fetch(`${url}/api/v1${path}`, { method, headers, body: JSON.stringify(body) }).catch((error) => error);
    if (answer.ok) return answer.json();
    if (answer.status === 409) return null; // the lease is lost, and the jobs run elsewhere
    if (answer.status < 500 && answer.status !== 429) throw new Error(await answer.text());
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

const register = () => post("/workers", { id: worker, name: "node", host: hostname(), pid: process.pid, queues: [queue], concurrency });

async function lost(id) {
  if (id !== worker) return;
  worker = randomUUID(); // under a new id: no outcome of before is accepted
  running.clear();
  await register();
}

async function run(job, token) {
  const outcome = { id: job.id, token, state: "succeeded" };
  try {
    outcome.result = await handlers[job.task](job.args);
  } catch (error) {
    if (handlers[job.task]) Object.assign(outcome, { state: "failed", error: { type: error.name, message: error.message } });
    else outcome.state = "unknown_task";
  }
  if (running.get(job.id) !== token) return; // taken from this worker meanwhile
  await post(`/workers/${worker}/finish`, { outcomes: [outcome] });
  running.delete(job.id);
}

async function beat() {
  const id = worker;
  const answer = await post(`/workers/${id}/heartbeat`, { running: [...running.keys()] });
  if (!answer) await lost(id);
  else for (const { job_id } of answer.cancel) running.delete(job_id); // its outcome is not reported
}

process.on("SIGTERM", () => { stopping = true; });
await register();
const beating = setInterval(() => beat().catch(console.error), 10_000);
while (!stopping) {
  const id = worker;
  const claim = { claim_id: randomUUID(), want: concurrency - running.size, wait: 2 };
  const answer = claim.want > 0 ? await post(`/workers/${id}/claim`, claim) : { jobs: [] };
  if (!answer) await lost(id);
  for (const job of answer?.jobs ?? []) {
    running.set(job.id, answer.token);
    run(job, answer.token).catch(console.error);
  }
  if (claim.want <= 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
clearInterval(beating);
await post(`/workers/${worker}`, { cut_off: [...running.keys()] }, "DELETE");
process.exit(0);
