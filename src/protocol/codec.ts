/**
 * The server's side of messages: a message is one JSON object per line. What a client sent is parsed
 * strictly (client-frames.ts). Throws ProtocolErrors.
 */
import { checkClientFrame } from "./client-frames.js";
import type { ClientFrame, ServerFrame } from "./frames.js";
import { parseObject } from "./json-line.js";
import { CLIENT_FRAMES_PER_MESSAGE_MAX, CLIENT_FRAME_DEPTH_MAX } from "./limits.js";
import { protocolError } from "./protocol-error.js";

/**
 * The frames of a client's message, in order. The message's size is the transport's business. Throws for
 * the first line that is not allowed; nothing of such a message counts.
 */
export function parseClientMessage(message: string): ClientFrame[] {
  const frames: ClientFrame[] = [];
  for (const line of message.split("\n")) {
    if (line === "" || line === "\r") continue;
    if (frames.length === CLIENT_FRAMES_PER_MESSAGE_MAX) {
      throw protocolError(
        "PROTOCOL_COUNT",
        `reading a message: it holds more than ${CLIENT_FRAMES_PER_MESSAGE_MAX} frames`,
      );
    }
    refuseDepth(line);
    frames.push(checkClientFrame(parseObject(line)));
  }
  return frames;
}

/** The line of a server's frame, newline included. `changes` and `historyPage` come from wire-entries.ts. */
export function encodeServerFrame(
  frame: Exclude<ServerFrame, { t: "changes" | "historyPage" }>,
): string {
  return `${JSON.stringify(frame)}\n`;
}

/** Counts brackets outside strings before JSON.parse builds anything. */
function refuseDepth(line: string): void {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (inString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) inString = true;
    else if (code === 0x7b || code === 0x5b) {
      depth++;
      if (depth <= CLIENT_FRAME_DEPTH_MAX) continue;
      const message = `reading a frame: it is nested deeper than ${CLIENT_FRAME_DEPTH_MAX}`;
      throw protocolError("PROTOCOL_DEPTH", message);
    } else if (code === 0x7d || code === 0x5d) depth--;
  }
}
