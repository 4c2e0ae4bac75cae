/** The parts of the configuration that are neither sources nor rules: from the file's words to values. */
import { resolve } from "node:path";
import type { z } from "zod";
import { must } from "../base/assert.js";
import { errorText } from "../base/errors.js";
import { Secret } from "../base/secret.js";
import type { Problem } from "../model/problem.js";
import type { AuthConfig, JournalConfig, LimitsConfig, ListenConfig } from "./config.js";
import type { authSchema, journalSchema, limitsSchema, listenSchema } from "./schema.js";
import { parseDuration, parseSize } from "./units.js";

/** As the broker demands; told here too, with the line. */
const KEY_CHARS_MIN = 16;
const SECRET_BYTES_MIN = 32;

export interface Surroundings {
  readonly baseDir: string;
  /** Reads a small text file. Throws when it cannot. */
  readonly readFile: (path: string) => string;
}

export function journalConfig(
  written: z.output<typeof journalSchema>,
  baseDir: string,
): JournalConfig {
  const { blocks, events, tombstones } = written.retention;
  return {
    kind: "lmdb",
    path: resolve(baseDir, written.path),
    mapSizeGb: Number(written.mapSizeGb),
    memoryMb: Number(written.memoryMb),
    retention: {
      blocks: { ageMs: milliseconds(blocks.age), bytes: bytes(blocks.bytes) },
      events: {
        ageMs: milliseconds(events.age),
        bytes: bytes(events.bytes),
        count: Number(events.count),
      },
      tombstones: { ageMs: milliseconds(tombstones.age) },
    },
  };
}

export function listenConfig(
  { host, port, origins, pages }: z.output<typeof listenSchema>,
  baseDir: string,
): ListenConfig {
  const folder = pages === undefined ? undefined : resolve(baseDir, pages);
  return { host, port: Number(port), origins, pages: folder };
}

export function limitsConfig(written: z.output<typeof limitsSchema>): LimitsConfig {
  const { sessions, sessionsPerAddress, channelsPerSession, frameBytes, bufferedBytes } = written;
  const { heartbeat, hello, staleAfter, drain } = written;
  return {
    ...(sessions === undefined ? {} : { sessionsMax: Number(sessions) }),
    ...(sessionsPerAddress === undefined
      ? {}
      : { sessionsPerAddressMax: Number(sessionsPerAddress) }),
    ...(channelsPerSession === undefined ? {} : { channelsMax: Number(channelsPerSession) }),
    ...(frameBytes === undefined ? {} : { messageBytesMax: bytes(frameBytes) }),
    ...(bufferedBytes === undefined ? {} : { socketBytesMax: bytes(bufferedBytes) }),
    ...(heartbeat === undefined ? {} : { heartbeatMs: milliseconds(heartbeat) }),
    ...(hello === undefined ? {} : { helloMs: milliseconds(hello) }),
    ...(staleAfter === undefined ? {} : { staleAfterMs: milliseconds(staleAfter) }),
    ...(drain === undefined ? {} : { drainMs: milliseconds(drain) }),
  };
}

/** Reads key files; what cannot be read, or is too short to be safe, becomes a problem. */
export function authConfig(
  written: z.output<typeof authSchema>,
  around: Surroundings,
): { readonly auth: AuthConfig; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const read = (inline: string | undefined, file: string | undefined, path: SecretPath): Secret => {
    const found = secretText(inline, file, around);
    if ("reason" in found) problems.push(unreadableSecret(found.reason, path));
    else if (isTooShort(found.text, path.least)) problems.push(shortSecret(path));
    return new Secret("text" in found ? found.text : "");
  };
  const keys = (written.keys ?? []).map(({ name, key, keyFile, channels }, index) => {
    const part = key === undefined ? "keyFile" : "key";
    const path: SecretPath = { path: ["auth", "keys", index, part], least: KEY_CHARS_MIN };
    return { name, channels, key: read(key, keyFile, path) };
  });
  const { jwt } = written;
  if (jwt === undefined) return { auth: { keys, jwt: undefined }, problems };
  const { issuer, audience, channelsClaim } = jwt;
  const part = jwt.secret === undefined ? "secretFile" : "secret";
  const path: SecretPath = { path: ["auth", "jwt", part], least: SECRET_BYTES_MIN };
  const secret = read(jwt.secret, jwt.secretFile, path);
  return { auth: { keys, jwt: { secret, issuer, audience, channelsClaim } }, problems };
}

interface SecretPath {
  readonly path: readonly (string | number)[];
  readonly least: number;
}

function secretText(
  inline: string | undefined,
  file: string | undefined,
  around: Surroundings,
): { readonly text: string } | { readonly reason: string } {
  if (inline !== undefined) return { text: inline };
  try {
    // Editors and `echo` end files with a line break, which no one means to be part of a key.
    const path = resolve(around.baseDir, must(file, "a file where there is no secret"));
    return { text: around.readFile(path).replace(/\r?\n$/, "") };
  } catch (error) {
    return { reason: errorText(error) };
  }
}

/** An empty one was told already, as the variable that is missing. */
function isTooShort(text: string, least: number): boolean {
  return text !== "" && Buffer.byteLength(text) < least;
}

function unreadableSecret(reason: string, { path }: SecretPath): Problem {
  const message = `${path.join(".")} cannot be read: ${reason}`;
  const cure = "Write the file, and let the user of this process read it.";
  return { code: "CONFIG_UNREADABLE", level: "error", message, cure, path };
}

function shortSecret({ path, least }: SecretPath): Problem {
  const message = `${path.join(".")} is too short to be safe: fewer than ${least} bytes`;
  const cure = "Make a random one, e.g. `openssl rand -base64 32`.";
  return { code: "AUTH_SECRET_WEAK", level: "error", message, cure, path };
}

/** The schema has checked the form. */
function milliseconds(text: string): number {
  return must(parseDuration(text), "a checked duration");
}

function bytes(text: string): number {
  return must(parseSize(text), "a checked size");
}
