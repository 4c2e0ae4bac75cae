/**
 * The last gate before a log line: no password, token or connection string leaves by accident. Parts
 * should never hand secrets over; this is for the mistake, and for errors whose text others wrote.
 */
import type { LogFields } from "../base/log.js";

/** Names whose values are never written. `key` alone is a word of ours (a document's key) and may be shown. */
const SECRET_WORD = "(?:pass(?:word|wd|phrase)?|secret|token|authorization|cookie|credentials?)";
const SECRET_NAME = new RegExp(
  `^(?:.*[-_])?${SECRET_WORD}$|(?:Password|Secret|Token)$|^api[-_]?key$`,
  "i",
);

/** The password inside a URL: `scheme://user:password@host`. */
const URL_PASSWORD = /([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/]*@/gi;

/** The password inside a libpq connection string: `password=…`. */
const PAIR_PASSWORD = /\b(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'&]+)/gi;

/** Deeper than this a field is not data for a log line. */
const DEPTH_MAX = 4;

const HIDDEN = "[hidden]";

export function redactFields(fields: LogFields): Record<string, unknown> {
  return redactObject(fields, 0);
}

export function redactText(text: string): string {
  return text.replace(URL_PASSWORD, `$1:${HIDDEN}@`).replace(PAIR_PASSWORD, `$1${HIDDEN}`);
}

function redactObject(fields: object, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    shown[name] = SECRET_NAME.test(name) ? HIDDEN : redactValue(value, depth + 1);
  }
  return shown;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) return "[too deep]";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Map) {
    return redactObject(Object.fromEntries(value as Map<PropertyKey, unknown>), depth);
  }
  if (value instanceof Uint8Array) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth + 1));
  return redactObject(value, depth);
}

/** Name, code, message and stack, and the same of the cause. */
function redactError(error: Error, depth: number): Record<string, unknown> {
  const code = (error as { code?: unknown }).code;
  return {
    name: error.name,
    ...(typeof code === "string" ? { code } : {}),
    message: redactText(error.message),
    ...(error.stack === undefined ? {} : { stack: redactText(error.stack) }),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  };
}
