/**
 * What a server takes from a client: every field checked, nothing unknown let in (rule 4). Knows the shape
 * of frames, not when they may come.
 */
import { CHANNEL_BYTES_MAX, isChannelName } from "../model/channel.js";
import type { ClientFrame } from "./frames.js";
import {
  ATTACH_CHANNELS_MAX,
  CLIENT_NAME_CHARS_MAX,
  HISTORY_LIMIT_MAX,
  LAST_MAX,
  POSITION_CHARS_MAX,
  RUN_CHARS_MAX,
  SOURCE_CHARS_MAX,
  TOKEN_CHARS_MAX,
} from "./limits.js";
import { protocolError } from "./protocol-error.js";

/** Throws where `value`, found at `at`, is not what the field may hold. */
type Check = (value: unknown, at: string) => void;

interface Shape {
  readonly required: ReadonlyMap<string, Check>;
  readonly optional: ReadonlyMap<string, Check>;
}

const place = shape({
  epoch: wholeNumber(0),
  serial: wholeNumber(0),
  log: wholeNumber(0),
  run: text(RUN_CHARS_MAX),
});

const last = shape({ last: wholeNumber(1, LAST_MAX) });

const attachChannel = shape(
  { channel: channelName, from: attachFrom },
  { loading: (value, at) => must(typeof value === "boolean", at, "true or false") },
);

const shapes: ReadonlyMap<string, Shape> = new Map<ClientFrame["t"], Shape>([
  [
    "hello",
    shape(
      { v: wholeNumber(0) },
      { token: text(TOKEN_CHARS_MAX), client: text(CLIENT_NAME_CHARS_MAX) },
    ),
  ],
  ["attach", shape({ id: wholeNumber(0), channels: channelList(checkAttachChannel) })],
  ["detach", shape({ channels: channelList(checkDetachChannel) })],
  ["token", shape({ token: text(TOKEN_CHARS_MAX) })],
  [
    "history",
    shape(
      { id: wholeNumber(0), channel: channelName, limit: wholeNumber(1, HISTORY_LIMIT_MAX) },
      { before: wholeNumber(1), after: wholeNumber(0) },
    ),
  ],
  [
    "until",
    shape({
      id: wholeNumber(0),
      source: text(SOURCE_CHARS_MAX),
      position: text(POSITION_CHARS_MAX),
    }),
  ],
  ["ping", shape({})],
]);

/** `value` as a frame that a server may act upon; throws a ProtocolError where it is none. */
export function checkClientFrame(value: Readonly<Record<string, unknown>>): ClientFrame {
  const name = value["t"];
  const known = typeof name === "string" ? shapes.get(name) : undefined;
  if (typeof name !== "string" || known === undefined) {
    throw protocolError("PROTOCOL_FRAME_UNKNOWN", `reading a frame: t is ${quote(name)}`);
  }
  checkShape(value, known, name, "t");
  if (name === "history" && value["before"] !== undefined && value["after"] !== undefined) {
    throw protocolError("PROTOCOL_FIELD", "history: before and after exclude each other");
  }
  return value as unknown as ClientFrame;
}

function shape(required: Record<string, Check>, optional: Record<string, Check> = {}): Shape {
  return {
    required: new Map(Object.entries(required)),
    optional: new Map(Object.entries(optional)),
  };
}

function checkShape(
  value: Readonly<Record<string, unknown>>,
  allowed: Shape,
  at: string,
  tag?: string,
): void {
  for (const [name, check] of allowed.required) {
    if (!Object.hasOwn(value, name)) {
      throw protocolError("PROTOCOL_FIELD", `${at}: field ${name} is missing`);
    }
    check(value[name], `${at}.${name}`);
  }
  for (const name of Object.keys(value)) {
    if (name === tag || allowed.required.has(name)) continue;
    const check = allowed.optional.get(name);
    if (check === undefined) {
      throw protocolError("PROTOCOL_FIELD", `${at}: field ${quote(name)} is not known`);
    }
    check(value[name], `${at}.${name}`);
  }
}

function must(holds: boolean, at: string, wanted: string): void {
  if (!holds) throw protocolError("PROTOCOL_FIELD", `${at}: it must be ${wanted}`);
}

function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): Check {
  return (value, at) => {
    const holds = Number.isSafeInteger(value) && (value as number) >= least;
    must(holds && (value as number) <= most, at, `a whole number from ${least} to ${most}`);
  };
}

function text(charsMax: number): Check {
  return (value, at) => {
    const holds = typeof value === "string" && value.length > 0 && value.length <= charsMax;
    must(holds, at, `text of 1 to ${charsMax} characters`);
  };
}

function channelName(value: unknown, at: string): void {
  if (typeof value === "string" && isChannelName(value)) return;
  throw protocolError(
    "PROTOCOL_CHANNEL",
    `${at}: it must be a channel name: 1 to ${CHANNEL_BYTES_MAX} bytes, no spaces, quotes or *`,
  );
}

function attachFrom(value: unknown, at: string): void {
  if (value === "start" || value === "now") return;
  must(isObject(value), at, `"start", "now", {"last": n} or a place`);
  const from = value as Record<string, unknown>;
  checkShape(from, Object.hasOwn(from, "last") ? last : place, at);
}

/** A list of channels, none twice; `check` returns an item's channel. */
function channelList(check: (item: unknown, at: string) => string): Check {
  return (value, at) => {
    must(Array.isArray(value), at, "a list");
    const items = value as unknown[];
    if (items.length === 0 || items.length > ATTACH_CHANNELS_MAX) {
      const found = `${at}: it holds ${items.length} channels`;
      throw protocolError("PROTOCOL_COUNT", `${found}; 1 to ${ATTACH_CHANNELS_MAX} are allowed`);
    }
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const channel = check(item, `${at}[${index}]`);
      if (seen.has(channel)) {
        throw protocolError("PROTOCOL_COUNT", `${at}: channel ${channel} is named twice`);
      }
      seen.add(channel);
    }
  };
}

function checkAttachChannel(item: unknown, at: string): string {
  must(isObject(item), at, "an object");
  const entry = item as Record<string, unknown>;
  checkShape(entry, attachChannel, at);
  return entry["channel"] as string;
}

function checkDetachChannel(item: unknown, at: string): string {
  channelName(item, at);
  return item as string;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What a hostile client sent, cut to what a log line can take. */
function quote(value: unknown): string {
  const shown = typeof value === "string" ? value : (JSON.stringify(value) as string | undefined);
  return JSON.stringify((shown ?? "missing").slice(0, 40));
}
