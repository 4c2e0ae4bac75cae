/**
 * One MongoDB command as bytes, over a connection of its own (OP_MSG, one section): a driver's BSON library would
 * refuse some values, and alter others. For servers without logins.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { int32Bytes, raw, rawDocument } from "./bson-bytes.js";
import type { RawField } from "./bson-bytes.js";

const OP_MSG = 2013;
const HEADER_BYTES = 16;

/** The reply, `ok: 1` or not. */
export async function rawCommand(
  at: { readonly host: string; readonly port: number },
  database: string,
  fields: readonly RawField[],
): Promise<Buffer> {
  const body = rawDocument([...fields, ["$db", raw.text(database)]]);
  const size = HEADER_BYTES + 5 + body.length;
  const header = [size, 1, 0, OP_MSG, 0].map(int32Bytes);
  const socket = connect(at);
  try {
    socket.write(Buffer.concat([...header, Buffer.of(0), body]));
    let reply = Buffer.alloc(0);
    while (reply.length < 4 || reply.length < reply.readInt32LE(0)) {
      const [chunk] = (await once(socket, "data")) as [Buffer];
      reply = Buffer.concat([reply, chunk]);
    }
    return reply.subarray(HEADER_BYTES + 5);
  } finally {
    socket.destroy();
  }
}
