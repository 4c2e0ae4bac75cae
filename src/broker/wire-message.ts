/**
 * Bytes on their way to sockets. A WireMessage is made once and shared by every session that gets it; the
 * transport keeps its framed form on it, so that the envelope too is made once.
 */
import { concatBytes } from "../protocol/wire-entries.js";
import { SERVER_MESSAGE_BYTES } from "../protocol/limits.js";

const encoder = new TextEncoder();

export class WireMessage {
  readonly payload: Uint8Array;
  /** Set by the transport at the first send. */
  framed: Uint8Array | undefined;

  constructor(payload: Uint8Array) {
    this.payload = payload;
  }

  get bytes(): number {
    return this.payload.length;
  }
}

/** Several as one: each holds whole lines. */
export function joined(messages: readonly WireMessage[]): WireMessage {
  return new WireMessage(concatBytes(messages.map(({ payload }) => payload)));
}

export function textMessage(lines: string): WireMessage {
  return new WireMessage(encoder.encode(lines));
}

export function encodeLine(line: string): Uint8Array {
  return encoder.encode(line);
}

/** Lines put together into messages of about SERVER_MESSAGE_BYTES. */
export function packLines(lines: readonly Uint8Array[]): WireMessage[] {
  const messages: WireMessage[] = [];
  let open: Uint8Array[] = [];
  let bytes = 0;
  for (const line of lines) {
    if (bytes > 0 && bytes + line.length > SERVER_MESSAGE_BYTES) {
      messages.push(new WireMessage(concatBytes(open)));
      open = [];
      bytes = 0;
    }
    open.push(line);
    bytes += line.length;
  }
  if (open.length > 0) messages.push(new WireMessage(concatBytes(open)));
  return messages;
}
