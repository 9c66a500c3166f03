// Graphile Worker: one message a job. It removes a job that is done, so each task updates the status of its message.
//
// node graphile_peer.mjs enqueue COUNT
// node graphile_peer.mjs work CONCURRENCY
import pg from "pg";
import { makeWorkerUtils, run } from "graphile-worker";
import { post, thousands } from "./messages.mjs";

const connectionString = process.env.PEER_DATABASE_URL;
const [, , command, number] = process.argv;

if (command === "enqueue") {
  const utils = await makeWorkerUtils({ connectionString });
  await utils.migrate();
  for (const ids of thousands(Number(number))) {
    await utils.addJobs(ids.map((id) => ({ identifier: "send", payload: { id } })));
  }
  await utils.release();
} else {
  const update = "UPDATE task_message SET status = 'sent', sent_at = clock_timestamp() WHERE id = $1";
  const send = async ({ id }, { query }) => {
    await post(id);
    await query({ name: "sent", text: update, values: [id] });
  };
  await run({
    pgPool: new pg.Pool({ connectionString, max: 16 }),
    concurrency: Number(number),
    noHandleSignals: true,
    taskList: { send },
    preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, pollInterval: 500 } },
  });
}
