/**
 * Messages to frames and back, for both sides, also in a browser: a message is one JSON object per line.
 * A server parses strictly (client-frames.ts), a client leniently (server-frames.ts). Throws ProtocolErrors.
 */
import { checkClientFrame } from "./client-frames.js";
import type { ClientFrame, ServerFrame } from "./frames.js";
import { CLIENT_FRAMES_PER_MESSAGE_MAX, CLIENT_FRAME_DEPTH_MAX } from "./limits.js";
import { protocolError } from "./protocol-error.js";
import { checkServerFrame } from "./server-frames.js";

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

function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw protocolError("PROTOCOL_JSON", "reading a frame: the line is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw protocolError("PROTOCOL_JSON", "reading a frame: the line is not a JSON object");
  }
  return value as Readonly<Record<string, unknown>>;
}
