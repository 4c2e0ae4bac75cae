/**
 * The client's side of messages, apart from the server's, whose checks would be a tenth of a browser's
 * download. What a server sent is parsed leniently (server-frames.ts). Throws ProtocolErrors.
 */
import type { ClientFrame, ServerFrame } from "./frames.js";
import { parseObject } from "./json-line.js";
import { checkServerFrame } from "./server-frames.js";

/** The known frames of a server's message, in order. Throws where the server cannot be trusted. */
export function parseServerMessage(message: string): ServerFrame[] {
  const frames: ServerFrame[] = [];
  let start = 0;
  while (start < message.length) {
    const newline = message.indexOf("\n", start);
    const end = newline < 0 ? message.length : newline;
    if (end > start) {
      const frame = checkServerFrame(parseObject(message.slice(start, end)));
      if (frame !== undefined) frames.push(frame);
    }
    start = end + 1;
  }
  return frames;
}

/** The line of a client's frame, without its newline: a message of one frame needs none. */
export function encodeClientFrame(frame: ClientFrame): string {
  return JSON.stringify(frame);
}
