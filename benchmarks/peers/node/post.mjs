// The request that all who are compared make, by the fastest client that Node has.
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
