/**
 * What a client takes from a server: unknown frame types and fields pass (rule 5), a known field of the
 * wrong type does not. Built for `changes`: one look at each entry's head, none at its values.
 */
import type { Op } from "../model/entry.js";
import type { ServerFrame } from "./frames.js";
import { protocolError } from "./protocol-error.js";

/** Whether a field's value is of its type; for a missing optional field it is called with undefined. */
type Test = (value: unknown) => boolean;

type Fields = Readonly<Record<string, Test>>;

const ops: ReadonlySet<unknown> = new Set<Op>(["i", "u", "d", "m", "t", "g"]);
const hows: ReadonlySet<unknown> = new Set(["resumed", "delta", "snapshot", "gap"]);
const states: ReadonlySet<unknown> = new Set(["ready", "copying", "rederiving"]);
const kinds: ReadonlySet<unknown> = new Set(["state", "events"]);

/** Place of the op in a wire entry: behind serial, log − base and index. */
const OP = 3;

const status: Fields = {
  state: (value) => states.has(value),
  rowsDone: optional(isCount),
  rowsTotal: optional(isCount),
};

const group: Fields = { table: isText, schema: isCount, base: isCount, entries: isEntries };

const column: Fields = {
  name: isText,
  type: isText,
  of: optional(isText),
  native: optional(isText),
};

const frames: ReadonlyMap<unknown, Fields> = new Map<ServerFrame["t"], Fields>([
  [
    "welcome",
    {
      v: isCount,
      session: isText,
      run: isText,
      heartbeatMs: isCount,
      limits: isObject,
      expiresAt: optional(isCount),
    },
  ],
  [
    "attached",
    {
      id: isCount,
      channels: listOf({
        channel: isText,
        epoch: isCount,
        how: (value) => hows.has(value),
        after: isCount,
        status: (value) => isObject(value) && has(value, status),
      }),
    },
  ],
  ["detached", { channels: isTexts }],
  ["renewed", { expiresAt: optional(isCount) }],
  [
    "schema",
    {
      table: isText,
      version: isCount,
      kind: (value) => kinds.has(value),
      columns: listOf(column),
      key: isTexts,
    },
  ],
  ["changes", { channel: isText, ...group }],
  ["page", { channel: isText, epoch: isCount, from: isCount, to: isCount, log: isCount }],
  ["commit", { at: isCount, run: optional(isText), moved: isMoved, ready: optional(isTexts) }],
  ["status", { channel: isText, ...status }],
  ["stale", { source: isText, since: isCount }],
  ["fresh", { source: isText }],
  [
    "historyPage",
    {
      id: isCount,
      channel: isText,
      epoch: isCount,
      floor: isCount,
      head: isCount,
      more: isFlag,
      groups: listOf(group),
    },
  ],
  ["reached", { id: isCount }],
  [
    "error",
    {
      code: isText,
      message: isText,
      id: optional(isCount),
      channels: optional(isTexts),
      retryInMs: optional(isCount),
    },
  ],
  ["goaway", { reconnectWithinMs: isCount }],
  ["pong", {}],
  ["heartbeat", {}],
]);

/** `value` as a frame; undefined for a type that this version does not know. Throws a ProtocolError. */
export function checkServerFrame(
  value: Readonly<Record<string, unknown>>,
): ServerFrame | undefined {
  const fields = frames.get(value["t"]);
  if (fields === undefined) return undefined;
  for (const name in fields) {
    if (fields[name]?.(value[name]) === false) {
      const found = `${String(value["t"])}.${name} is missing or malformed`;
      throw protocolError("PROTOCOL_FIELD", `reading a server's frame: ${found}`);
    }
  }
  return value as unknown as ServerFrame;
}

function isEntries(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  for (const entry of value as unknown[]) {
    if (!Array.isArray(entry) || entry.length <= OP) return false;
    const items = entry as unknown[];
    if (!isCount(items[0]) || !isCount(items[1]) || !isCount(items[2])) return false;
    if (!ops.has(items[OP])) return false;
  }
  return true;
}

function isMoved(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  return (value as unknown[]).every((item) => {
    if (!Array.isArray(item) || item.length < 4) return false;
    const [channel, epoch, from, to] = item as unknown[];
    return isText(channel) && isCount(epoch) && isCount(from) && isCount(to);
  });
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isFlag(value: unknown): boolean {
  return typeof value === "boolean";
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isText);
}

function optional(test: Test): Test {
  return (value) => value === undefined || test(value);
}

function listOf(fields: Fields): Test {
  return (value) =>
    Array.isArray(value) &&
    (value as unknown[]).every((item) => isObject(item) && has(item, fields));
}

function has(value: Readonly<Record<string, unknown>>, fields: Fields): boolean {
  for (const name in fields) if (fields[name]?.(value[name]) === false) return false;
  return true;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
