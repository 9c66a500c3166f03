// The messages that every competitor sends, by the fastest client that Node has.
import { Pool } from "undici";

const TEXT = "The same text for everybody";
const FIRST_PHONE = 79_000_000_000;
const headers = { Authorization: "Bearer benchmark", "Content-Type": "application/json" };
const gateway = new Pool(process.env.PEER_GATEWAY_URL ?? "http://127.0.0.1", { connections: 64 });

export async function post(id) {
  const body = JSON.stringify({ id, phone: FIRST_PHONE + id, text: TEXT });
  const answer = await gateway.request({ path: `/send/${id}`, method: "POST", headers, body });
  await answer.body.dump();
  if (answer.statusCode !== 200) throw new Error(`the gateway answers ${answer.statusCode}`);
}

// The messages' ids, a thousand at a time.
export function* thousands(count) {
  for (let first = 1; first <= count; first += 1000) {
    yield Array.from({ length: Math.min(1000, count + 1 - first) }, (_, index) => first + index);
  }
}

export function batches(ids, size) {
  return Array.from({ length: Math.ceil(ids.length / size) }, (_, index) => ids.slice(index * size, (index + 1) * size));
}
