// pg-boss and Graphile Worker. A job of pg-boss is one message, whose status is the job's own. Graphile Worker has one
// message a job, or many, and removes a job that is done, so each task updates its messages' status.
//
// node peer.mjs pgboss|graphile enqueue COUNT BATCH
// node peer.mjs pgboss|graphile work SIZE BATCH
import pg from "pg";
import { makeWorkerUtils, run } from "graphile-worker";
import { PgBoss } from "pg-boss";
import { Pool } from "undici";

const connectionString = process.env.PEER_DATABASE_URL;
const [, , peer, command, number, batch] = process.argv;
const QUEUE = "send";
const TEXT = "The same text for everybody";
const FIRST_PHONE = 79_000_000_000;
const headers = { Authorization: "Bearer benchmark", "Content-Type": "application/json" };
const connections = Number(process.env.PEER_CONNECTIONS ?? 64);
const gateway = new Pool(process.env.PEER_GATEWAY_URL ?? "http://127.0.0.1", { connections });

async function post(id) {
  const body = JSON.stringify({ id, phone: FIRST_PHONE + id, text: TEXT });
  const answer = await gateway.request({ path: `/send/${id}`, method: "POST", headers, body });
  await answer.body.dump();
  if (answer.statusCode !== 200) throw new Error(`the gateway answers ${answer.statusCode}`);
}

// The messages' ids from `first` to `last`, so many at a time.
function* batches(first, last, size) {
  for (; first <= last; first += size) {
    yield Array.from({ length: Math.min(size, last + 1 - first) }, (_, index) => first + index);
  }
}

async function pgboss() {
  const boss = new PgBoss({ connectionString, supervise: command === "work", schedule: false });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  if (command === "enqueue") {
    await boss.createQueue(QUEUE);
    for (const ids of batches(1, Number(number), 1000)) {
      await boss.insert(QUEUE, ids.map((id) => ({ data: { id } })));
    }
    return boss.stop({ graceful: false });
  }
  const send = ({ id, data }) =>
    post(data.id).then(
      () => ({ id, status: "completed" }),
      (error) => ({ id, status: "failed", output: { message: error.message } }),
    );
  const options = { batchSize: Number(number), localConcurrency: 2, burstWhenBatchFull: true, perJobResults: true };
  await boss.work(QUEUE, { ...options, pollingIntervalSeconds: 0.5 }, (jobs) => Promise.all(jobs.map(send)));
}

async function graphile() {
  if (command === "enqueue") {
    const utils = await makeWorkerUtils({ connectionString });
    await utils.migrate();
    for (const ids of batches(1, Number(number), 1000)) {
      const jobs = [...batches(ids[0], ids.at(-1), Number(batch))];
      await utils.addJobs(jobs.map((some) => ({ identifier: QUEUE, payload: { ids: some } })));
    }
    return utils.release();
  }
  const update = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = ANY($1)";
  const send = async ({ ids }, { query }) => {
    await Promise.all(ids.map(post));
    await query({ name: "sent", text: update, values: [ids] });
  };
  await run({
    pgPool: new pg.Pool({ connectionString, max: 16 }),
    concurrency: Number(number),
    noHandleSignals: true,
    taskList: { [QUEUE]: send },
    preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, pollInterval: 500 } },
  });
}

await (peer === "pgboss" ? pgboss() : graphile());
