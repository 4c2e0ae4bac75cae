/** The client's side of messages. What a server sent is parsed leniently (server-frames.ts). */
import type { ClientFrame, ServerFrame } from "./frames.js";
import { parseServerFrame } from "./server-frames.js";

/** The known frames of a server's message, in order. Throws CLIENT_FRAME_INVALID where the server cannot be trusted. */
export function parseServerMessage(message: string): ServerFrame[] {
  const frames: ServerFrame[] = [];
  for (const line of message.split("\n")) {
    const frame = line === "" ? undefined : parseServerFrame(line);
    if (frame !== undefined) frames.push(frame);
  }
  return frames;
}

/** The line of a client's frame, without its newline: a message of one frame needs none. */
export function encodeClientFrame(frame: ClientFrame): string {
  return JSON.stringify(frame);
}
