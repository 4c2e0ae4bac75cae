/** A lap as the lines that a session gets, and what it holds after them. */
import type { LapChannel, LogNumber } from "../journal/journal.js";
import { encodeServerFrame } from "../protocol/codec.js";
import type { Attachment } from "./attachment.js";
import type { SchemaKey } from "./schema-frames.js";
import type { Session } from "./session.js";
import { encodeLine } from "./wire-message.js";
import { assert } from "../base/assert.js";

export interface LapPart {
  readonly attachment: Attachment;
  readonly part: LapChannel;
  /** Its `changes` frames. */
  readonly lines: readonly Uint8Array[];
}

export interface LapToSend {
  readonly parts: readonly LapPart[];
  /** Of all entries; they are loaded. */
  readonly schemas: ReadonlySet<SchemaKey>;
  readonly log: LogNumber;
  /** All ready channels are among the parts and everything due is: ends in a commit at `log`. */
  readonly commits: boolean;
  readonly run: string;
}

export interface LapLines {
  readonly lines: readonly Uint8Array[];
  readonly entries: number;
}

/** The lines must be sent: the session counts on it. */
export function encodeLap(session: Session, lap: LapToSend): LapLines {
  const lines: Uint8Array[] = [];
  assert(
    session.addSchemas(lap.schemas, lines),
    "the schemas of a lap are loaded before it is sent",
  );
  let entries = 0;
  for (const { attachment, part, lines: changes } of lap.parts) {
    entries += part.entries.length;
    lines.push(...changes);
    if (attachment.sent === 0) attachment.floor = part.floor;
    attachment.advance(part.epoch, part.reached);
    if (!lap.commits && attachment.stage === "loading" && attachment.sent > attachment.held) {
      lines.push(pageLine(attachment, lap.log));
    }
  }
  if (lap.commits) lines.push(...commitLines(session, lap));
  return { lines, entries };
}

function pageLine(attachment: Attachment, log: LogNumber): Uint8Array {
  const { channel, epoch, held, sent } = attachment;
  attachment.settle();
  return encodeLine(
    encodeServerFrame({ t: "page", channel: channel.name, epoch, from: held, to: sent, log }),
  );
}

function commitLines(session: Session, lap: LapToSend): Uint8Array[] {
  const moved: [string, number, number, number][] = [];
  const ready: string[] = [];
  for (const { attachment } of lap.parts) {
    const { name } = attachment.channel;
    if (attachment.owes) moved.push([name, attachment.epoch, attachment.held, attachment.sent]);
    attachment.settle();
    if (attachment.stage !== "ready") ready.push(name);
    attachment.stage = "ready";
  }
  session.log = lap.log;
  const isNewRun = session.runTold !== lap.run;
  if (moved.length === 0 && ready.length === 0 && !isNewRun) return [];
  session.runTold = lap.run;
  const frame = {
    t: "commit" as const,
    at: lap.log,
    ...(isNewRun ? { run: lap.run } : {}),
    moved,
    ...(ready.length > 0 ? { ready } : {}),
  };
  return [encodeLine(encodeServerFrame(frame))];
}
