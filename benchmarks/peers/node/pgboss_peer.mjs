// pg-boss: one message a job, the job's own state as the status of the message.
//
// node pgboss_peer.mjs enqueue COUNT 1
// node pgboss_peer.mjs work SIZE 1
import { PgBoss } from "pg-boss";
import { post, thousands } from "./messages.mjs";

const QUEUE = "send";
const [, , command, number] = process.argv;

async function send({ id, data }) {
  try {
    await post(data.id);
    return { id, status: "completed" };
  } catch (error) {
    return { id, status: "failed", output: { message: error.message } };
  }
}

const boss = new PgBoss({ connectionString: process.env.PEER_DATABASE_URL, supervise: command === "work", schedule: false });
boss.on("error", (error) => console.error(error));
await boss.start();
if (command === "enqueue") {
  await boss.createQueue(QUEUE);
  for (const ids of thousands(Number(number))) {
    await boss.insert(QUEUE, ids.map((id) => ({ data: { id } })));
  }
  await boss.stop({ graceful: false });
} else {
  const options = { batchSize: Number(number), localConcurrency: 2, burstWhenBatchFull: true, perJobResults: true };
  await boss.work(QUEUE, { ...options, pollingIntervalSeconds: 0.5 }, (jobs) => Promise.all(jobs.map(send)));
}
