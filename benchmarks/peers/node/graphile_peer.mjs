// Graphile Worker: one message a job, or many. It removes a job that is done, so each task updates its messages' status.
//
// node graphile_peer.mjs enqueue COUNT BATCH
// node graphile_peer.mjs work CONCURRENCY BATCH
import pg from "pg";
import { makeWorkerUtils, run } from "graphile-worker";
import { batches, post, thousands } from "./messages.mjs";

const connectionString = process.env.PEER_DATABASE_URL;
const [, , command, number, batch] = process.argv;

if (command === "enqueue") {
  const utils = await makeWorkerUtils({ connectionString });
  await utils.migrate();
  for (const ids of thousands(Number(number))) {
    await utils.addJobs(batches(ids, Number(batch)).map((some) => ({ identifier: "send", payload: { ids: some } })));
  }
  await utils.release();
} else {
  const update = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = ANY($1)";
  const send = async ({ ids }, { query }) => {
    await Promise.all(ids.map(post));
    await query({ name: "sent", text: update, values: [ids] });
  };
  await run({
    pgPool: new pg.Pool({ connectionString, max: 16 }),
    concurrency: Number(number),
    noHandleSignals: true,
    taskList: { send },
    preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, pollInterval: 500 } },
  });
}
