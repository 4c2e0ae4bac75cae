/**
 * What a client takes from a server: unknown frame types and fields pass (rule 5), a known field of the
 * wrong type does not. A browser downloads this, so the shapes are text; a frame costs a microsecond to
 * look at, and each of its entries one look at the head, none at the values.
 */
import { AppError } from "../base/errors.js";
import type { Op } from "../model/entry.js";
import type { ServerFrame } from "./frames.js";

const ops: ReadonlySet<unknown> = new Set<Op>(["i", "u", "d", "m", "t", "g"]);

const STATUS = "state:ready|copying|rederiving rowsDone:? rowsTotal:?";

/**
 * Fields that the client uses, by frame and by object within one: a name alone is a count, then come its
 * kind, `[]` for a list of it, and `?` where it may be missing. What a page of a history holds is for
 * history.ts to check.
 */
const shapes = new Map<unknown, string>(
  Object.entries({
    status: `channel:text ${STATUS}`,
    welcome: "run:text heartbeatMs limits:object expiresAt:?",
    attached: "id channels:attachment[]",
    detached: "channels:text[]",
    renewed: "expiresAt:?",
    schema: "table:text version kind:state|events columns:column[] key:text[]",
    changes: "channel:text table:text schema base entries:entry[]",
    page: "channel:text epoch from to log",
    commit: "at run:text? moved:move[] ready:text[]?",
    stale: "source:text since",
    fresh: "source:text",
    historyPage: "id",
    reached: "id",
    error: "code:text message:text cure:text? id:? channels:text[]? retryInMs:?",
    goaway: "reconnectWithinMs",
    pong: "t:text",
    heartbeat: "t:text",
    // Within frames.
    attachment: "channel:text epoch how:resumed|delta|snapshot|gap after status:progress",
    column: "name:text type:text of:text?",
    object: "",
    progress: STATUS,
  } satisfies Record<ServerFrame["t"] | "attachment" | "column" | "object" | "progress", string>),
);

/** One line of a message as a frame; undefined for a type that this version does not know. Throws CLIENT_FRAME_INVALID. */
export function parseServerFrame(line: string): ServerFrame | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    // It is no object, then.
  }
  if (!isObject(value)) throw malformed("a line is not a JSON object");
  const { t } = value;
  const shape = shapes.get(t);
  if (shape === undefined) return undefined;
  const flaw = flawOf(shape, value);
  if (flaw === undefined) return value as unknown as ServerFrame;
  throw malformed(`${t as string}.${flaw} is missing or malformed`);
}

function malformed(found: string): AppError {
  return new AppError("CLIENT_FRAME_INVALID", `reading a server's frame: ${found}`);
}

/** The first field that is not as it must be, with its kind. */
export function flawOf(
  shape: string,
  value: Readonly<Record<string, unknown>>,
): string | undefined {
  return shape.split(" ").find((field) => {
    const [name = "", kind = ""] = field.split(":");
    return name !== "" && !fits(kind, value[name]);
  });
}

function fits(kind: string, value: unknown): boolean {
  if (kind === "") return isCount(value);
  if (kind === "text") return typeof value === "string";
  if (kind.endsWith("?")) return value === undefined || fits(kind.slice(0, -1), value);
  if (kind.includes("|")) return kind.split("|").includes(value as string);
  const shape = shapes.get(kind);
  if (shape !== undefined) return isObject(value) && flawOf(shape, value) === undefined;
  if (!Array.isArray(value)) return false;
  const items: readonly unknown[] = value;
  if (kind.endsWith("[]")) {
    const one = kind.slice(0, -2);
    return items.every((item) => fits(one, item));
  }
  // `entry`: serial, log − base, index, op …; `move`: channel, epoch, from, to.
  const [first, second, third, fourth] = items;
  if (!isCount(second) || !isCount(third)) return false;
  if (kind === "entry") return isCount(first) && ops.has(fourth);
  return typeof first === "string" && isCount(fourth);
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
